//! Where a request comes from, if it comes through a reverse proxy.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use hyper::HeaderMap;
use ipnet::IpNet;

/// The proxies whose word on where a request comes from is believed: none, unless an operator names some.
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
        let network = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| NetworkError)
    }
}

/// Who sent a request, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Whether that is a proxy whose word is believed.
    pub believed: bool,
    /// Who is taken to be the client.
    pub address: IpAddr,
    /// Whether it came by TLS, here or at the proxy.
    pub tls: bool,
}

impl TrustedProxies {
    /// These.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(networks.into_iter().map(|network| network.0).collect())
    }

    /// Whether the word of whoever comes from this address is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who sent a request that came from this peer. Each proxy appends whom it got the request from, so that the list is
    /// read from its end, for as long as it was written by proxies that are believed; what stands before was written by
    /// strangers.
    pub fn sender(&self, peer: SocketAddr, tls: bool, headers: &HeaderMap) -> Sender {
        let mut address = peer.ip();
        if !self.trusts(address) {
            return Sender {
                peer,
                believed: false,
                address,
                tls,
            };
        }
        let forwarded = headers.get_all("x-forwarded-for");
        let forwarded: Vec<&str> = forwarded
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in forwarded.into_iter().rev() {
            let Some(hop) = parse(hop.trim()) else { break };
            address = hop;
            if !self.trusts(address) {
                break;
            }
        }
        let scheme = headers.get("x-forwarded-proto");
        Sender {
            peer,
            believed: true,
            address,
            tls: scheme.map_or(tls, |scheme| {
                scheme.as_bytes().eq_ignore_ascii_case(b"https")
            }),
        }
    }
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
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
            // Nobody is believed unless named.
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
    fn what_is_no_range_is_refused() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "1.2.3.4:80"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }
}
