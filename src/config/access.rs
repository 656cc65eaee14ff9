//! Who may call, as far as the server decides it for all webhooks: which proxies are believed, how many failures and
//! connections an address may have, whose pages may read answers.

use std::num::NonZeroU32;

use super::reader::Reader;
use crate::address::Ranges;

/// Far more than a sender that has been set up wrongly makes, and far too few to guess a password.
const DEFAULT_FAILURES: u32 = 600;

#[derive(Clone, Debug)]
pub struct Access {
    /// `SIDEHOOK_TRUSTED_PROXIES`: addresses and ranges, between commas, of the proxies that say who has called.
    pub trusted_proxies: Ranges,
    /// `SIDEHOOK_PROXY_HEADER`: the header in which they say it.
    pub proxy_header: ProxyHeader,
    /// `SIDEHOOK_FAILURE_LIMIT`: so many requests a minute for unknown webhooks, or with wrong credentials, an address
    /// may make; none for no limit.
    pub failure_limit: Option<NonZeroU32>,
    /// `SIDEHOOK_MAX_CONNECTIONS_PER_ADDRESS`: so many connections an address may have at a time. Unless set, a quarter
    /// of all for public addresses; private ones, which may be proxies, are not counted.
    pub max_connections_per_address: Option<usize>,
    /// `CORS_ORIGIN_WHITELIST`: NocoBase's list of origins whose pages may call, between commas.
    pub cors_whitelist: Option<String>,
}

/// How proxies say who has called. Only one of the two is read: what the proxy does not write itself, it passes on from
/// whoever has called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl Access {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let ranges = |text: &str| Ranges::parse(text.split(',').filter(|part| !part.trim().is_empty())).ok();
        let form = "a list of addresses and ranges such as 10.0.0.5, 172.16.0.0/12";
        let limit = reader.number("SIDEHOOK_FAILURE_LIMIT", 0..=1_000_000).unwrap_or(DEFAULT_FAILURES);
        Self {
            trusted_proxies: reader.with("SIDEHOOK_TRUSTED_PROXIES", form, ranges).unwrap_or_default(),
            proxy_header: reader
                .with("SIDEHOOK_PROXY_HEADER", "x-forwarded-for or forwarded", |text| {
                    match text.to_ascii_lowercase().as_str() {
                        "x-forwarded-for" => Some(ProxyHeader::XForwardedFor),
                        "forwarded" => Some(ProxyHeader::Forwarded),
                        _ => None,
                    }
                })
                .unwrap_or(ProxyHeader::XForwardedFor),
            failure_limit: NonZeroU32::new(limit),
            max_connections_per_address: reader.number("SIDEHOOK_MAX_CONNECTIONS_PER_ADDRESS", 1..=1_000_000),
            cors_whitelist: reader.text("CORS_ORIGIN_WHITELIST"),
        }
    }
}
