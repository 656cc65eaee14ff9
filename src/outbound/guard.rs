//! Which hosts and addresses a request may go to: NocoBase's `SERVER_REQUEST_WHITELIST` and
//! `SERVER_REQUEST_DISALLOW_IP` (`packages/core/utils/src/server-request.ts`), and what sidehook refuses
//! beside them. Pure: it neither looks names up nor connects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// What the guard is told by the settings.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `SERVER_REQUEST_WHITELIST`: addresses, ranges (`10.0.0.0/8`), names and `*.names`, between commas.
    pub whitelist: String,
    /// `SERVER_REQUEST_DISALLOW_IP`: refuses URLs with an address instead of a name.
    pub disallow_ip: bool,
    /// `SIDEHOOK_REQUEST_PRIVATE=refuse`: refuses private addresses that the whitelist does not list.
    pub refuse_private: bool,
}

/// Decides about hosts of URLs and about the addresses that names lead to.
#[derive(Debug)]
pub(super) struct Guard {
    entries: Vec<Entry>,
    disallow_ip: bool,
    refuse_private: bool,
}

#[derive(Debug)]
enum Entry {
    Addresses(Range),
    Name(String),
    /// What follows the star of `*.example.com`: `.example.com`.
    Wildcard(String),
}

/// The addresses that share their first `prefix` bits with `address`.
#[derive(Clone, Copy, Debug)]
struct Range {
    address: IpAddr,
    prefix: u8,
}

/// Where the metadata services of clouds answer, which hand out credentials to whoever asks. Nobody has a
/// webhook to send there, so no setting opens them. Link-local addresses as a whole, because that is where
/// most of them are: AWS, Google, Azure, Oracle, DigitalOcean, Tencent, and the task credentials of ECS.
const METADATA: &[Range] = &[
    v4(169, 254, 0, 0, 16),
    // Alibaba.
    v4(100, 100, 100, 200, 32),
    // Oracle's older one.
    v4(192, 0, 0, 192, 32),
    // Azure's WireServer.
    v4(168, 63, 129, 16, 32),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    // AWS: metadata and the credentials of EKS pods.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128),
    // Google.
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
];

/// Names of metadata services that are looked up within their clouds alone.
const METADATA_NAMES: &[&str] = &[
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
];
const METADATA_REASON: &str = "a link-local or cloud metadata address";

/// What is not the public internet (the special-purpose registries of IANA, RFC 6890).
const PRIVATE: &[Range] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    // Carrier-grade NAT.
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Multicast and reserved, with the broadcast address.
    v4(224, 0, 0, 0, 3),
    // Unspecified, loopback and IPv4-compatible.
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
    // NAT64 of the local network: the IPv4 address in it can be anywhere.
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    // Protocol assignments, with Teredo.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

impl Guard {
    pub(super) fn new(policy: &Policy) -> Self {
        let entries = policy.whitelist.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Self {
            entries: entries.map(Entry::parse).collect(),
            disallow_ip: policy.disallow_ip,
            refuse_private: policy.refuse_private,
        }
    }

    /// What NocoBase checks before each hop: the host as the URL has it, before any look-up. The error is
    /// NocoBase's text.
    pub(super) fn check_host(&self, host: &Host<&str>) -> Result<(), String> {
        let name = host_text(host);
        let address = literal(host);
        if self.disallow_ip && address.is_some() {
            return Err(format!(
                "Outbound request to \"{name}\" is blocked because SERVER_REQUEST_DISALLOW_IP is enabled."
            ));
        }
        if !self.entries.is_empty() && !self.lists(host) {
            return Err(format!(
                "Outbound request to \"{name}\" is blocked. Add it to SERVER_REQUEST_WHITELIST to allow this request."
            ));
        }
        Ok(())
    }

    /// Whether the whitelist has this host.
    pub(super) fn lists(&self, host: &Host<&str>) -> bool {
        let (name, address) = (host_text(host), literal(host));
        self.entries.iter().any(|entry| match address {
            Some(address) => entry.matches_address(address.to_canonical()),
            None => entry.matches_name(&name),
        })
    }

    /// Those of the addresses of a host that may be connected to; an error when there is none.
    pub(super) fn admit(&self, host: &str, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, String> {
        let (mut admitted, mut reason) = (Vec::new(), None);
        for address in addresses {
            match self.objection(address) {
                None => admitted.push(address),
                objection => reason = reason.or(objection),
            }
        }
        match reason {
            Some(reason) if admitted.is_empty() => {
                Err(format!("Outbound request to \"{host}\" is blocked because it leads to {reason}."))
            }
            _ => Ok(admitted),
        }
    }

    /// Whether somebody else, a proxy, may be asked to connect to a host. `addresses` are those that it leads to here, if
    /// it leads anywhere: each has to pass, as whoever connects chooses.
    pub(super) fn admit_unseen(&self, host: &str, addresses: Option<&[IpAddr]>) -> Result<(), String> {
        let leads_to =
            |reason| format!("Outbound request to \"{host}\" is blocked because it leads to {reason}.");
        if METADATA_NAMES.contains(&host.trim_end_matches('.').to_ascii_lowercase().as_str()) {
            return Err(leads_to(METADATA_REASON));
        }
        match addresses {
            Some(addresses) => {
                let objection = addresses.iter().find_map(|address| self.objection(*address));
                objection.map_or(Ok(()), |reason| Err(leads_to(reason)))
            }
            None if self.refuse_private => Err(format!(
                "Outbound request to \"{host}\" is blocked because its address cannot be looked up here, and \
                 SIDEHOOK_REQUEST_PRIVATE refuses what may be a private one."
            )),
            None => Ok(()),
        }
    }

    fn objection(&self, address: IpAddr) -> Option<&'static str> {
        let mut forms = embedded(address);
        forms.push(address);
        let is_in = |ranges: &[Range]| {
            forms.iter().any(|address| ranges.iter().any(|range| range.contains(*address)))
        };
        if is_in(METADATA) {
            return Some(METADATA_REASON);
        }
        let is_listed = || self.entries.iter().any(|entry| entry.matches_address(address.to_canonical()));
        // A name on the whitelist is not enough: whoever serves the name chooses the address.
        (self.refuse_private && is_in(PRIVATE) && !is_listed())
            .then_some("a private address, which SIDEHOOK_REQUEST_PRIVATE refuses")
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        if let Some(range) = Range::parse(text) {
            return Entry::Addresses(range);
        }
        let name = text.to_lowercase();
        match name.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') => Entry::Wildcard(suffix.to_owned()),
            _ => Entry::Name(name),
        }
    }

    fn matches_address(&self, address: IpAddr) -> bool {
        matches!(self, Entry::Addresses(range) if range.contains(address))
    }

    /// A wildcard stands for one label, not for none and not for two.
    fn matches_name(&self, name: &str) -> bool {
        match self {
            Entry::Addresses(_) => false,
            Entry::Name(listed) => listed == name,
            Entry::Wildcard(suffix) => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        }
    }
}

impl Range {
    /// An address, or one with the length of a prefix behind a slash.
    fn parse(text: &str) -> Option<Self> {
        let Some((address, prefix)) = text.split_once('/') else {
            let address = text.parse::<IpAddr>().ok()?.to_canonical();
            return Some(Self { address, prefix: 128 });
        };
        let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Self { address, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let is_equal = |differing: u128, bits: u8| match bits.saturating_sub(self.prefix) {
            free if free == bits => true,
            free => differing >> free == 0,
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => is_equal(u128::from(own.to_bits() ^ other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => is_equal(own.to_bits() ^ other.to_bits(), 128),
            _ => false,
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Range {
    Range { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6(groups: [u16; 8], prefix: u8) -> Range {
    let [a, b, c, d, e, f, g, h] = groups;
    Range { address: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix }
}

/// The host as JavaScript's `hostname` has it, without the brackets of IPv6.
fn host_text(host: &Host<&str>) -> String {
    host.to_string().trim_matches(['[', ']']).to_owned()
}

/// The address that a URL names itself. Parsing the URL has already turned decimal, octal and hexadecimal
/// forms into one.
fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
    }
}

/// The IPv4 addresses that an IPv6 one stands for, or can stand for: mapped, compatible, translated (RFC 2765),
/// NAT64 (RFC 6052, with the local prefixes of RFC 8215), 6to4, Teredo (RFC 4380) and ISATAP (RFC 5214).
fn embedded(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(address) = address else { return Vec::new() };
    let bits = address.to_bits();
    // The 32 bits that begin behind so many.
    let behind = |prefix: u32| (bits >> (96 - prefix)) as u32;
    // NAT64 leaves out the bits 64 to 71.
    let around = |prefix: u32| {
        let before = (bits >> 64) as u32 & (u32::MAX >> (prefix - 32));
        let after = (bits >> 24) as u32 >> (64 - prefix);
        before << (prefix - 32) | after
    };
    let found = match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![behind(96)]
        }
        // Whoever runs the translation says how long the prefix is.
        [0x64, 0xff9b, 1, ..] => vec![around(48), around(56), behind(72), behind(96)],
        [0x2002, ..] => vec![behind(16)],
        // The server, and the client with its bits inverted.
        [0x2001, 0, ..] => vec![behind(32), !behind(96)],
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => vec![behind(96)],
        _ => Vec::new(),
    };
    found.into_iter().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))).collect()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn guard(whitelist: &str, disallow_ip: bool, refuse_private: bool) -> Guard {
        Guard::new(&Policy { whitelist: whitelist.to_owned(), disallow_ip, refuse_private })
    }

    fn is_allowed(guard: &Guard, url: &str) -> bool {
        let url = Url::parse(url).expect(url);
        let host = url.host().expect("a host");
        let by_address = literal(&host).is_none_or(|address| guard.admit("x", vec![address]).is_ok());
        guard.check_host(&host).is_ok() && by_address
    }

    #[test]
    fn the_whitelist_matches_as_in_nocobase() {
        let guard =
            guard(" api.example.com, *.Trusted.com ,10.0.0.0/8,127.0.0.1,::1,bad/entry,", false, false);
        let allowed = [
            "http://api.example.com/",
            "https://API.example.com:8443/x",
            "http://a.trusted.com/",
            "http://10.1.2.3/",
            "http://[::ffff:10.1.2.3]/",
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://[::1]/",
        ];
        let blocked = [
            "http://example.com/",
            "http://api.example.com./",
            "http://trusted.com/",
            "http://a.b.trusted.com/",
            "http://atrusted.com/",
            "http://11.0.0.1/",
            "http://127.0.0.2/",
            "http://api.example.com@evil.com/",
            "http://evil.com#api.example.com/",
            "http://evil.com\\@api.example.com/",
            "http://localhost/",
        ];
        for url in allowed {
            assert!(is_allowed(&guard, url), "{url}");
        }
        for url in blocked {
            assert!(!is_allowed(&guard, url), "{url}");
        }
    }

    #[test]
    fn without_settings_only_metadata_is_refused() {
        let guard = guard("", false, false);
        for url in
            ["http://localhost/", "http://127.0.0.1/", "http://app:13000/", "http://10.0.0.1/", "http://0/"]
        {
            assert!(is_allowed(&guard, url), "{url}");
        }
        for url in ["http://[64:ff9b:1:808:8:800::]/", "http://[2001:0:808:808:8000:1:f7f7:f7f7]/"] {
            assert!(is_allowed(&guard, url), "{url}");
        }
        let metadata = [
            "http://169.254.169.254/latest/meta-data/",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "http://169.254.169.254./",
            "http://user:pass@169.254.169.254/",
            "http://example.com@169.254.169.254/",
            "http://①⑥⑨.254.169.254/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::169.254.169.254]/",
            "http://[::ffff:0:169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[2002:a9fe:a9fe::]/",
            "http://[64:ff9b:1::169.254.169.254]/",
            "http://[64:ff9b:1:a9fe:a9:fe00::]/",
            "http://[64:ff9b:1:12a9:fe:a9fe::]/",
            "http://[64:ff9b:1:1234:a9:fea9:fe00:0]/",
            "http://[2001:0:a9fe:a9fe:0:1:8.8.8.8]/",
            "http://[2001:0:808:808:8000:1:5601:5601]/",
            "http://[2001:db8::5efe:169.254.169.254]/",
            "http://[2001:db8::200:5efe:169.254.169.254]/",
            "http://169.254.170.2/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[fd20:ce::254]/",
            "http://100.100.100.200/",
            "http://168.63.129.16/",
            "http://192.0.0.192/",
        ];
        for url in metadata {
            assert!(!is_allowed(&guard, url), "{url}");
        }
    }

    #[test]
    fn no_setting_opens_metadata() {
        let guard = guard("169.254.169.254,0.0.0.0/0,metadata.google.internal", false, false);
        assert!(!is_allowed(&guard, "http://169.254.169.254/"));
        let address = "169.254.169.254".parse().expect("an address");
        assert!(guard.admit("metadata.google.internal", vec![address]).is_err());
    }

    #[test]
    fn private_addresses_are_refused_when_the_settings_say_so() {
        let guard = guard("", false, true);
        let private = [
            "http://0.0.0.0/",
            "http://0/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://10.0.0.1/",
            "http://100.64.0.1/",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://198.18.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[fc00::1]/",
            "http://[ff02::1]/",
        ];
        for url in private {
            assert!(!is_allowed(&guard, url), "{url}");
        }
        for url in
            ["http://1.1.1.1/", "http://172.32.0.1/", "http://100.128.0.1/", "http://[2606:4700::1111]/"]
        {
            assert!(is_allowed(&guard, url), "{url}");
        }
    }

    #[test]
    fn only_an_address_on_the_whitelist_opens_private_ones() {
        let guard = guard("internal,10.0.0.0/8", false, true);
        let address = |text: &str| vec![text.parse::<IpAddr>().expect("an address")];
        assert!(guard.admit("internal", address("10.1.2.3")).is_ok());
        let refusal = guard.admit("internal", address("192.168.0.1")).expect_err("refused");
        assert!(refusal.contains("SIDEHOOK_REQUEST_PRIVATE"), "{refusal}");
    }

    #[test]
    fn only_the_allowed_ones_of_several_addresses_are_left() {
        let guard = guard("", false, true);
        let addresses =
            ["10.0.0.1", "1.1.1.1", "169.254.169.254"].map(|text| text.parse().expect("an address"));
        assert_eq!(guard.admit("x", addresses.to_vec()).expect("one is left"), [addresses[1]]);
    }

    #[test]
    fn a_proxy_is_asked_for_what_passes_with_every_address() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (open, closed) = (guard("", false, false), guard("10.0.0.0/8", false, true));
        let mixed = [address("1.1.1.1"), address("169.254.169.254")];
        assert!(open.admit_unseen("x", Some(&mixed[..1])).is_ok());
        assert!(open.admit_unseen("x", Some(&mixed)).expect_err("refused").contains("metadata"));
        assert!(open.admit_unseen("x", None).is_ok());
        for name in ["metadata.google.internal", "Metadata.Google.Internal.", "metadata"] {
            assert!(
                open.admit_unseen(name, None).expect_err("refused").contains("metadata address"),
                "{name}"
            );
        }
        assert!(closed.admit_unseen("x", Some(&[address("10.1.1.1")])).is_ok());
        assert!(closed.admit_unseen("x", Some(&[address("192.168.1.1")])).is_err());
        let refusal = closed.admit_unseen("x", None).expect_err("refused");
        assert!(refusal.contains("SIDEHOOK_REQUEST_PRIVATE"), "{refusal}");
    }

    #[test]
    fn hosts_are_named_as_javascript_names_them() {
        let url = Url::parse("http://[::FFFF:127.0.0.1]/").expect("a URL");
        let refusal = guard("a.test", false, false).check_host(&url.host().expect("a host"));
        let expected = "Outbound request to \"::ffff:7f00:1\" is blocked. Add it to SERVER_REQUEST_WHITELIST to allow this request.";
        assert_eq!(refusal, Err(expected.to_owned()));
    }

    #[test]
    fn addresses_in_urls_can_be_disallowed() {
        let guard = guard("", true, false);
        assert!(is_allowed(&guard, "http://localhost/"));
        for url in ["http://1.1.1.1/", "http://1/", "http://[2606:4700::1111]/", "http://0x7f.1./"] {
            assert!(!is_allowed(&guard, url), "{url}");
        }
    }
}
