//! Both documents as one page for people: plain HTML, which needs no script.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use serde_json::Value;

use super::guide::GUIDES;
use super::schemas::resolve;
use super::{TITLE, VERSION};
use super::{asyncapi, openapi};
use crate::contract::Code;

/// What the page shows beside the documents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct More<'a> {
    /// What a test has sent and got: by the id of each operation and the key of each event a text.
    pub(crate) examples: &'a Value,
    /// The change log of the contract, as HTML in UTF-8.
    pub(crate) changes: &'a [u8],
}

/// The page.
pub(crate) fn page(openapi: &Value, asyncapi: &Value, more: More<'_>) -> String {
    let mut page = Page {
        html: String::new(),
        examples: more.examples,
    };
    // A string takes all that is written to it.
    let _ = page.write(openapi, asyncapi, &String::from_utf8_lossy(more.changes));
    page.html
}

struct Page<'a> {
    html: String,
    examples: &'a Value,
}

/// Text between tags.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Sentences, in which backticks are round code.
struct Prose<'a>(&'a str);

impl fmt::Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, part) in self.0.split('`').enumerate() {
            match number % 2 {
                0 => write!(f, "{}", Plain(part))?,
                _ => write!(f, "<code>{}</code>", Plain(part))?,
            }
        }
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Page<'_> {
    fn write(&mut self, openapi: &Value, asyncapi: &Value, changes: &str) -> fmt::Result {
        let (title, version) = (Plain(TITLE), Plain(VERSION));
        write!(
            self.html,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>{title} {version}: events and routes</title>\
             <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"css/docs.css\">\
             <script type=\"module\" src=\"docs.js\"></script></head><body>\
             <a class=\"skip\" href=\"#main\">Skip to the content</a>\
             <header><h1>{title} {version}</h1><p>What clients can rely on, with examples that a test has run. "
        )?;
        for guide in &GUIDES {
            let (name, title, about) = (guide.name, guide.title, guide.about);
            write!(self.html, "<a href=\"docs/{name}\">{title}</a> {about}. ")?;
        }
        self.html.push_str(
            "For programs: <a href=\"api/openapi.json\">OpenAPI 3.1</a>, \
             <a href=\"api/asyncapi.json\">AsyncAPI 3.0</a>.</p></header>",
        );
        self.contents(openapi, asyncapi)?;
        self.html.push_str("<main id=\"main\" tabindex=\"-1\">");
        self.section("events", "Events", asyncapi)?;
        for (key, operation) in entries(&asyncapi["operations"]) {
            self.event(asyncapi, key, operation)?;
        }
        self.shapes("events", asyncapi)?;
        self.html.push_str("</section>");
        self.webhooks(openapi)?;
        self.section("routes", "Routes", openapi)?;
        for (path, methods) in entries(&openapi["paths"]) {
            for (method, operation) in entries(methods) {
                self.route(openapi, path, method, operation)?;
            }
        }
        self.shapes("routes", openapi)?;
        self.html.push_str("</section>");
        self.codes()?;
        writeln!(
            self.html,
            "<section aria-labelledby=\"changes\"><h2 id=\"changes\">Changes of the contract</h2>{changes}</section>\
             </main></body></html>"
        )?;
        Ok(())
    }

    /// What outgoing hooks tell. Its shapes stand with those of the routes.
    fn webhooks(&mut self, document: &Value) -> fmt::Result {
        self.html.push_str(
            "<section aria-labelledby=\"webhooks\"><h2 id=\"webhooks\">Webhooks</h2><p>What outgoing hooks tell \
             other systems: each event by a <code>POST</code> of its own.</p>",
        );
        for (name, item) in entries(&document["webhooks"]) {
            let operation = &item["post"];
            let (id, name) = (text(&operation["operationId"]), Plain(name));
            let about = Prose(text(&operation["description"]));
            write!(
                self.html,
                "<article><h3 id=\"{id}\"><code>{name}</code> to other systems</h3><p>{about}</p>"
            )?;
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.shape("Body", "routes", document, body)?;
            self.html.push_str("</article>");
        }
        self.html.push_str("</section>");
        Ok(())
    }

    fn section(&mut self, id: &str, title: &str, document: &Value) -> fmt::Result {
        let about = text(&document["info"]["description"]);
        let own_words = [asyncapi::OWN_WORDS, openapi::OWN_WORDS];
        let about = own_words
            .iter()
            .find_map(|own_words| about.strip_suffix(own_words));
        let about = Prose(about.unwrap_or_default());
        write!(
            self.html,
            "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{title}</h2><p>{about}</p>"
        )
    }

    fn contents(&mut self, openapi: &Value, asyncapi: &Value) -> fmt::Result {
        self.html.push_str("<nav aria-label=\"Contents\">");
        for (action, title) in [
            ("receive", "Events from clients"),
            ("send", "Events to clients"),
        ] {
            write!(self.html, "<h2>{title}</h2><ul>")?;
            for (key, operation) in entries(&asyncapi["operations"]) {
                if operation["action"] == action {
                    let name = text(&asyncapi["components"]["messages"][key]["name"]);
                    write!(self.html, "<li><a href=\"#{key}\">{}</a></li>", Plain(name))?;
                }
            }
            self.html.push_str("</ul>");
        }
        self.html.push_str("<h2>Webhooks</h2><ul>");
        for (name, item) in entries(&openapi["webhooks"]) {
            let (id, name) = (text(&item["post"]["operationId"]), Plain(name));
            write!(self.html, "<li><a href=\"#{id}\">{name}</a></li>")?;
        }
        self.html.push_str("</ul><h2>Routes</h2><ul>");
        for (path, methods) in entries(&openapi["paths"]) {
            for (method, operation) in entries(methods) {
                let id = text(&operation["operationId"]);
                let (method, path) = (method.to_uppercase(), Plain(path));
                write!(self.html, "<li><a href=\"#{id}\">{method} {path}</a></li>")?;
            }
        }
        self.html.push_str(
            "</ul><h2>More</h2><ul><li><a href=\"#codes\">Codes of errors</a></li>\
             <li><a href=\"#changes\">Changes of the contract</a></li></ul></nav>",
        );
        Ok(())
    }

    fn event(&mut self, document: &Value, key: &str, operation: &Value) -> fmt::Result {
        let messages = &document["components"]["messages"];
        let message = &messages[key];
        let name = Plain(text(&message["name"]));
        let direction = match text(&operation["action"]) {
            "send" => "to clients",
            _ => "from clients",
        };
        let about = Prose(text(&message["description"]));
        write!(
            self.html,
            "<article><h3 id=\"{key}\"><code>{name}</code> {direction}</h3>\
             <a class=\"here\" href=\"#{key}\" aria-label=\"Link to {name} {direction}\">#</a><p>{about}</p>"
        )?;
        self.shape("Payload", "events", document, &message["payload"])?;
        if message["x-version"] == 2 {
            self.html.push_str(
                "<p>Version 2: only sockets that said <code>\"v\": 2</code> hear it.</p>",
            );
        }
        if message["x-cursor"] == true {
            self.html
                .push_str("<p>Ends with its cursor, a string, as a second argument.</p>");
        }
        for reply in items(&operation["reply"]["messages"]) {
            let key = text(&reply["$ref"]).rsplit('/').next().unwrap_or_default();
            let reply = &messages[key];
            let title = match text(&reply["x-packet"]) {
                "ACK" => "Ack",
                packet => packet,
            };
            match items(&resolve(document, &reply["payload"])["oneOf"]).next() {
                Some(success) => {
                    let data = &resolve(document, success)["properties"]["data"];
                    self.kind_line("Ack, <code>data</code>", "events", data)?;
                    self.refusals(reply)?;
                }
                None => self.kind_line(title, "events", &reply["payload"])?,
            }
        }
        self.example(key)?;
        self.html.push_str("</article>");
        Ok(())
    }

    fn route(
        &mut self,
        document: &Value,
        path: &str,
        method: &str,
        operation: &Value,
    ) -> fmt::Result {
        let id = text(&operation["operationId"]);
        let (method, path) = (method.to_uppercase(), Plain(path));
        let about = Prose(text(&operation["description"]));
        write!(
            self.html,
            "<article><h3 id=\"{id}\"><code>{method} {path}</code></h3>\
             <a class=\"here\" href=\"#{id}\" aria-label=\"Link to {method} {path}\">#</a><p>{about}</p>"
        )?;
        if items(&operation["security"]).next().is_none() {
            self.html.push_str("<p>Needs no token.</p>");
        }
        let parameters: Vec<Row<'_>> = items(&operation["parameters"])
            .map(|parameter| Row {
                name: text(&parameter["name"]),
                schema: &parameter["schema"],
                is_required: parameter["required"] == true,
                about: parameter["description"]
                    .as_str()
                    .unwrap_or(text(&parameter["schema"]["description"])),
            })
            .collect();
        self.table("Path and query", "routes", &parameters)?;
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        self.shape("Body", "routes", document, body)?;
        self.responses(document, operation)?;
        self.example(id)?;
        self.html.push_str("</article>");
        Ok(())
    }

    /// What a test has sent and got, where it has.
    fn example(&mut self, of: &str) -> fmt::Result {
        match &self.examples[of] {
            Value::String(example) => write!(
                self.html,
                "<p>Example:</p><pre class=\"example\">{}</pre>",
                Plain(example)
            ),
            _ => Ok(()),
        }
    }

    fn responses(&mut self, document: &Value, operation: &Value) -> fmt::Result {
        for (status, response) in entries(&operation["responses"]) {
            for (media_type, content) in entries(&response["content"]) {
                let schema = resolve(document, &content["schema"]);
                if status.starts_with('2') {
                    let properties = &schema["properties"];
                    let title = format!("{status}, <code>data</code>");
                    match &properties["data"] {
                        Value::Null if media_type == "application/json" => {
                            write!(self.html, "<p>{status}</p>")?;
                        }
                        Value::Null => {
                            write!(
                                self.html,
                                "<p>{status}, <code>{}</code></p>",
                                Plain(media_type)
                            )?;
                        }
                        data => self.kind_line(&title, "routes", data)?,
                    }
                    let title = format!("{status}, <code>meta</code>");
                    self.kind_line(&title, "routes", &properties["meta"])?;
                } else {
                    write!(
                        self.html,
                        "<p>{status}: {}</p>",
                        Prose(text(&response["description"]))
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The shapes to which something on the page links, from other shapes too.
    fn shapes(&mut self, of: &str, document: &Value) -> fmt::Result {
        let schemas = &document["components"]["schemas"];
        let mut shown = BTreeSet::new();
        let mut linked = linked(of, &self.html);
        while let Some(name) = linked.pop() {
            let shape = kind_of_all(of, &schemas[&name]);
            if shown.insert(name) {
                linked.extend(self::linked(of, &shape));
            }
        }
        for name in shown {
            let schema = &schemas[&name];
            let about = Prose(text(&schema["description"]));
            write!(
                self.html,
                "<article><h3 id=\"{of}-{name}\">{name}</h3>\
                 <a class=\"here\" href=\"#{of}-{name}\" aria-label=\"Link to {name}, {of}\">#</a><p>{about}</p>"
            )?;
            self.fields("Keys", of, schema)?;
            for one in variants(schema) {
                self.kind_line("Either", of, one)?;
                self.about(one)?;
            }
            if !schema["enum"].is_null() {
                self.kind_line("One of", of, schema)?;
            }
            self.html.push_str("</article>");
        }
        Ok(())
    }

    fn codes(&mut self) -> fmt::Result {
        self.html.push_str(
            "<section aria-labelledby=\"codes\"><h2 id=\"codes\">Codes of errors</h2>\
             <div class=\"wide\" role=\"region\" aria-label=\"Codes\" tabindex=\"0\"><table><thead><tr>\
             <th scope=\"col\">Code</th><th scope=\"col\">REST status</th><th scope=\"col\">When</th></tr></thead><tbody>",
        );
        for code in Code::ALL {
            let (name, status) = (code.as_str(), code.status());
            let about = Prose(code.about());
            write!(
                self.html,
                "<tr><th scope=\"row\"><code>{name}</code></th><td>{status}</td><td>{about}</td></tr>"
            )?;
        }
        self.html.push_str("</tbody></table></div></section>");
        Ok(())
    }

    /// The codes that an answer may have.
    fn refusals(&mut self, answer: &Value) -> fmt::Result {
        let codes = items(&answer["x-codes"]);
        let codes: Vec<_> = codes.map(|code| format!("`{}`", text(code))).collect();
        write!(
            self.html,
            "<p>Refused with {}.</p>",
            Prose(&codes.join(", "))
        )
    }

    /// What something is, in a line, or nothing where it is not there.
    fn kind_line(&mut self, title: &str, of: &str, schema: &Value) -> fmt::Result {
        if schema.is_null() {
            return Ok(());
        }
        write!(self.html, "<p>{title}: {}</p>", kind(of, schema))
    }

    /// What is said of a schema, after the line that it ends.
    fn about(&mut self, schema: &Value) -> fmt::Result {
        match text(&schema["description"]) {
            "" => Ok(()),
            about => write!(self.html, "<p>{}</p>", Prose(about)),
        }
    }

    /// What a client sends: the keys of an object, those of each where it is one of several, and
    /// those of the members of a list. In a line where it has no keys, or nothing where it is not
    /// there.
    fn shape(&mut self, title: &str, of: &str, document: &Value, schema: &Value) -> fmt::Result {
        let schema = resolve(document, schema);
        let listed = resolve(document, &schema["items"]);
        let mut either = variants(schema).map(|one| resolve(document, one));
        if schema["properties"].is_object() {
            self.fields(title, of, schema)
        } else if listed["properties"].is_object() {
            self.fields(&format!("{title}, a list of these"), of, listed)
        } else if either.any(|one| one["properties"].is_object()) {
            for (number, one) in variants(schema).enumerate() {
                let word = if number == 0 { "either" } else { "or" };
                self.shape(&format!("{title}, {word}"), of, document, one)?;
            }
            Ok(())
        } else {
            self.kind_line(title, of, schema)
        }
    }

    /// The properties of an object.
    fn fields(&mut self, title: &str, of: &str, schema: &Value) -> fmt::Result {
        let rows: Vec<Row<'_>> = entries(&schema["properties"])
            .map(|(name, property)| Row {
                name,
                schema: property,
                is_required: items(&schema["required"]).any(|key| key == name),
                about: text(&property["description"]),
            })
            .collect();
        self.table(title, of, &rows)
    }

    fn table(&mut self, title: &str, of: &str, rows: &[Row<'_>]) -> fmt::Result {
        if rows.is_empty() {
            return Ok(());
        }
        write!(
            self.html,
            "<table><caption>{title}</caption><thead><tr><th scope=\"col\">Key</th><th scope=\"col\">Type</th>\
             <th scope=\"col\">What</th></tr></thead><tbody>"
        )?;
        for row in rows {
            let name = Plain(row.name);
            let optional = if row.is_required { "" } else { ", optional" };
            let (kind, about) = (kind(of, row.schema), Prose(row.about));
            write!(
                self.html,
                "<tr><th scope=\"row\"><code>{name}</code></th><td>{kind}{optional}</td><td>{about}</td></tr>"
            )?;
        }
        self.html.push_str("</tbody></table>");
        Ok(())
    }
}

/// One key of an object, or one parameter.
struct Row<'a> {
    name: &'a str,
    schema: &'a Value,
    is_required: bool,
    about: &'a str,
}

/// The schemas of which a value has one.
fn variants(schema: &Value) -> impl Iterator<Item = &Value> {
    items(&schema["anyOf"]).chain(items(&schema["oneOf"]))
}

/// The names of the shapes to which a piece of the page links.
fn linked(of: &str, html: &str) -> Vec<String> {
    let start = format!("href=\"#{of}-");
    let names = html.split(start.as_str()).skip(1);
    names
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The kinds of all that is in a shape, for the links among them.
fn kind_of_all(of: &str, schema: &Value) -> String {
    let properties = entries(&schema["properties"]).map(|(_, property)| property);
    properties
        .chain(variants(schema))
        .map(|part| kind(of, part))
        .collect()
}

/// A type in words, as HTML.
fn kind(of: &str, schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        let name = Plain(target.rsplit('/').next().unwrap_or_default());
        return match name.0 {
            "Code" => "<a href=\"#codes\">code</a>".to_owned(),
            _ => format!("<a href=\"#{of}-{name}\">{name}</a>"),
        };
    }
    let values: Vec<String> = items(&schema["enum"])
        .chain(Some(&schema["const"]))
        .filter_map(Value::as_str)
        .map(|value| format!("<code>{}</code>", Plain(value)))
        .collect();
    if !values.is_empty() {
        return values.join(" or ");
    }
    let any: Vec<String> = variants(schema)
        .chain(items(&schema["allOf"]))
        .map(|one| kind(of, one))
        .collect();
    if !any.is_empty() {
        return any.join(" or ");
    }
    let one = |name: &str| match name {
        "array" => format!("list of {}", kind(of, &schema["items"])),
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        name => Plain(name).to_string(),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => {
            let names: Vec<String> = names.iter().map(|name| one(text(name))).collect();
            names.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}
