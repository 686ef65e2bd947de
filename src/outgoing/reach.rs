//! Which addresses may be spoken to.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

/// What is not of the public Internet, by IANA's registries of special-purpose addresses: "this
/// network", private, shared by carriers (CGNAT), loopback, link-local with its services of clouds,
/// protocol assignments, documentation, relays of 6to4, benchmarking, multicast and reserved.
const NOT_PUBLIC_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// What alone is public of IPv6. Outside of it are the unspecified address and loopback, IPv4
/// mapped and compatible, NAT64, discard, unique local, link-local, site-local and multicast.
const PUBLIC_V6: &str = "2000::/3";

/// What is not public of that: protocol assignments (Teredo, benchmarking and ORCHID among them),
/// documentation, 6to4, and what was the 6bone.
const NOT_PUBLIC_V6: [&str; 5] = [
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3ffe::/16",
    "3fff::/20",
];

/// What an operator's own network is made of. Link-local addresses are not: on them clouds hand out
/// their credentials.
const PRIVATE: [&str; 7] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
];

/// What clouds tell their machines' secrets by, at addresses that are not link-local: Azure's is of
/// a public network, Alibaba's and those of AWS and Google by IPv6 of private ones.
const OF_CLOUDS: [&str; 4] = [
    "100.100.100.200/32",
    "168.63.129.16/32",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
];

struct Tables {
    not_public: Vec<IpNet>,
    public_v6: IpNet,
    private: Vec<IpNet>,
    of_clouds: Vec<IpNet>,
}

fn network(text: &str) -> IpNet {
    text.parse().expect("the tables are networks")
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    not_public: NOT_PUBLIC_V4
        .iter()
        .chain(&NOT_PUBLIC_V6)
        .map(|text| network(text))
        .collect(),
    public_v6: network(PUBLIC_V6),
    private: PRIVATE.iter().map(|text| network(text)).collect(),
    of_clouds: OF_CLOUDS.iter().map(|text| network(text)).collect(),
});

/// How far requests may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses alone.
    Public,
    /// Those, and the operator's own network: loopback, private and unique local addresses.
    Private,
}

impl Reach {
    /// Returns whether an address may be spoken to.
    pub fn allows(self, address: IpAddr) -> bool {
        let tables = &*TABLES;
        let has = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        let is_public =
            (address.is_ipv4() || tables.public_v6.contains(&address)) && !has(&tables.not_public);
        let is_reached = is_public || self == Self::Private && has(&tables.private);
        is_reached && !has(&tables.of_clouds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that no reach has.
    const NOWHERE: [&str; 43] = [
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.0.1",
        "192.0.0.1",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::127.0.0.1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:53aa:64c:0:fbff:80ff:fffe",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];

    const AT_HOME: [&str; 15] = [
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.255.255",
        "::1",
        "fc00::1",
        "fd00:ec2::253",
        "fdff::1",
        "fd12:3456:789a::1",
    ];

    const PUBLIC: [&str; 12] = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:80b::200e",
    ];

    #[test]
    fn only_public_addresses_are_reached_and_ones_own_network_only_if_allowed() {
        for (addresses, by_all, at_home) in [
            (&NOWHERE[..], false, false),
            (&AT_HOME[..], false, true),
            (&PUBLIC[..], true, true),
        ] {
            for text in addresses {
                let address: IpAddr = text.parse().unwrap();
                assert_eq!(Reach::Public.allows(address), by_all, "{text}");
                assert_eq!(Reach::Private.allows(address), at_home, "{text}");
            }
        }
    }
}
