//! Where a request comes from, if it comes through a reverse proxy.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use hyper::HeaderMap;
use ipnet::{IpNet, Ipv4Net};

use super::forwarded::{Field, all, outermost};

/// The proxies whose word on where a request comes from is believed: none, unless an operator names
/// some.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// An address or a range of addresses that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give an address such as 127.0.0.1, or a range such as 10.0.0.0/8")]
pub struct NetworkError;

/// A range of addresses, `10.0.0.0/8`, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let text = text.trim();
        let network = match text.parse() {
            Ok(network) => network,
            Err(_) => IpNet::from(parse_bare(text).ok_or(NetworkError)?),
        };
        Ok(Self(canonical(network)))
    }
}

/// The IPv4 range that an IPv6 one of mapped addresses stands for, since peers are compared as what
/// they are.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(mapped) => mapped
            .addr()
            .to_ipv4_mapped()
            .zip(mapped.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped
        .and_then(|(address, bits)| Ipv4Net::new(address, bits).ok())
        .map_or(network.trunc(), |network| IpNet::V4(network.trunc()))
}

/// The sender of a request, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Set where that is a proxy whose word is believed.
    pub believed: bool,
    /// The address that is taken to be the client's.
    pub address: IpAddr,
    /// Set where it came by TLS, here or at the proxy.
    pub tls: bool,
    /// The number of believed proxies that passed it on.
    pub(super) hops: usize,
}

impl TrustedProxies {
    /// These.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(networks.into_iter().map(|network| network.0).collect())
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the word of a sender at this address is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns who sent a request that came from this peer. Each proxy appends whom it got the
    /// request from, so that the list is read from its end, for as long as it was written by
    /// proxies that are believed; what stands before was written by strangers.
    pub fn sender(&self, peer: SocketAddr, tls: bool, headers: &HeaderMap) -> Sender {
        let mut address = peer.ip();
        if !self.trusts(address) {
            return Sender {
                peer,
                believed: false,
                address,
                tls,
                hops: 0,
            };
        }
        let mut hops = 1;
        for hop in all(headers, Field::For).into_iter().rev() {
            let Some(hop) = parse(&hop) else { break };
            address = hop.to_canonical();
            if !self.trusts(address) {
                break;
            }
            hops += 1;
        }
        Sender {
            peer,
            believed: true,
            address,
            tls: is_tls(headers, hops).unwrap_or(tls),
            hops,
        }
    }
}

/// Returns whether the client spoke TLS, if proxies say how it came. Where they disagree one of
/// them is behind another that spoke it.
fn is_tls(headers: &HeaderMap, hops: usize) -> Option<bool> {
    let schemes = all(headers, Field::Proto);
    let mut schemes = schemes
        .iter()
        .filter(|scheme| !scheme.is_empty())
        .peekable();
    if schemes.peek().is_some() {
        let is_secure = |scheme: &str| {
            ["https", "wss"]
                .iter()
                .any(|one| scheme.eq_ignore_ascii_case(one))
        };
        return Some(schemes.any(|scheme| is_secure(scheme)));
    }
    let port = outermost(headers, Field::Port, hops)?;
    (port == "443").then_some(true)
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"');
    parse_bare(text).or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// An address, in brackets or not.
fn parse_bare(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|text| text.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        proxies.sender(peer, false, &headers).address.to_string()
    }

    #[test]
    fn only_a_trusted_proxys_word_counts_and_only_its_own() {
        let proxies = &["127.0.0.1", "10.0.0.0/8", "fd00::/8"][..];
        for (trusted, peer, forwarded, address) in [
            // No proxy is believed unless named.
            (&[][..], "127.0.0.1", &["1.2.3.4"][..], "127.0.0.1"),
            (proxies, "8.8.8.8", &["1.2.3.4"], "8.8.8.8"),
            (proxies, "127.0.0.1", &[], "127.0.0.1"),
            (proxies, "127.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            // What the client wrote itself stands before.
            (proxies, "127.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (proxies, "127.0.0.1", &["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
            (
                proxies,
                "127.0.0.1",
                &["6.6.6.6, 1.2.3.4, 10.1.1.1"],
                "1.2.3.4",
            ),
            (proxies, "127.0.0.1", &["10.1.1.2, 10.1.1.1"], "10.1.1.2"),
            (proxies, "127.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
            (proxies, "127.0.0.1", &["[2001:db8::1]:5678"], "2001:db8::1"),
            (proxies, "127.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            (proxies, "fd00::1", &["2001:db8::1"], "2001:db8::1"),
            (proxies, "::ffff:127.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            (proxies, "127.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            (
                proxies,
                "127.0.0.1",
                &["\"[2001:db8::1]:5678\""],
                "2001:db8::1",
            ),
            // What is no address ends the list.
            (proxies, "127.0.0.1", &["1.2.3.4, unknown"], "127.0.0.1"),
            (proxies, "127.0.0.1", &["1.2.3.4, , 10.1.1.1"], "10.1.1.1"),
        ] {
            assert_eq!(
                sender(trusted, peer, forwarded),
                address,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn forwarded_names_the_client_as_well() {
        let proxies =
            TrustedProxies::new(["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap()));
        let peer = "127.0.0.1:1".parse().unwrap();
        for (forwarded, address, tls) in [
            ("for=1.2.3.4", "1.2.3.4", false),
            ("for=1.2.3.4;proto=https;by=10.0.0.1", "1.2.3.4", true),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                "2001:db8:cafe::17",
                false,
            ),
            (
                "for=6.6.6.6, for=1.2.3.4;proto=HTTPS, for=10.0.0.1",
                "1.2.3.4",
                true,
            ),
            ("for=1.2.3.4, for=_hidden", "127.0.0.1", false),
            ("for=unknown", "127.0.0.1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", forwarded.parse().unwrap());
            let sender = proxies.sender(peer, false, &headers);
            assert_eq!(
                (sender.address.to_string().as_str(), sender.tls),
                (address, tls),
                "{forwarded}"
            );
        }
    }

    #[test]
    fn every_range_that_is_taken_holds_the_peers_it_names() {
        for (given, peer) in [
            ("10.1.2.3/8", "10.200.0.1"),
            (" 10.0.0.0/8 ", "10.200.0.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::ffff:10.1.2.3/104", "10.200.0.1"),
            ("::ffff:10.0.0.0/104", "::ffff:10.200.0.1"),
            ("[::1]", "::1"),
            ("fd00::5/8", "fd12::1"),
            ("0.0.0.0/0", "9.9.9.9"),
        ] {
            let proxies = TrustedProxies::new([given.parse().unwrap()]);
            assert!(proxies.trusts(peer.parse().unwrap()), "{given} {peer}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "*",
            "localhost",
            "10.0.0.0/33",
            "10.0.0/8",
            "1.2.3.4:80",
            "1.2.3.4/",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }
}
