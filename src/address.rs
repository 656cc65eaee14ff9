//! Addresses and ranges of addresses as people write them: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A set of addresses. IPv4 addresses that are mapped into IPv6 (`::ffff:192.0.2.7`) are the same as without.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges(Vec<IpNet>);

impl Ranges {
    /// Reads addresses and ranges with the length of their prefix; the first text that is neither as the error.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let range = |text: &'a str| range(text.trim()).ok_or(text);
        texts.into_iter().map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Adds those of another set.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }
}

fn range(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        Err(_) => text.parse().ok().map(canonical),
    }
}

/// A range of mapped addresses as what it means.
fn canonical(range: IpNet) -> IpNet {
    let mapped = |range: Ipv6Net| {
        let length = range.prefix_len().checked_sub(96)?;
        Ipv4Net::new(range.network().to_ipv4_mapped()?, length).ok()
    };
    match range {
        IpNet::V6(range) => mapped(range).map_or(IpNet::V6(range), IpNet::V4),
        range => range,
    }
}

/// What counts as one sender: an IPv4 address, or the 64 bits of an IPv6 address that a single customer has at least
/// (RFC 6177).
pub(crate) fn sender(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// Whether an address is one of a private network or of this machine, where a proxy or a container may be and the
/// public internet is not.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address in a test")
    }

    #[test]
    fn addresses_are_in_their_ranges() {
        let list = "192.0.2.7, 10.0.0.0/8,2001:db8::/32, ::1,::ffff:198.51.100.0/120, ::ffff:203.0.113.9";
        let ranges = Ranges::parse(list.split(',')).expect("ranges");
        for inside in [
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "10.255.0.1",
            "::ffff:10.1.2.3",
            "2001:db8:1::1",
            "::1",
            "198.51.100.200",
            "203.0.113.9",
        ] {
            assert!(ranges.contains(address(inside)), "{inside}");
        }
        for outside in
            ["192.0.2.8", "11.0.0.1", "2001:db9::", "::2", "198.51.101.1", "::10.0.0.1", "::ffff:11.0.0.1"]
        {
            assert!(!ranges.contains(address(outside)), "{outside}");
        }
        let all = Ranges::parse(["0.0.0.0/0"]).expect("ranges");
        assert!(all.contains(address("8.8.8.8")) && all.contains(address("::ffff:8.8.8.8")));
        assert!(!all.contains(address("2001:db8::1")));
    }

    #[test]
    fn other_texts_are_named() {
        for text in ["", "10.0.0.0/33", "10.0.0", "example.com", "10.0.0.0/-1", "::/129", "10.0.0.1:80", "1"]
        {
            assert_eq!(Ranges::parse(["10.0.0.1", text]), Err(text), "{text}");
        }
    }

    #[test]
    fn a_sender_is_an_address_or_64_bits() {
        assert_eq!(sender(address("::ffff:192.0.2.7")), address("192.0.2.7"));
        assert_eq!(sender(address("2001:db8:1:2:3:4:5:6")), address("2001:db8:1:2::"));
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for private in
            ["127.0.0.1", "10.0.0.1", "172.20.0.3", "192.168.1.1", "::1", "fd00::1", "::ffff:127.0.0.1"]
        {
            assert!(is_private(address(private)), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "203.0.113.5"] {
            assert!(!is_private(address(public)), "{public}");
        }
    }
}
