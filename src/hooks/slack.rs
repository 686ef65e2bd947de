//! What Slack would show of a body that is meant for one of its incoming webhooks, as plain text:
//! `text`, else `blocks` and `attachments`.
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/messaging/formatting-message-text>.

use serde_json::Value;

use crate::model::Speaker;

/// Lines of one body at most; what is longer than a message is cut anyhow.
const MAX_LINES: usize = 1_000;

/// Reads what a body says, and whom it names as the one who speaks. The text may be empty.
pub fn read(body: &Value) -> (String, Option<Speaker>) {
    let mut lines = Lines::default();
    lines.formatted(&body["text"]);
    if lines.is_empty() {
        lines.blocks(&body["blocks"]);
        for attachment in list(&body["attachments"]) {
            lines.attachment(attachment);
        }
    }
    // What an attachment has may stand in the body itself.
    if lines.is_empty() {
        lines.attachment(body);
    }
    let speaker = body["username"].as_str().and_then(Speaker::named);
    (lines.0.join("\n"), speaker)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns the text of what may be a text, or an object with one.
fn text(value: &Value) -> &str {
    let text = value.as_str().or_else(|| value["text"].as_str());
    text.unwrap_or_default()
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, line: String) {
        if !line.trim().is_empty() && self.0.len() < MAX_LINES {
            self.0.push(line);
        }
    }

    fn formatted(&mut self, value: &Value) {
        self.push(plain(text(value)));
    }

    /// A title that leads somewhere.
    fn linked(&mut self, title: &str, url: &str) {
        self.push(match (title.is_empty(), url.is_empty()) {
            (false, false) => format!("{} ({url})", plain(title)),
            (true, false) => url.to_owned(),
            (_, true) => plain(title),
        });
    }

    fn attachment(&mut self, attachment: &Value) {
        let before = self.0.len();
        self.formatted(&attachment["pretext"]);
        let author = text(&attachment["author_name"]);
        self.linked(author, text(&attachment["author_link"]));
        self.linked(text(&attachment["title"]), text(&attachment["title_link"]));
        self.formatted(&attachment["text"]);
        for field in list(&attachment["fields"]) {
            self.field(field);
        }
        self.blocks(&attachment["blocks"]);
        self.linked("", text(&attachment["image_url"]));
        for action in list(&attachment["actions"]) {
            self.linked(text(&action["text"]), text(&action["url"]));
        }
        if self.0.len() == before {
            self.formatted(&attachment["fallback"]);
        }
    }

    fn field(&mut self, field: &Value) {
        let title = plain(text(&field["title"]));
        let value = match &field["value"] {
            // Slack asks for a text, and shows these too.
            value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
            value => plain(text(value)),
        };
        self.push(match (title.is_empty(), value.is_empty()) {
            (false, false) => format!("{title}: {value}"),
            _ => format!("{title}{value}"),
        });
    }

    fn blocks(&mut self, blocks: &Value) {
        for block in list(blocks) {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Value) {
        match block["type"].as_str().unwrap_or_default() {
            "header" | "section" => {
                self.formatted(&block["text"]);
                for field in list(&block["fields"]) {
                    self.formatted(field);
                }
                self.element(&block["accessory"]);
            }
            "context" => {
                let elements = list(&block["elements"]).iter();
                let texts = elements.map(|element| plain(text(element)));
                // A picture among them has none.
                let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
                self.push(texts.join(" "));
            }
            "actions" => list(&block["elements"])
                .iter()
                .for_each(|element| self.element(element)),
            "image" => {
                let title = match text(&block["title"]) {
                    "" => text(&block["alt_text"]),
                    title => title,
                };
                self.linked(title, text(&block["image_url"]));
            }
            "video" => self.linked(text(&block["title"]), text(&block["title_url"])),
            "rich_text" => list(&block["elements"])
                .iter()
                .for_each(|element| self.rich(element)),
            "markdown" => self.formatted(&block["text"]),
            _ => {}
        }
    }

    /// A button that leads somewhere; others do nothing here.
    fn element(&mut self, element: &Value) {
        let url = text(&element["url"]);
        if !url.is_empty() {
            self.linked(text(&element["text"]), url);
        }
    }

    fn rich(&mut self, element: &Value) {
        if element["type"] == "rich_text_list" {
            for item in list(&element["elements"]) {
                self.push(format!("• {}", inline(item)));
            }
        } else {
            self.push(inline(element));
        }
    }
}

/// Returns the parts of one line of rich text.
fn inline(line: &Value) -> String {
    let part = |part: &Value| match part["type"].as_str().unwrap_or_default() {
        "text" => text(part).to_owned(),
        "link" => match (text(part), text(&part["url"])) {
            ("", url) => url.to_owned(),
            (label, url) => format!("{label} ({url})"),
        },
        "emoji" => format!(":{}:", text(&part["name"])),
        "user" => format!("@{}", text(&part["user_id"])),
        "channel" => format!("#{}", text(&part["channel_id"])),
        "broadcast" => format!("@{}", text(&part["range"])),
        _ => String::new(),
    };
    list(&line["elements"]).iter().map(part).collect()
}

/// Returns a text of Slack's as plain text: `<https://…|label>` is `label (https://…)`, and the
/// three characters that are written otherwise are themselves. Many programs write these as they
/// are: what is no reference stays as it is.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        // Up to the next one: each is looked through once.
        let end = after
            .find(['<', '>'])
            .filter(|end| after[*end..].starts_with('>'));
        let found = end.and_then(|end| Some((reference(&after[..end])?, end)));
        rest = match found {
            Some((reference, end)) => {
                out.push_str(&reference);
                &after[end + 1..]
            }
            None => {
                out.push('<');
                after
            }
        };
    }
    out.push_str(rest);
    out.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Returns what stands for a person, a channel, a group or a link; `None` for what is none of them.
fn reference(inside: &str) -> Option<String> {
    let (target, label) = inside.split_once('|').unwrap_or((inside, ""));
    let name = target.strip_prefix(['!', '@', '#']);
    if let Some(name) = name.filter(|name| name.starts_with(char::is_alphanumeric)) {
        let is_spaced = target.contains(char::is_whitespace);
        return match label {
            "" if is_spaced => None,
            "" if target.starts_with('!') => Some(format!("@{name}")),
            "" => Some(target.to_owned()),
            label => Some(label.to_owned()),
        };
    }
    let (scheme, place) = target.split_once(':')?;
    let is_address = matches!(scheme, "mailto" | "tel");
    let is_url = place.starts_with("//") && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match label {
        _ if !is_address && !is_url => None,
        "" => Some(target.to_owned()),
        label if label == target || is_address && label == place => Some(label.to_owned()),
        label => Some(format!("{label} ({target})")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(body: &Value) -> String {
        read(body).0
    }

    #[test]
    fn text_comes_first_and_is_plain() {
        for (text, expected) in [
            ("Halo!", "Halo!"),
            (
                "<https://a.example|CI> is &lt;red&gt; &amp; late",
                "CI (https://a.example) is <red> & late",
            ),
            ("see <https://a.example>", "see https://a.example"),
            ("<mailto:a@b.example|a@b.example>", "a@b.example"),
            (
                "<!here> <@U12> <#C1|ops> <!subteam^S1|@oncall>",
                "@here @U12 ops @oncall",
            ),
            ("a < b", "a < b"),
            ("<a> < <b", "<a> < <b"),
            (
                "<tel:+491|+491> <mailto:a@b.example|Ada>",
                "+491 Ada (mailto:a@b.example)",
            ),
            ("&amp;lt;", "&lt;"),
        ] {
            let body = json!({ "text": text, "blocks": [{ "type": "header", "text": "no" }] });
            assert_eq!(shown(&body), expected);
        }
    }

    /// Of `free < 5 % and load > 3` the two signs were lost, as were tags and types.
    #[test]
    fn signs_that_are_no_references_stay_as_they_are() {
        for text in [
            "free < 5 % and load > 3",
            "a <- b -> c <>",
            "<b>down</b> <!DOCTYPE html> <!-- x -->",
            "Map<String, List<Int>> of std::vector<std::string>",
            "usage: service <start|stop>",
            "if a <b && c> d",
            "<<<<>>>> <! <@> <#|x>",
        ] {
            assert_eq!(shown(&json!({ "text": text })), text);
        }
    }

    /// An alert of a picture alone, and one whose attachment is the body itself, were refused.
    #[test]
    fn an_alert_without_a_text_is_shown_by_what_it_has() {
        let video = json!({ "type": "video", "title": { "type": "plain_text", "text": "Clip" },
            "title_url": "https://a.example/1", "video_url": "https://a.example/2" });
        let context = json!({ "type": "context", "elements": [
            { "type": "image", "image_url": "https://a.example/x.png", "alt_text": "face" },
            { "type": "mrkdwn", "text": "by Ada" }] });
        for (body, text) in [
            (
                json!({ "attachments": [{ "title": "Load", "image_url": "https://a.example/x.png" }] }),
                "Load\nhttps://a.example/x.png",
            ),
            (
                json!({ "color": "danger", "pretext": "Down", "fields": [{ "title": "Host", "value": "db1" }] }),
                "Down\nHost: db1",
            ),
            (json!({ "fallback": "Down" }), "Down"),
            (json!({ "blocks": [video] }), "Clip (https://a.example/1)"),
            (json!({ "blocks": [context] }), "by Ada"),
        ] {
            assert_eq!(shown(&body), text);
        }
    }

    #[test]
    fn blocks_and_attachments_stand_in_for_a_text() {
        let body = json!({
            "username": " Uptime Kuma ",
            "blocks": [
                { "type": "header", "text": { "type": "plain_text", "text": "Alert" } },
                { "type": "divider" },
                { "type": "section", "text": { "type": "mrkdwn", "text": "*down*" },
                  "fields": [{ "type": "mrkdwn", "text": "*Time*\nnow" }] },
                { "type": "context", "elements": [{ "type": "mrkdwn", "text": "a" }, { "type": "plain_text", "text": "b" }] },
                { "type": "actions", "elements": [{ "type": "button", "text": { "type": "plain_text", "text": "Visit" }, "url": "https://a.example/" }, { "type": "button" }] },
                { "type": "rich_text", "elements": [
                    { "type": "rich_text_section", "elements": [{ "type": "text", "text": "see " }, { "type": "link", "url": "https://a.example" }] },
                    { "type": "rich_text_list", "elements": [{ "type": "rich_text_section", "elements": [{ "type": "text", "text": "one" }] }] }
                ] },
                { "type": "image", "image_url": "https://a.example/x.png", "alt_text": "graph" }
            ],
            "attachments": [
                { "pretext": "before", "title": "T", "title_link": "https://t.example", "text": "body",
                  "fallback": "not shown", "fields": [{ "title": "Host", "value": "db1", "short": true }, { "title": "Tries", "value": 3 }] },
                { "fallback": "only this" }
            ]
        });
        let (text, speaker) = read(&body);
        assert_eq!(
            text,
            "Alert\n*down*\n*Time*\nnow\na b\nVisit (https://a.example/)\nsee https://a.example\n• one\n\
             graph (https://a.example/x.png)\nbefore\nT (https://t.example)\nbody\nHost: db1\nTries: 3\nonly this"
        );
        assert_eq!(speaker.unwrap().as_str(), "Uptime Kuma");
    }

    #[test]
    fn what_is_of_another_shape_says_nothing() {
        for body in [
            json!({}),
            json!([]),
            json!({ "text": 5, "attachments": "x", "blocks": [1, null, { "type": 7 }] }),
            json!({ "text": "  ", "attachments": [{}] }),
        ] {
            assert_eq!(shown(&body), "", "{body}");
        }
    }
}
