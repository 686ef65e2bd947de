//! A JavaScript module's text without comments and idle whitespace. Every token stays as it is:
//! names are not shortened, so that an error names what the source names.

use super::tokens::{Kind, Token, tokens};

/// A module's text without its comments, and without whitespace that separates nothing.
pub(super) fn stripped(source: &str) -> Result<String, String> {
    let mut text = String::with_capacity(source.len());
    let mut before: Option<&Token> = None;
    let tokens = tokens(source)?;
    for token in &tokens {
        if let Some(before) = before {
            if token.after_line_end && line_end_matters(before, token) {
                text.push('\n');
            } else if (token.spaced || token.after_line_end) && space_matters(before, token) {
                text.push(' ');
            }
        }
        text.push_str(token.text);
        before = Some(token);
    }
    Ok(text)
}

/// Returns whether a line's end between two tokens could end a statement. It cannot after what asks
/// for more, nor before what no statement begins with. After `return` and the like it always does;
/// but then nothing of the latter can follow.
fn line_end_matters(before: &Token, after: &Token) -> bool {
    let asks_for_more = before.is_any("{([,;:?=&|<>^~!%*.") || before.opens_hole();
    let continues = after.is_any(")]},;:?=&|<>%^.") || after.closes_hole();
    !asks_for_more && !continues
}

/// Returns whether two tokens would be read as others if they touched.
fn space_matters(before: &Token, after: &Token) -> bool {
    const OPERATORS: &str = "+-*/<>=!&|?.%^~@#";
    let ends_as_word = matches!(before.kind, Kind::Word | Kind::Pattern);
    let dot = after.text.starts_with('.');
    match after.kind {
        // A number may begin with a dot.
        Kind::Word if dot => true,
        Kind::Word => ends_as_word,
        Kind::Pattern => before.is_any(OPERATORS),
        Kind::Punctuation if before.kind == Kind::Word && dot => before
            .text
            .starts_with(|first: char| first.is_ascii_digit()),
        Kind::Punctuation => {
            let pattern = before.kind == Kind::Pattern;
            after.is_any(OPERATORS) && (pattern || before.is_any(OPERATORS))
        }
        Kind::Text | Kind::Template => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stripped_reads_the_same() {
        for (source, text) in [
            ("a  =  1 // one\nb = 2\n", "a=1\nb=2"),
            (
                "/* head */ let x = /* why */ 'a // b' /* tail */",
                "let x='a // b'",
            ),
            ("return\nx", "return\nx"),
            ("f(a,\n  b,\n)\ng()", "f(a,b,)\ng()"),
            ("a\n  .b()\n  ?.c", "a.b()?.c"),
            ("x = a +\n  +b - -c + ++d", "x=a+\n+b- -c+ ++d"),
            ("a\n++b", "a\n++b"),
            ("x = y\n(z)", "x=y\n(z)"),
            ("x = y\n`z`", "x=y\n`z`"),
            ("x\n*y() {}", "x\n*y(){}"),
            ("if (a)\n  b\nelse\n  c", "if(a)\nb\nelse\nc"),
            ("for (const [a] of b) { c }", "for(const[a]of b){c}"),
            ("a = 1 .toFixed() + a. b", "a=1 .toFixed()+a.b"),
            ("a ? .5 : 1", "a? .5:1"),
            ("x = 1e-5 + 0xE - 1 - 10n", "x=1e-5+0xE-1-10n"),
            ("x = a in b", "x=a in b"),
            ("#p in o", "#p in o"),
            ("x => ({ y: 1 })", "x=>({y:1})"),
            (
                "class A {\n  #b = 1\n  static c() {}\n}",
                "class A{#b=1\nstatic c(){}}",
            ),
            ("é = 'ü'\nz", "é='ü'\nz"),
        ] {
            assert_eq!(stripped(source).as_deref(), Ok(text), "{source}");
            assert_eq!(stripped(text).as_deref(), Ok(text), "again: {source}");
        }
    }

    #[test]
    fn templates_keep_their_text_and_nest() {
        for (source, text) in [
            (
                "`  a  ${ b + `c ${ d } // no` }  e`",
                "`  a  ${b+`c ${d} // no`}  e`",
            ),
            ("`\\` \\${ ${ { a: 1 }.a } }`", "`\\` \\${ ${{a:1}.a} }`"),
            ("`a\n  b`", "`a\n  b`"),
            ("tag `x` / 2", "tag`x`/2"),
        ] {
            assert_eq!(stripped(source).as_deref(), Ok(text), "{source}");
        }
    }
}
