//! What arrives of a request at the server: asked of the server itself, by its control socket (see
//! `http/api/probe.rs`), so that no other client learns it.

use std::io::ErrorKind;
use std::path::Path;

use hyper::header::ORIGIN;
use hyper::{Method, Request, StatusCode};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::Value;
use tokio::net::UnixStream;

use super::report::Report;
use super::site::{PATIENCE, Site};
use crate::cli::control;
use crate::cli::operate::Operator;
use crate::http::Seen;

/// Letters and digits of the probe's code: 142 bits.
const CODE_CHARS: usize = 24;
/// An address that no host has (RFC 5737): a client that seems to come from there was believed what
/// it wrote itself.
const FORGED: &str = "192.0.2.77";

/// Sends a probe, asks what arrived of it, and judges that.
pub(super) async fn examine(site: &Site, data: &Path, report: &mut Report) {
    let what = "forwarded headers";
    let stream = match control::connect(data).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return report.skipped(
                what,
                &format!(
                    "the server on {} is another user's: run this as that user, or as root",
                    data.display()
                ),
            );
        }
        Err(error) if error.kind() == ErrorKind::Other => {
            return report.wrong(what, &error.to_string());
        }
        Err(_) => {
            return report.skipped(
                what,
                &format!(
                    "no server runs on {} here: run this on the server's machine, with its --data",
                    data.display()
                ),
            );
        }
    };
    match probe(site, stream).await {
        Err(trouble) => report.wrong(what, &trouble),
        Ok((seen, local)) => {
            for (what, finding) in judge(site, &seen, local.as_deref()) {
                report.found(what, finding);
            }
        }
    }
}

/// Returns what arrived, and from where the request was sent.
async fn probe(site: &Site, stream: UnixStream) -> Result<(Seen, Option<String>), String> {
    let mut operator = Operator::over(stream).await?;
    let code = Alphanumeric.sample_string(&mut rand::rng(), CODE_CHARS);
    let path = format!("/api/admin/probe/{code}");
    operator.ask(Method::PUT, &path, Value::Null).await?;
    let connected = site.connect().await?;
    let local = connected.local.map(|local| local.to_string());
    let request = Request::get(&path)
        .header("x-forwarded-for", FORGED)
        .header(ORIGIN, site.origin());
    let answer = site.request_on(connected, request, "", PATIENCE).await?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            return Err("the URL leads to another server than the one on this data file: mend the proxy's target, or give \
                        the --data of that server"
                .into());
        }
        status => {
            return Err(format!(
                "a probe is answered {status}: the proxy must pass every path on"
            ));
        }
    }
    let seen = operator.ask(Method::GET, &path, Value::Null).await?;
    let seen = serde_json::from_value(seen)
        .map_err(|_| "the server is of another version: run its own doctor".to_owned())?;
    Ok((seen, local))
}

type Finding = (&'static str, Result<String, String>);

/// Returns what is to be said of what arrived of a request that `local` sent with a forged
/// `X-Forwarded-For`.
fn judge(site: &Site, seen: &Seen, local: Option<&str>) -> Vec<Finding> {
    let host = judge_host(site, seen);
    let address = match (local, seen.peer.as_deref()) {
        (Some(local), Some(peer)) if local == peer => {
            Ok("no proxy in between; chatd sees its clients itself".to_owned())
        }
        _ => judge_address(seen),
    };
    let called = site.to_string();
    // What no proxy is believed about is said already.
    let scheme = match (site.is_https(), seen.tls) {
        _ if seen.url == called => Some(Ok("told as it is".to_owned())),
        (true, false) if seen.forwarded_proto.is_none() => Some(Err(
            "the proxy does not say that people come by https, and links of invites will begin with http (nginx: \
             proxy_set_header X-Forwarded-Proto $scheme;)"
                .to_owned(),
        )),
        (true, false) if address.is_ok() => Some(Err(format!(
            "the proxy says that people come by {}: have it say https (nginx: proxy_set_header X-Forwarded-Proto $scheme;)",
            seen.forwarded_proto.as_deref().unwrap_or_default()
        ))),
        (false, true) => Some(Err(
            "the proxy says that people come by https, and they do not: let it say $scheme".to_owned(),
        )),
        (true, false) => None,
        _ => Some(Ok("told as it is".to_owned())),
    };
    // Where something is wrong with one of these, links are mended with it.
    let are_told = host.is_ok() && address.is_ok() && matches!(scheme, Some(Ok(_)));
    let mut findings = vec![("Host", host), ("client address", address)];
    findings.extend(scheme.map(|scheme| ("scheme", scheme)));
    if are_told {
        findings.push(("links", judge_links(&called, &seen.url)));
    }
    findings
}

fn judge_links(called: &str, url: &str) -> Result<String, String> {
    match url == called {
        true => Ok(format!("invites lead to {called}/")),
        false => Err(format!(
            "invites lead to {url}/ instead of {called}/: start chatd with --public-url {called}"
        )),
    }
}

fn judge_host(site: &Site, seen: &Seen) -> Result<String, String> {
    let authority = &site.authority;
    match seen.host.as_deref() {
        Some(host) if host.eq_ignore_ascii_case(authority) => Ok(format!("arrives as {host}")),
        host if seen.is_own => Ok(format!(
            "arrives as {}, and pages of {} are known as the server's own",
            host.unwrap_or("nothing"),
            site.origin()
        )),
        other => Err(format!(
            "it arrives as {} instead of {authority}, so that WebSockets of the page are refused as another site's (nginx: \
             proxy_set_header Host $http_host;), or start chatd with --public-url {site}",
            other.unwrap_or("nothing")
        )),
    }
}

fn judge_address(seen: &Seen) -> Result<String, String> {
    let set = "nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
    let peer = seen.peer.as_deref().unwrap_or("the proxy");
    let proxy = peer
        .parse::<std::net::SocketAddr>()
        .map_or_else(|_| peer.to_owned(), |peer| peer.ip().to_string());
    let Some(forwarded) = seen.forwarded_for.as_deref() else {
        return Err(format!(
            "the proxy at {proxy} does not say who comes, so that all people share the limits of one address ({set})"
        ));
    };
    let last = forwarded.rsplit(',').next().unwrap_or_default().trim();
    if last == FORGED {
        return Err(format!(
            "the proxy at {proxy} passes on what clients write of themselves, so that anybody may seem to be anybody ({set})"
        ));
    }
    if !seen.believed {
        return Err(format!(
            "the word of the proxy at {proxy} is not believed, so that all people share the limits of one address: start \
             chatd with --trusted-proxy {proxy}"
        ));
    }
    // Who comes from the proxy's own machine is believed like the proxy, and so may write what it
    // likes.
    if seen.address.as_deref() == Some(FORGED) && last != proxy {
        return Err(format!(
            "a client is believed what it writes of itself: name only the proxy itself by --trusted-proxy (X-Forwarded-For: {forwarded})"
        ));
    }
    Ok(format!("told by the proxy at {proxy}; this one is {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(host: &str, address: &str, tls: bool, forwarded: &[&str]) -> Seen {
        Seen {
            believed: true,
            peer: Some("127.0.0.1:5000".into()),
            address: Some(address.into()),
            tls,
            host: Some(host.into()),
            forwarded_for: forwarded.first().map(|text| (*text).to_owned()),
            forwarded_proto: forwarded.get(1).map(|text| (*text).to_owned()),
            url: format!("{}://{host}", if tls { "https" } else { "http" }),
            is_own: host == "chat.example.org",
        }
    }

    #[test]
    fn links_that_lose_the_path_are_found_out_and_a_public_url_mends_all_of_it() {
        let site = Site::parse("https://example.org/chat/", None).unwrap();
        let forwarded = &["192.0.2.77, 9.9.9.9", "https"];
        let wrong = |seen: Seen| -> Vec<String> {
            let findings = judge(&site, &seen, Some("127.0.0.1:1")).into_iter();
            findings
                .filter_map(|(what, finding)| Some(format!("{what}: {}", finding.err()?)))
                .collect()
        };
        assert_eq!(
            wrong(seen("example.org", "9.9.9.9", true, forwarded)),
            [
                "links: invites lead to https://example.org/ instead of https://example.org/chat/: start chatd with --public-url https://example.org/chat"
            ]
        );
        // By the public URL, though the proxy says neither the host nor the scheme.
        let mended = Seen {
            url: "https://example.org/chat".into(),
            is_own: true,
            ..seen("127.0.0.1:8080", "9.9.9.9", false, &["192.0.2.77, 9.9.9.9"])
        };
        assert_eq!(wrong(mended), Vec::<String>::new());
    }

    #[test]
    fn each_wrong_header_is_named_with_its_mend() {
        let site = Site::parse("https://chat.example.org", None).unwrap();
        let host = "chat.example.org";
        for (seen, what, words) in [
            (
                seen("127.0.0.1:8080", "9.9.9.9", true, &["9.9.9.9", "https"]),
                "Host",
                "proxy_set_header Host",
            ),
            (
                seen(host, "127.0.0.1", false, &[]),
                "client address",
                "does not say who comes",
            ),
            (
                seen(host, "127.0.0.1", false, &[FORGED]),
                "client address",
                "passes on what clients write",
            ),
            (
                seen(host, FORGED, true, &["192.0.2.77, 9.9.9.9", "https"]),
                "client address",
                "name only the proxy",
            ),
            (
                Seen {
                    believed: false,
                    ..seen(host, "127.0.0.1", false, &["9.9.9.9", "https"])
                },
                "client address",
                "--trusted-proxy 127.0.0.1",
            ),
            (
                seen(host, "9.9.9.9", false, &["9.9.9.9"]),
                "scheme",
                "X-Forwarded-Proto $scheme",
            ),
            (
                seen(host, "9.9.9.9", false, &["9.9.9.9", "http"]),
                "scheme",
                "come by http:",
            ),
        ] {
            let wrong: Vec<_> = judge(&site, &seen, Some("127.0.0.1:1"))
                .into_iter()
                .filter_map(|(what, finding)| Some((what, finding.err()?)))
                .collect();
            let found = wrong
                .iter()
                .any(|(name, text)| *name == what && text.contains(words));
            assert!(found, "{seen:?}: {wrong:?}");
        }
        for (seen, local) in [
            (
                seen(host, "9.9.9.9", true, &["192.0.2.77, 9.9.9.9", "https"]),
                "127.0.0.1:1",
            ),
            (
                seen(host, FORGED, true, &["192.0.2.77, 127.0.0.1", "https"]),
                "127.0.0.1:1",
            ),
            // A proxy on the machine from which the doctor itself comes.
            (
                seen(host, "127.0.0.1", true, &["127.0.0.1", "https"]),
                "127.0.0.1:1",
            ),
            (seen(host, "127.0.0.1", true, &[FORGED]), "127.0.0.1:5000"),
        ] {
            let findings = judge(&site, &seen, Some(local));
            assert!(
                findings.iter().all(|(_, finding)| finding.is_ok()),
                "{findings:?}"
            );
        }
    }
}
