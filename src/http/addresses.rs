//! How many connections an address has, so that one alone cannot take all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::{self, Ranges};
use crate::config::Access;

/// Unless it is configured, one address may have at most this part of all connections.
const LARGEST_PART: usize = 4;

/// The connections by address, all those of one IPv6 network of 64 bits together.
pub(super) struct Addresses {
    limit: usize,
    /// Whether private addresses are counted: without a setting they may be proxies, which stand for everybody.
    counts_private: bool,
    trusted: Ranges,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection, given back when it is dropped.
pub(super) struct Seat {
    addresses: Arc<Addresses>,
    /// None where it is not counted.
    address: Option<IpAddr>,
}

impl Addresses {
    /// `max_connections` are those of all addresses together.
    pub(super) fn new(access: &Access, max_connections: usize) -> Arc<Self> {
        let limit = access.max_connections_per_address;
        Arc::new(Self {
            limit: limit.unwrap_or(max_connections / LARGEST_PART).max(1),
            counts_private: limit.is_some(),
            trusted: access.trusted_proxies.clone(),
            counts: Mutex::default(),
        })
    }

    /// A place for a connection from that address; none where it has too many.
    pub(super) fn seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let is_counted =
            !self.trusted.contains(address) && (self.counts_private || !address::is_private(address));
        let address = is_counted.then(|| address::sender(address));
        if let Some(address) = address {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(address).or_default();
            if *count >= self.limit {
                return None;
            }
            *count += 1;
        }
        Some(Seat { addresses: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.addresses.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProxyHeader;

    fn addresses(limit: Option<usize>) -> Arc<Addresses> {
        let access = Access {
            trusted_proxies: Ranges::parse(["203.0.113.0/24"]).expect("a range"),
            proxy_header: ProxyHeader::XForwardedFor,
            failure_limit: None,
            max_connections_per_address: limit,
            cors_whitelist: None,
        };
        Addresses::new(&access, 10)
    }

    /// How many of five connections get a place.
    fn seats(addresses: &Arc<Addresses>, address: &str) -> Vec<Seat> {
        let address = address.parse().expect("an address");
        (0..5).filter_map(|_| addresses.seat(address)).collect()
    }

    #[test]
    fn an_address_gets_its_part_and_gives_it_back() {
        let addresses = addresses(None);
        let held = seats(&addresses, "8.8.8.8");
        assert_eq!((held.len(), seats(&addresses, "::ffff:8.8.8.8").len()), (2, 0));
        assert_eq!(seats(&addresses, "8.8.4.4").len(), 2, "others have their own");
        let of_network = seats(&addresses, "2001:db8::1");
        assert_eq!((of_network.len(), seats(&addresses, "2001:db8::2").len()), (2, 0));
        drop((held, of_network));
        assert_eq!(seats(&addresses, "8.8.8.8").len(), 2);
        assert!(addresses.counts.lock().expect("a lock").is_empty());
    }

    #[test]
    fn proxies_are_not_counted() {
        let unset = addresses(None);
        for proxy in ["203.0.113.5", "127.0.0.1", "10.1.2.3", "::1"] {
            assert_eq!(seats(&unset, proxy).len(), 5, "{proxy}");
        }
        let set = addresses(Some(3));
        for (address, count) in [("203.0.113.5", 5), ("127.0.0.1", 3), ("8.8.8.8", 3)] {
            assert_eq!(seats(&set, address).len(), count, "{address}");
        }
    }
}
