//! The tokens of a JavaScript module.
//!
//! A lexer and no parser: it knows where strings, templates, regular expressions and comments begin
//! and end. One thing only a parser could tell, whether a slash after a closing brace divides or
//! begins a regular expression; such a slash is an error, for which a pair of parentheses in the
//! source is the remedy.

use std::ops::Range;

/// What a token is, as far as its neighbours depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// One character of punctuation; `=>` is two tokens.
    Punctuation,
    /// A string.
    Text,
    /// A template from a backtick or a closing brace to a backtick or `${`.
    Template,
    /// A regular expression; its flags are a word of their own.
    Pattern,
}

/// A token and what stands before it.
#[derive(Debug, Clone)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    pub(super) text: &'s str,
    /// Its place in the source, in bytes.
    pub(super) range: Range<usize>,
    /// Its line in the source, from 1.
    pub(super) line: usize,
    /// True after whitespace or a comment.
    pub(super) spaced: bool,
    /// True after the end of a line, which may end a statement.
    pub(super) after_line_end: bool,
}

impl Token<'_> {
    /// Returns whether it is this word or punctuation.
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Punctuation)
    }

    /// Returns whether it is one of these characters of punctuation.
    pub(super) fn is_any(&self, characters: &str) -> bool {
        self.kind == Kind::Punctuation && characters.contains(self.text)
    }

    pub(super) fn opens_hole(&self) -> bool {
        self.kind == Kind::Template && self.text.ends_with("${")
    }

    pub(super) fn closes_hole(&self) -> bool {
        self.kind == Kind::Template && self.text.starts_with('}')
    }
}

/// Keywords after which an expression begins, and so a slash a regular expression.
const BEFORE_EXPRESSION: [&str; 15] = [
    "await",
    "case",
    "delete",
    "do",
    "else",
    "extends",
    "in",
    "instanceof",
    "new",
    "of",
    "return",
    "throw",
    "typeof",
    "void",
    "yield",
];

/// The tokens of a module, or the line and the words of what cannot be read.
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, String> {
    let mut lexer = Lexer {
        source,
        at: 0,
        line: 1,
        tokens: Vec::new(),
        open: Vec::new(),
        closed: None,
    };
    lexer
        .run()
        .map_err(|what| format!("line {}: {what}", lexer.line))?;
    Ok(lexer.tokens)
}

/// What a closing bracket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A parenthesis after `if`, `for`, `while` or `with`: a statement follows it.
    Head,
    Parenthesis,
    Bracket,
    Brace,
    /// `${`, whose brace goes on with the template.
    Hole,
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'s>>,
    open: Vec<Open>,
    /// The bracket that was closed last.
    closed: Option<Open>,
}

impl<'s> Lexer<'s> {
    fn run(&mut self) -> Result<(), String> {
        loop {
            let (start, line) = (self.at, self.line);
            self.skip_idle()?;
            let spaced = self.at > start;
            let after_line_end = self.line > line;
            let (start, line) = (self.at, self.line);
            let Some(first) = self.rest().chars().next() else {
                break;
            };
            let kind = self.token(first)?;
            self.tokens.push(Token {
                kind,
                text: &self.source[start..self.at],
                range: start..self.at,
                line,
                spaced,
                after_line_end,
            });
        }
        match self.open.last() {
            None => Ok(()),
            Some(open) => Err(format!("the file ends within a {open:?}")),
        }
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    /// Goes on by so many bytes, counting lines.
    fn pass(&mut self, bytes: usize) {
        let passed = &self.source[self.at..self.at + bytes];
        let ends = passed
            .chars()
            .filter(|c| matches!(c, '\n' | '\u{2028}' | '\u{2029}'));
        self.line += ends.count();
        self.at += bytes;
    }

    fn skip_idle(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let idle = rest.len() - rest.trim_start().len();
            let comment = if idle > 0 {
                idle
            } else if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").ok_or("a comment without an end")? + 2
            } else {
                return Ok(());
            };
            self.pass(comment);
        }
    }

    /// Passes one token.
    fn token(&mut self, first: char) -> Result<Kind, String> {
        let rest = self.rest();
        let number = first.is_ascii_digit()
            || first == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit());
        if number {
            self.pass(number_length(rest));
            return Ok(Kind::Word);
        }
        if is_of_word(first) || first == '#' {
            let more = &rest[first.len_utf8()..];
            let more = more.find(|c| !is_of_word(c)).unwrap_or(more.len());
            self.pass(first.len_utf8() + more);
            return Ok(Kind::Word);
        }
        match first {
            '"' | '\'' => {
                let length = quoted_length(rest, first).ok_or("a string without an end")?;
                self.pass(length);
                return Ok(Kind::Text);
            }
            '`' => return self.template(),
            '}' if self.open.last() == Some(&Open::Hole) => {
                self.open.pop();
                return self.template();
            }
            '/' if self.begins_pattern()? => {
                let length = pattern_length(rest).ok_or("a regular expression without an end")?;
                self.pass(length);
                return Ok(Kind::Pattern);
            }
            '(' | '[' | '{' => self.open.push(self.opened(first)),
            ')' | ']' | '}' => self.close(first)?,
            _ => {}
        }
        self.pass(first.len_utf8());
        Ok(Kind::Punctuation)
    }

    fn opened(&self, first: char) -> Open {
        let heads = ["if", "for", "while", "with"];
        let named = |token: &Token| heads.iter().any(|head| token.is(head));
        // `for await (…)`
        let head = match &self.tokens[..] {
            [.., before, last] if last.is("await") => named(before),
            [.., before, last] => named(last) && !before.is("."),
            [last] => named(last),
            [] => false,
        };
        match first {
            '(' if head => Open::Head,
            '(' => Open::Parenthesis,
            '[' => Open::Bracket,
            _ => Open::Brace,
        }
    }

    fn close(&mut self, bracket: char) -> Result<(), String> {
        self.closed = self.open.pop();
        match (bracket, self.closed) {
            (')', Some(Open::Head | Open::Parenthesis))
            | (']', Some(Open::Bracket))
            | ('}', Some(Open::Brace)) => Ok(()),
            (_, Some(open)) => Err(format!("`{bracket}` within a {open:?}")),
            (_, None) => Err(format!("`{bracket}` where nothing is open")),
        }
    }

    /// Passes a piece of a template, from its backtick or the brace that closed a hole.
    fn template(&mut self) -> Result<Kind, String> {
        let rest = self.rest();
        let mut escaped = true;
        for (at, character) in rest.char_indices() {
            // The first character, too, is passed over.
            if std::mem::take(&mut escaped) {
                continue;
            }
            match character {
                '\\' => escaped = true,
                '`' => {
                    self.pass(at + 1);
                    return Ok(Kind::Template);
                }
                '$' if rest[at..].starts_with("${") => {
                    self.open.push(Open::Hole);
                    self.pass(at + 2);
                    return Ok(Kind::Template);
                }
                _ => {}
            }
        }
        Err("a template without an end".to_owned())
    }

    /// Returns whether a slash here begins a regular expression, and does not divide.
    fn begins_pattern(&self) -> Result<bool, String> {
        let ends_operand = self.ends_operand()?;
        let [.., before, last] = &self.tokens[..] else {
            return Ok(!ends_operand);
        };
        // A property may be named as a keyword is; and what was counted up or down can be divided.
        let property = before.is(".") && last.kind == Kind::Word;
        let counted = last.is_any("+-") && last.is(before.text) && !last.spaced;
        Ok(!property && !counted && !ends_operand)
    }

    /// Returns whether the last token ends something that can be divided.
    fn ends_operand(&self) -> Result<bool, String> {
        let Some(last) = self.tokens.last() else {
            return Ok(false);
        };
        Ok(match last.kind {
            Kind::Word => !BEFORE_EXPRESSION.contains(&last.text),
            Kind::Text | Kind::Pattern => true,
            Kind::Template => !last.opens_hole(),
            Kind::Punctuation => match last.text {
                // After the head of a statement its body begins.
                ")" => self.closed != Some(Open::Head),
                "]" => true,
                "}" => {
                    return Err(
                        "a slash after a brace: parentheses would tell what it is".to_owned()
                    );
                }
                _ => false,
            },
        })
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '\\')
}

/// The length of the number that a text begins with.
fn number_length(text: &str) -> usize {
    let mut exponent = false;
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let ends = |c: char| {
        let goes_on = is_of_word(c) || c == '.' || exponent && matches!(c, '+' | '-');
        exponent = matches!(c, 'e' | 'E') && !hexadecimal;
        !goes_on
    };
    text.find(ends).unwrap_or(text.len())
}

/// The length of the string that a text begins with, quotes and all.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return None,
            _ if character == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of the regular expression that a text begins with, slashes and all, without its
/// flags.
fn pattern_length(text: &str) -> Option<usize> {
    let (mut escaped, mut class) = (false, false);
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '/' if !class => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_is_told_apart() {
        for (source, patterns) in [
            ("a / b / c", 0),
            ("x = /a'b/g", 1),
            ("x = [/[/'\"]/, /\\//u]", 2),
            ("return /a/.test(b)", 1),
            ("a.return / b / c", 0),
            ("if (a) /'/.test(b)", 1),
            ("for await (a of b) /'/.test(a)", 1),
            ("(a) / b / c", 0),
            ("a[0] / b / c", 0),
            ("i++ / b / c", 0),
            ("a + /b/", 1),
            ("f(/a/, b => /c/)", 2),
            ("`${/}/}` / 2 / 3", 1),
            ("'a' / 2 / 3", 0),
            ("typeof /a/", 1),
            ("this / 2 / 3", 0),
        ] {
            let tokens = tokens(source).unwrap();
            let found = tokens.iter().filter(|token| token.kind == Kind::Pattern);
            assert_eq!(found.count(), patterns, "{source}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused_with_its_line() {
        for (source, error) in [
            (
                "a\n{}\n/b/.test(c)",
                "line 3: a slash after a brace: parentheses would tell what it is",
            ),
            ("x = 'a\nb'", "line 1: a string without an end"),
            ("\n`a", "line 2: a template without an end"),
            ("x = /a\n/", "line 1: a regular expression without an end"),
            ("/* a", "line 1: a comment without an end"),
            ("f(a]", "line 1: `]` within a Parenthesis"),
            (")", "line 1: `)` where nothing is open"),
            ("f({", "line 1: the file ends within a Brace"),
        ] {
            assert_eq!(tokens(source).unwrap_err(), error, "{source}");
        }
    }
}
