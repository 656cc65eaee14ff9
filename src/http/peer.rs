//! Who has called: the other side of the connection, or, where that is a proxy that is believed, whom it names.

use std::net::{IpAddr, SocketAddr};

use crate::address::Ranges;
use crate::config::ProxyHeader;

/// The address of the caller. `values` are those of the proxies' header, in their order. None where a proxy that is
/// believed does not say an address: then nobody is known to have called.
///
/// Every proxy adds whom it has been called by at the end, so the first from the end that is no trusted proxy is the
/// caller; all before it is what the caller says. Where all are trusted, the first one is.
pub(super) fn peer(socket: IpAddr, trusted: &Ranges, header: ProxyHeader, values: &[&str]) -> Option<IpAddr> {
    let mut peer = socket.to_canonical();
    let hops: Vec<Option<IpAddr>> = match header {
        ProxyHeader::XForwardedFor => values.iter().flat_map(|value| value.split(',')).map(address).collect(),
        ProxyHeader::Forwarded => {
            values.iter().flat_map(|value| split(value, ',')).map(forwarded_for).collect()
        }
    };
    for hop in hops.into_iter().rev() {
        if !trusted.contains(peer) {
            break;
        }
        peer = hop?;
    }
    Some(peer)
}

/// An address with or without a port, IPv6 in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().ok().or_else(bare);
    address
        .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

/// The `for` of an element such as `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = split(element, ';').into_iter().filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, value) = named.next()?;
    let value = value.trim();
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    address(quoted.unwrap_or(value))
}

/// The parts of a list, where separators in quotes are none.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let is_separator = c == separator && !is_quoted;
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        is_separator
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use ProxyHeader::{Forwarded, XForwardedFor};

    use super::*;

    /// The caller by a connection from `socket`, with 10.0.0.0/8 and fd00::/8 trusted; empty for an unknown one.
    fn caller(socket: &str, header: ProxyHeader, values: &[&str]) -> String {
        let trusted = Ranges::parse(["10.0.0.0/8", "fd00::/8"]).expect("ranges");
        let socket = socket.parse().expect("an address");
        peer(socket, &trusted, header, values).map(|peer| peer.to_string()).unwrap_or_default()
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        for header in [XForwardedFor, Forwarded] {
            assert_eq!(caller("203.0.113.1", header, &["192.0.2.1"]), "203.0.113.1");
            assert_eq!(caller("203.0.113.1", header, &["for=192.0.2.1"]), "203.0.113.1");
            assert_eq!(caller("10.0.0.1", header, &[]), "10.0.0.1", "the proxy says nothing");
        }
        assert_eq!(caller("::ffff:10.0.0.1", XForwardedFor, &["192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_has_called() {
        for (values, expected) in [
            (vec!["192.0.2.1"], "192.0.2.1"),
            (vec!["8.8.8.8, 192.0.2.1"], "192.0.2.1"),
            (vec!["8.8.8.8", "192.0.2.1 , 10.0.0.2"], "192.0.2.1"),
            (vec!["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            (vec!["10.0.0.9, nonsense, 192.0.2.1"], "192.0.2.1"),
            (vec!["192.0.2.1:4711"], "192.0.2.1"),
            (vec!["[2001:db8::1]:443"], "2001:db8::1"),
            (vec!["[2001:db8::1]"], "2001:db8::1"),
            (vec!["2001:db8::1"], "2001:db8::1"),
            (vec!["2001:db8::1, fd00::5"], "2001:db8::1"),
            (vec!["::ffff:192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(caller("10.0.0.1", XForwardedFor, &values), expected, "{values:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_configured() {
        for (values, expected) in [
            (vec!["for=192.0.2.1;proto=https;by=10.0.0.1"], "192.0.2.1"),
            (vec!["for=8.8.8.8, For=\"[2001:db8::1]:4711\";host=\"a,b;for=1.1.1.1\""], "2001:db8::1"),
            (vec!["proto=https; for=192.0.2.1", "for=10.0.0.2"], "192.0.2.1"),
            (vec!["for=\"192.0.2.1:80\""], "192.0.2.1"),
        ] {
            assert_eq!(caller("10.0.0.1", Forwarded, &values), expected, "{values:?}");
        }
        assert_eq!(caller("10.0.0.1", XForwardedFor, &["for=192.0.2.1"]), "");
        assert_eq!(caller("10.0.0.1", Forwarded, &["192.0.2.1"]), "");
    }

    #[test]
    fn a_proxy_that_names_no_address_leaves_the_caller_unknown() {
        for value in ["unknown", "", "_hidden", "192.0.2", "8.8.8.8, unknown", "8.8.8.8,"] {
            assert_eq!(caller("10.0.0.1", XForwardedFor, &[value]), "", "{value}");
        }
        for value in
            ["for=unknown", "for=_hidden", "proto=https", "for=", "for=\"", "for=8.8.8.8, for=unknown"]
        {
            assert_eq!(caller("10.0.0.1", Forwarded, &[value]), "", "{value}");
        }
    }
}
