//! The guide "Add chat to your app" as a page for people: `app.md`, in HTML. Its code is run by the
//! tests of `tests/clients`.

use std::fmt::Write;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::{TITLE, VERSION};

const GUIDE: &str = include_str!("app.md");

/// Returns the page.
pub(crate) fn guide() -> String {
    let mut events: Vec<_> = Parser::new_ext(GUIDE, Options::ENABLE_TABLES).collect();
    let headings = name_headings(&mut events);
    let mut main = String::new();
    html::push_html(&mut main, events.into_iter());
    // What is wider than the page is scrolled by itself, by keys as well.
    let main = main
        .replace("<pre>", "<pre tabindex=\"0\">")
        .replace("<table>", "<div class=\"wide\" tabindex=\"0\"><table>")
        .replace("</table>", "</table></div>");
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>Add chat to your app: {TITLE} {VERSION}</title>\
         <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"../css/docs.css\"></head><body>\
         <a class=\"skip\" href=\"#main\">Skip to the content</a>\
         <header><h1>Add chat to your app</h1><p>{TITLE} {VERSION}. All events and routes are in \
         <a href=\"../docs\">the reference</a>.</p></header><nav aria-label=\"Contents\"><ul>"
    );
    for (id, title) in headings {
        // A string takes all that is written to it.
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
    fn every_link_within_the_guide_leads_to_a_heading() {
        let page = guide();
        let links: Vec<_> = page
            .split("href=\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(links.len() > 12, "{links:?}");
        for link in links {
            assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
        }
    }

    #[test]
    fn code_stands_in_the_page_as_it_is_written() {
        let page = guide();
        assert!(page.contains("<h2 id=\"1-start-chatd-with-your-key\">"));
        assert!(page.contains("import jwt from \"jsonwebtoken\";"));
        assert!(!page.contains("<script"));
    }
}
