//! The way from the world to the server, one step after the other: what lies behind a step that
//! fails is not looked at.

use std::path::Path;
use std::time::Instant;

use hyper::header::{CONTENT_SECURITY_POLICY, DATE, LOCATION};
use hyper::{Request, StatusCode};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::Value;

use super::report::Report;
use super::site::{PATIENCE, Site};
use super::{headers, sessions};
use crate::model::Timestamp;

/// A certificate that ends within so many days should have been renewed: Let's Encrypt's are
/// renewed a month before.
const SOON_DAYS: i64 = 14;
/// Two clocks that differ by more are not both right.
const CLOCKS_DIFFER_SECS: u64 = 60;
const DAY_SECS: i64 = 24 * 60 * 60;

/// Looks at all of it.
pub(super) async fn examine(site: &Site, data: &Path, report: &mut Report) {
    let connected = match site.connect().await {
        Ok(connected) => connected,
        Err(trouble) => {
            let what = if site.is_https() {
                "connection and TLS"
            } else {
                "connection"
            };
            return report.wrong(what, &trouble);
        }
    };
    tls(site, connected.certificate_ends, report);
    if !server(site, report).await {
        return;
    }
    page(site, report).await;
    headers::examine(site, data, report).await;
    let waiting = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    waiting.set_message("waiting for heartbeats, some 25 s");
    waiting.enable_steady_tick(std::time::Duration::from_millis(200));
    sessions::examine(site, report).await;
    waiting.finish_and_clear();
}

fn tls(site: &Site, ends: Option<i64>, report: &mut Report) {
    let what = "TLS";
    if !site.is_https() {
        let local = site.host == "localhost"
            || site
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        if local {
            return report.good(what, "none, on this machine itself");
        }
        return report.doubt(
            what,
            "none: passwords, tokens and messages can be read on the way; use https (see HTTPS in /docs/operate)",
        );
    }
    let now = i64::try_from(Timestamp::now().as_secs()).unwrap_or(i64::MAX);
    match ends.map(|ends| (ends - now) / DAY_SECS) {
        None => report.doubt(what, "the certificate does not say when it ends"),
        Some(days) if days < SOON_DAYS => report.doubt(
            what,
            &format!("the certificate is good, and ends in {days} days: see why it is not renewed"),
        ),
        Some(days) => report.good(what, &format!("the certificate is good for {days} days")),
    }
}

/// Returns whether a chatd answers.
async fn server(site: &Site, report: &mut Report) -> bool {
    let what = "server";
    let began = Instant::now();
    let answer = site
        .request(Request::get("/api/server"), "", PATIENCE)
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            report.wrong(
                what,
                &format!("it does not speak HTTP here: {error}; see the proxy's log"),
            );
            return false;
        }
    };
    let took = began.elapsed();
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION);
        let to = to.and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
        report.wrong(
            what,
            &format!("it answers {status} and leads to {to}: give the URL at which people end"),
        );
        return false;
    }
    let json: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if json["data"]["name"] == env!("CARGO_PKG_NAME") {
        report.good(
            what,
            &format!(
                "chatd {}, in {:.1} ms",
                json["data"]["version"].as_str().unwrap_or("?"),
                took.as_secs_f64() * 1e3
            ),
        );
        clocks(
            answer
                .headers()
                .get(DATE)
                .and_then(|date| date.to_str().ok()),
            report,
        );
        return true;
    }
    let said = match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            format!(
                "{status}: the proxy reaches no chatd; start it, or mend the proxy's target (nginx: proxy_pass http://127.0.0.1:8080;)"
            )
        }
        _ => format!(
            "{status}, and no answer of chatd: the proxy must pass every path on, /api/ and /socket.io/ too"
        ),
    };
    report.wrong(what, &said);
    false
}

/// The `Date` of an answer is the proxy's, or the server's.
fn clocks(date: Option<&str>, report: &mut Report) {
    let Some(date) = date.and_then(http_date) else {
        return;
    };
    let apart = date.abs_diff(Timestamp::now().as_secs());
    if apart > CLOCKS_DIFFER_SECS {
        report.wrong(
            "clocks",
            &format!("the server's and this machine's are {apart} s apart: set both, as by timedatectl set-ntp true"),
        );
    }
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<u64> {
    let moment = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(moment.timestamp().as_second()).ok()
}

async fn page(site: &Site, report: &mut Report) {
    let what = "page";
    match site.request(Request::get("/"), "", PATIENCE).await {
        Err(error) => report.wrong(what, &format!("{error}: see the proxy's log")),
        Ok(answer) if answer.status() != StatusCode::OK => report.wrong(
            what,
            &format!("/ answers {}: the proxy must pass every path on (nginx: location / {{ … }})", answer.status()),
        ),
        Ok(answer) if !answer.headers().contains_key(CONTENT_SECURITY_POLICY) => report.wrong(
            what,
            "its Content-Security-Policy is lost on the way: have the proxy pass it on (nginx: no proxy_hide_header)",
        ),
        Ok(_) => report.good(what, "there, with its policy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(http_date("yesterday"), None);
    }
}
