//! How a client called this server: by `Host`, or by what proxies say that are believed.

use hyper::header::{self, HeaderMap};

use super::forwarded::{Field, outermost};
use super::origin::Origin;
use super::proxy::Sender;
use super::public::PublicUrl;

/// 256: longer paths are no server's place.
const MAX_PREFIX_CHARS: usize = 256;

/// Returns what stands in every link to this server: `https://chat.example.org/chat`, without a
/// slash at its end. By the public URL if there is one, else as far as the request shows it; else
/// nothing, which makes what is appended a relative URL.
pub fn base_url(
    headers: &HeaderMap,
    sender: Option<&Sender>,
    public: Option<&PublicUrl>,
) -> String {
    if let Some(public) = public {
        return public.to_string();
    }
    let tls = sender.is_some_and(|sender| sender.tls);
    let called = |scheme: &str| origins(scheme, headers, sender).next();
    // The page knows by which scheme it was loaded, where no proxy says so.
    let page = headers.get(header::ORIGIN);
    let page = page.and_then(|origin| Origin::parse(origin.to_str().ok()?).ok());
    let is_page_by_tls = page.is_some() && page == called("https");
    let scheme = if tls || is_page_by_tls {
        "https"
    } else {
        "http"
    };
    match called(scheme) {
        Some(origin) => format!("{origin}{}", prefix(headers, sender).unwrap_or_default()),
        None => String::new(),
    }
}

/// The origins of this server's own page, were it loaded by this scheme: the likeliest first.
pub(super) fn origins(
    scheme: &str,
    headers: &HeaderMap,
    sender: Option<&Sender>,
) -> impl Iterator<Item = Origin> {
    let told = |field| told(headers, sender, field);
    let port = told(Field::Port).and_then(|port| port.parse().ok());
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let hosts = [told(Field::Host).unwrap_or_default(), host.to_owned()];
    let named = hosts.map(|host| Origin::at(scheme, &host));
    let with_port = named.each_ref().map(|origin| {
        let (origin, port) = (origin.as_ref()?, port?);
        origin.with_port(port)
    });
    let [forwarded, arrived] = named;
    let [forwarded_with_port, arrived_with_port] = with_port;
    [forwarded_with_port, forwarded, arrived_with_port, arrived]
        .into_iter()
        .flatten()
}

/// The path that proxies took away from that of the request.
fn prefix(headers: &HeaderMap, sender: Option<&Sender>) -> Option<String> {
    let prefix = told(headers, sender, Field::Prefix)?;
    let path = prefix.trim_end_matches('/');
    let is_path = path.starts_with('/')
        && path.len() <= MAX_PREFIX_CHARS
        && !path.contains("//")
        && path.split('/').all(|part| !matches!(part, "." | ".."))
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&byte));
    is_path.then(|| path.to_owned())
}

fn told(headers: &HeaderMap, sender: Option<&Sender>, field: Field) -> Option<String> {
    let sender = sender.filter(|sender| sender.believed)?;
    outermost(headers, field, sender.hops).map(std::borrow::Cow::into_owned)
}

/// Returns whether a `Host` header names this very machine: `localhost`, a name below it, or a
/// loopback address. No other site can be called so, whatever its owner writes into the domain name
/// system.
pub fn is_loopback(host: &str) -> bool {
    let Some(origin) = Origin::at("http", host) else {
        return false;
    };
    match url::Url::parse(origin.as_str())
        .ok()
        .and_then(|url| url.host().map(|host| host.to_owned()))
    {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::TrustedProxies;

    /// The base of links in an answer to a request of this machine's proxy.
    fn base(tls: bool, pairs: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        let peer = "127.0.0.1:1".parse().unwrap();
        let sender = TrustedProxies::new(proxies).sender(peer, tls, &headers);
        base_url(&headers, Some(&sender), None)
    }

    #[test]
    fn links_lead_where_the_client_called_the_server() {
        let host = ("host", "chat.example.org");
        for (tls, pairs, url) in [
            (false, &[host][..], "http://chat.example.org"),
            (true, &[host], "https://chat.example.org"),
            (
                true,
                &[("host", "chat.example.org:443")],
                "https://chat.example.org",
            ),
            (false, &[("host", "[::1]:8080")], "http://[::1]:8080"),
            (
                false,
                &[host, ("x-forwarded-proto", "https")],
                "https://chat.example.org",
            ),
            (
                false,
                &[host, ("x-forwarded-proto", "HTTPS")],
                "https://chat.example.org",
            ),
            (
                false,
                &[host, ("x-forwarded-proto", "https, http")],
                "https://chat.example.org",
            ),
            (
                false,
                &[
                    host,
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-proto", "http"),
                ],
                "https://chat.example.org",
            ),
            (
                false,
                &[host, ("x-forwarded-port", "443")],
                "https://chat.example.org",
            ),
            (
                false,
                &[
                    host,
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-port", "8443"),
                ],
                "https://chat.example.org:8443",
            ),
            (
                false,
                &[
                    ("host", "inner:8080"),
                    ("x-forwarded-host", "chat.example.org"),
                ],
                "http://chat.example.org",
            ),
            (
                false,
                &[
                    ("host", "inner:8080"),
                    ("x-forwarded-host", "forged.example, chat.example.org"),
                ],
                "http://chat.example.org",
            ),
            (
                false,
                &[
                    ("host", "inner:8080"),
                    ("x-forwarded-for", "1.2.3.4, 10.0.0.7"),
                    ("x-forwarded-host", "chat.example.org, outer"),
                    ("x-forwarded-proto", "https"),
                ],
                "https://chat.example.org",
            ),
            (
                false,
                &[
                    ("host", "inner"),
                    (
                        "forwarded",
                        "for=1.2.3.4;host=\"chat.example.org:81\";proto=http",
                    ),
                ],
                "http://chat.example.org:81",
            ),
            (
                false,
                &[
                    ("host", "inner"),
                    ("forwarded", "host=chat.example.org;proto=https"),
                ],
                "https://chat.example.org",
            ),
            (
                false,
                &[
                    host,
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-prefix", "/chat/"),
                ],
                "https://chat.example.org/chat",
            ),
            (
                false,
                &[host, ("x-forwarded-prefix", "/")],
                "http://chat.example.org",
            ),
            (
                false,
                &[host, ("x-forwarded-prefix", "//evil.example")],
                "http://chat.example.org",
            ),
            (
                false,
                &[host, ("x-forwarded-prefix", "@evil.example")],
                "http://chat.example.org",
            ),
            (
                false,
                &[host, ("x-forwarded-prefix", "/a/../b")],
                "http://chat.example.org",
            ),
            (
                false,
                &[host, ("x-forwarded-prefix", "/a\"b")],
                "http://chat.example.org",
            ),
            (
                false,
                &[host, ("origin", "https://chat.example.org")],
                "https://chat.example.org",
            ),
            (
                false,
                &[host, ("origin", "https://evil.example")],
                "http://chat.example.org",
            ),
            (false, &[("host", "evil.example/?a=")], ""),
            (false, &[("host", "a@evil.example")], ""),
            (false, &[], ""),
        ] {
            assert_eq!(base(tls, pairs), url, "{pairs:?}");
        }
    }

    #[test]
    fn the_public_url_is_every_links_beginning() {
        let public: PublicUrl = "https://example.org/chat".parse().unwrap();
        let base = base_url(&HeaderMap::new(), None, Some(&public));
        assert_eq!(base, "https://example.org/chat");
    }

    #[test]
    fn only_names_of_this_machine_are_loopback_names() {
        for host in [
            "localhost",
            "LocalHost.",
            "localhost:8080",
            "chat.localhost:8080",
            "127.0.0.1:8080",
            "127.8.9.1",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "0.0.0.0:8080",
            "192.168.1.1",
            "[::]",
            "localhost@evil.example",
            "localhost, evil.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
