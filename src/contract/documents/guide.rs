//! The guides for people, in Markdown beside this file, as pages. Their code is run by the tests.

use std::fmt::Write;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::{TITLE, VERSION};

/// A guide: what it is called, and its text in Markdown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guide {
    /// The last part of its path below `/docs/`.
    pub(crate) name: &'static str,
    pub(super) title: &'static str,
    /// What it is good for: the rest of a sentence that begins with its title.
    pub(super) about: &'static str,
    text: &'static str,
}

/// Every guide, in the order in which pages name them.
pub(crate) const GUIDES: [Guide; 3] = [
    Guide {
        name: "app",
        title: "Add chat to your app",
        about: "leads from a token to a chat list",
        text: include_str!("app.md"),
    },
    Guide {
        name: "chat",
        title: "How the chat behaves",
        about: "says what events and routes mean together",
        text: include_str!("chat.md"),
    },
    Guide {
        name: "operate",
        title: "Run chatd",
        about: "is the operator's handbook",
        text: include_str!("operate.md"),
    },
];

const CHANGES: &str = include_str!("changes.md");

/// Returns the change log of the contract, as the content of a section of a page.
pub(crate) fn changes() -> String {
    main_of(CHANGES).0
}

/// Returns a text as HTML, and its chapters.
fn main_of(text: &str) -> (String, Vec<(String, String)>) {
    let mut events: Vec<_> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let headings = name_headings(&mut events);
    let mut main = String::new();
    html::push_html(&mut main, events.into_iter());
    // What is wider than the page is scrolled by itself, by keys as well.
    let main = main
        .replace("<pre>", "<pre tabindex=\"0\">")
        .replace("<table>", "<div class=\"wide\" tabindex=\"0\"><table>")
        .replace("</table>", "</table></div>");
    (main, headings)
}

/// Returns the page of a guide.
pub(crate) fn guide(guide: &Guide) -> String {
    let (main, headings) = main_of(guide.text);
    // The server may stand below a path.
    let main = main.replace("href=\"/docs", "href=\"../docs");
    let title = guide.title;
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}: {TITLE} {VERSION}</title>\
         <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"../css/docs.css\"></head><body>\
         <a class=\"skip\" href=\"#main\">Skip to the content</a>\
         <header><h1>{title}</h1><p>{TITLE} {VERSION}. All events and routes are in \
         <a href=\"../docs\">the reference</a>."
    );
    for Guide {
        name, title, about, ..
    } in GUIDES.iter().filter(|other| other.name != guide.name)
    {
        // A string takes all that is written to it.
        let _ = write!(page, " <a href=\"../docs/{name}\">{title}</a> {about}.");
    }
    page.push_str("</p></header><nav aria-label=\"Contents\"><ul>");
    for (id, title) in headings {
        let _ = write!(page, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    page.push_str("</ul></nav><main id=\"main\" tabindex=\"-1\">");
    page.push_str(&main);
    page.push_str("</main></body></html>\n");
    page
}

/// Gives each heading an id made of its words, as GitHub does. Returns those of the chapters, with
/// their titles.
fn name_headings(events: &mut [Event<'_>]) -> Vec<(String, String)> {
    let mut chapters = Vec::new();
    for at in 0..events.len() {
        let Event::Start(Tag::Heading { level, .. }) = events[at] else {
            continue;
        };
        let words = events[at + 1..]
            .iter()
            .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let title: String = words
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(&**text),
                _ => None,
            })
            .collect();
        let named = slug(&title);
        if level == HeadingLevel::H2 {
            chapters.push((named.clone(), title));
        }
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[at] {
            *id = Some(named.into());
        }
    }
    chapters
}

/// Returns the words of a title in lower case, with hyphens between them.
fn slug(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_within_and_among_the_guides_leads_to_a_heading() {
        let pages = GUIDES.map(|of| (of.name, guide(&of)));
        let mut links = 0;
        for (name, page) in &pages {
            for link in page.split("href=\"").skip(1) {
                let link = link.split('"').next().unwrap();
                let (path, id) = link.split_once('#').unwrap_or((link, ""));
                let target = match path.strip_prefix("../docs/") {
                    Some(other) => pages.iter().find(|(name, _)| *name == other),
                    None if path.is_empty() => pages.iter().find(|(other, _)| other == name),
                    // The reference, or another site.
                    None => continue,
                };
                let (_, target) = target.unwrap_or_else(|| panic!("{name}: {link}"));
                let named = format!("id=\"{id}\"");
                assert!(
                    id.is_empty() || target.matches(&named).count() == 1,
                    "{name}: {link}"
                );
                links += 1;
            }
        }
        assert!(links > 50, "{links}");
    }

    #[test]
    fn code_stands_in_the_page_as_it_is_written() {
        let page = guide(&GUIDES[0]);
        assert!(page.contains("<h2 id=\"1-start-chatd-with-your-key\">"));
        assert!(page.contains("import jwt from \"jsonwebtoken\";"));
        assert!(!page.contains("<script"));
    }
}
