//! The address under which a client is counted.

use std::net::IpAddr;

/// Returns the address under which a client is counted: IPv6 by its /64, since a household has all
/// of one. `None` for loopback: a client there is this machine's own, or comes through its proxy,
/// and then all clients do.
pub fn counted(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    })
}
