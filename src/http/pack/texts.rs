//! HTML and CSS without comments and idle whitespace, and the style sheets of the first view as
//! one.

/// What a style sheet is linked by, up to its name.
const LINK: &str = "<link rel=\"stylesheet\" href=\"css/";
/// The style sheet that the joined ones become.
pub(super) const JOINED_SHEET: &str = "css/app.css";

/// The page without its comments, and with one line's end in place of each and the indent after it.
/// Browsers show the same: no element of it keeps whitespace as it is.
pub(super) fn html(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, comment)) = rest.split_once("<!--") {
        text.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// The page with a link to one style sheet in place of those to several, and their paths in order.
pub(super) fn with_one_sheet(html: &str) -> (String, Vec<String>) {
    let mut paths = Vec::new();
    let mut lines = Vec::new();
    for line in html.lines() {
        let name = line
            .strip_prefix(LINK)
            .and_then(|rest| rest.strip_suffix("\">"));
        match name {
            None => lines.push(line.to_owned()),
            Some(name) => {
                if paths.is_empty() {
                    lines.push(format!("<link rel=\"stylesheet\" href=\"{JOINED_SHEET}\">"));
                }
                paths.push(format!("css/{name}"));
            }
        }
    }
    (lines.join("\n"), paths)
}

/// A style sheet without its comments, and without whitespace beside what separates by itself.
pub(super) fn css(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => quoted(rest, first),
            '/' if rest.starts_with("/*") => {
                rest = rest.split_once("*/").map_or("", |(_, after)| after);
                continue;
            }
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        if token.chars().all(char::is_whitespace) {
            let separated = text.is_empty() || text.ends_with(|c| " {};,:".contains(c));
            if !separated {
                text.push(' ');
            }
            continue;
        }
        if matches!(token, "{" | "}" | ";" | ",") && text.ends_with(' ') {
            text.pop();
        }
        if token == "}" && text.ends_with(';') {
            text.pop();
        }
        text.push_str(token);
    }
    text.trim_end().to_owned()
}

/// The length of the string that a text begins with, quotes and all.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_loses_comments_and_indents_only() {
        let source = "<!doctype html>\n<!-- why -->\n<body>\n  <p>one <b>two</b>\n    three</p> <!-- more\n  of it -->\n</body>\n";
        assert_eq!(
            html(source),
            "<!doctype html>\n<body>\n<p>one <b>two</b>\nthree</p>\n</body>"
        );
    }

    #[test]
    fn style_sheets_become_one_where_the_first_was_linked() {
        let page = "<head>\n<link rel=\"stylesheet\" href=\"css/a.css\">\n<link rel=\"stylesheet\" href=\"css/b.css\">\n</head>";
        let (page, sheets) = with_one_sheet(page);
        assert_eq!(
            page,
            "<head>\n<link rel=\"stylesheet\" href=\"css/app.css\">\n</head>"
        );
        assert_eq!(sheets, ["css/a.css", "css/b.css"]);
    }

    #[test]
    fn css_keeps_what_separates() {
        for (source, text) in [
            ("/* why */\na > b { color: red; }\n", "a > b{color:red}"),
            (
                ".a :focus, .b:focus {\n  margin: 0 auto;\n  top: calc(1px + 2px);\n}",
                ".a :focus,.b:focus{margin:0 auto;top:calc(1px + 2px)}",
            ),
            (
                "a::after { content: \" /* ; */ \\\" \"; }",
                "a::after{content:\" /* ; */ \\\" \"}",
            ),
            (
                "@media (min-width: 5em) and (x) {\n a {b: c}\n}",
                "@media (min-width:5em) and (x){a{b:c}}",
            ),
            ("a /* x */ b{}", "a b{}"),
            (".a :not(.b) , c{}", ".a :not(.b),c{}"),
        ] {
            assert_eq!(css(source), text, "{source}");
        }
    }
}
