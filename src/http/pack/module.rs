//! One module as text, and where it names others: what it imports, what it exports, and its own
//! address.

use std::ops::Range;

use super::tokens::{Kind, Token, tokens};

/// Loads what others name, by an address that a browser has told.
const LATE: &str = "js/lib/late.js";

/// A module and where it names others.
pub(super) struct Module {
    source: String,
    pub(super) imports: Vec<Import>,
    /// The address of each `import()`, with its quotes.
    pub(super) lazy: Vec<(Range<usize>, String)>,
    /// Each `import.meta.url`.
    pub(super) own_addresses: Vec<Range<usize>>,
    /// What makes an export of a declaration, or the whole of an `export {…}`.
    pub(super) export_marks: Vec<Range<usize>>,
    pub(super) exports: Vec<String>,
}

/// A static import.
pub(super) struct Import {
    pub(super) range: Range<usize>,
    pub(super) module: String,
    /// The pattern that takes the names out of the module, if there are any: `{part,t:words}`.
    pub(super) pattern: Option<String>,
    pub(super) names: Vec<String>,
}

impl Module {
    /// Reads a module. An error says its line.
    pub(super) fn read(path: &str, source: &str) -> Result<Self, String> {
        let mut module = Self {
            source: source.to_owned(),
            imports: Vec::new(),
            lazy: Vec::new(),
            own_addresses: Vec::new(),
            export_marks: Vec::new(),
            exports: Vec::new(),
        };
        let tokens = tokens(source)?;
        let mut depth = 0_usize;
        for (at, token) in tokens.iter().enumerate() {
            let rest = &tokens[at..];
            let property = at > 0 && tokens[at - 1].is(".");
            let opens = token.is("(") || token.is("[") || token.is("{");
            let closes = token.is(")") || token.is("]") || token.is("}");
            if opens || token.kind == Kind::Template && token.text.ends_with("${") {
                depth += 1;
            }
            if closes || token.kind == Kind::Template && token.text.starts_with('}') {
                depth -= 1;
            }
            let read = match token {
                token if property || token.kind != Kind::Word => Ok(()),
                token if token.is("import") => module.import(path, rest, depth),
                token if token.is("export") && depth == 0 => module.export(rest),
                _ => Ok(()),
            };
            read.map_err(|what| format!("line {}: {what}", token.line))?;
        }
        Ok(module)
    }

    /// Takes in an import, with which the tokens begin.
    fn import(&mut self, path: &str, tokens: &[Token], depth: usize) -> Result<(), String> {
        match tokens {
            [_, open, address, close, ..] if open.is("(") => {
                if path == LATE {
                    return Ok(());
                }
                if address.kind != Kind::Text || !close.is(")") {
                    return Err("import() of what is no plain string".to_owned());
                }
                let module = resolved(path, address.text)?;
                self.lazy.push((address.range.clone(), module));
                Ok(())
            }
            [first, dot, _, _, last, ..] if dot.is(".") => {
                self.own_addresses.push(first.range.start..last.range.end);
                Ok(())
            }
            _ if depth > 0 => Err("an import that is not at the top".to_owned()),
            [first, ..] => {
                let end = tokens.iter().position(|token| token.kind == Kind::Text);
                let end = end.ok_or("an import of nothing")?;
                let (pattern, names) = imported(&tokens[1..end])?;
                self.imports.push(Import {
                    range: first.range.start..tokens[end].range.end,
                    module: resolved(path, tokens[end].text)?,
                    pattern,
                    names,
                });
                Ok(())
            }
            [] => Ok(()),
        }
    }

    /// Takes in an export, with which the tokens begin.
    fn export(&mut self, tokens: &[Token]) -> Result<(), String> {
        let [export, what, more @ ..] = tokens else {
            return Err("an export of nothing".to_owned());
        };
        if what.is("{") {
            let end = more.iter().position(|token| token.is("}"));
            let (end, after) = more.split_at(end.ok_or("an export without an end")? + 1);
            let plain = end.iter().all(|token| {
                token.kind == Kind::Word && !token.is("as") || token.is(",") || token.is("}")
            });
            if !plain || after.first().is_some_and(|token| token.is("from")) {
                return Err("an export of what is not declared here".to_owned());
            }
            let words = end.iter().filter(|token| token.kind == Kind::Word);
            self.exports
                .extend(words.map(|token| token.text.to_owned()));
            let last = end.last().map_or(what.range.end, |token| token.range.end);
            self.export_marks.push(export.range.start..last);
            return Ok(());
        }
        let fixed = ["async", "class", "const", "function"];
        if !fixed.iter().any(|kind| what.is(kind)) {
            return Err(format!(
                "an export of a {} may change, or has no name",
                what.text
            ));
        }
        let name = more
            .iter()
            .find(|token| !token.is("function") && !token.is("*"));
        let name = name.filter(|name| name.kind == Kind::Word);
        let name = name.ok_or("an export without a plain name")?;
        self.exports.push(name.text.to_owned());
        self.export_marks.push(export.range.start..what.range.start);
        Ok(())
    }

    /// The text with these ranges replaced.
    pub(super) fn edited(&self, mut edits: Vec<(Range<usize>, String)>) -> String {
        edits.sort_by_key(|(range, _)| range.start);
        let mut text = String::new();
        let mut at = 0;
        for (range, replacement) in edits {
            text.push_str(&self.source[at..range.start]);
            text.push_str(&replacement);
            at = range.end;
        }
        text.push_str(&self.source[at..]);
        text
    }
}

/// The pattern and the names of what stands between `import` and the module's address.
fn imported(clause: &[Token]) -> Result<(Option<String>, Vec<String>), String> {
    match clause {
        [] => Ok((None, Vec::new())),
        [star, _, name, _] if star.is("*") => Ok((Some(name.text.to_owned()), Vec::new())),
        [open, inner @ .., close, _] if open.is("{") && close.is("}") => {
            let mut patterns = Vec::new();
            let mut names = Vec::new();
            for one in inner.split(|token| token.is(",")) {
                patterns.push(match one {
                    [] => continue,
                    [name] => name.text.to_owned(),
                    [name, _, alias] => format!("{}:{}", name.text, alias.text),
                    _ => return Err("an import that cannot be read".to_owned()),
                });
                names.push(one[0].text.to_owned());
            }
            Ok((Some(format!("{{{}}}", patterns.join(","))), names))
        }
        _ => Err("an import of what has no name".to_owned()),
    }
}

/// The path of the module that another names, by an address in quotes that begins with `./` or
/// `../`.
fn resolved(from: &str, quoted: &str) -> Result<String, String> {
    let address = quoted.trim_matches(['\'', '"']);
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for (at, part) in address.split('/').enumerate() {
        match part {
            "." if at == 0 => {}
            ".." if parts.pop().is_some() => {}
            part if at > 0 && !part.is_empty() && !part.starts_with('.') => parts.push(part),
            _ => return Err(format!("{quoted} is no path of a module of the page")),
        }
    }
    Ok(parts.join("/"))
}
