//! How many requests a webhook takes in a time: `sidehook.rateLimit`. Each instance counts for itself.

use std::time::Duration;

use super::check::{Admit, Check, Fault, Key, Parsed, Stage};
use super::members::Members;
use crate::expr::Value;
use crate::webhook::head::{Facts, Head};
use crate::webhook::quota::{Limiter, MAX_BURST, MAX_PERIOD};
use crate::webhook::refusal::Refusal;

pub(super) const CHECK: Check = Check { key: Key::Extension("rateLimit"), at: Stage::Head, parse };

#[derive(Debug)]
struct RateLimit {
    limiter: Limiter,
    by: By,
    requests: u32,
    per: Duration,
}

/// For whom requests are counted.
#[derive(Debug)]
enum By {
    /// All senders together.
    Workflow,
    Address,
    /// The value of a header, its name in lower case; all without it together.
    Header(String),
}

/// `{requests, per, burst, by: "workflow" | "address" | {header}}`: so many requests per time (a minute) on average, and
/// `burst` (as many) at once.
fn parse(config: &Value) -> Parsed {
    if config.is_nullish() {
        return Ok(None);
    }
    let members = Members::of("sidehook.rateLimit", config, &["requests", "per", "burst", "by"])?;
    let requests = members.needed("requests", members.number("requests", 1..=MAX_BURST))?;
    let per = members.duration("per")?.unwrap_or(Duration::from_secs(60));
    if per > MAX_PERIOD {
        return Err(members.fault("per", "has to be at most a day"));
    }
    let burst = members.number("burst", 1..=MAX_BURST)?.unwrap_or(requests);
    let by = by(&members)?;
    Ok(Some(Box::new(RateLimit { limiter: Limiter::new(requests, per, burst), by, requests, per })))
}

fn by(members: &Members<'_>) -> Result<By, Fault> {
    let form = "has to be \"workflow\", \"address\" or an object with a `header`";
    match members.value("by") {
        None => Ok(By::Workflow),
        Some(Value::Text(text)) if &**text == "workflow" => Ok(By::Workflow),
        Some(Value::Text(text)) if &**text == "address" => Ok(By::Address),
        Some(by) if by.as_object().is_some() => {
            let by = Members::of(members.place_of("by"), by, &["header"])?;
            Ok(By::Header(by.needed("header", by.header("header"))?))
        }
        Some(_) => Err(members.fault("by", form)),
    }
}

impl Admit for RateLimit {
    fn admit(&self, head: &Head, _: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let key = match &self.by {
            By::Workflow => self.limiter.text(""),
            By::Address => self.limiter.address(facts.peer),
            By::Header(name) => self.limiter.text(head.header(name).unwrap_or_default()),
        };
        let counted = self.limiter.count(key, facts.since_start);
        counted.map_err(|wait| Refusal::too_many_requests(wait, Some((self.requests, self.per))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn check(config: &str) -> Result<Option<Box<dyn Admit>>, String> {
        parse(&json::parse(config.as_bytes()).expect("JSON in a test")).map_err(|fault| fault.text)
    }

    fn facts(peer: &str, seconds: u64) -> Facts {
        let since_start = Duration::from_secs(seconds);
        Facts { peer: peer.parse().ok(), since_start, ..Facts::default() }
    }

    fn head(tenant: &str) -> Head {
        Head { headers: vec![("x-tenant".to_owned(), tenant.to_owned())], ..Head::default() }
    }

    /// The statuses of requests by these senders, one after the other at the same time.
    fn statuses(config: &str, requests: &[(&str, &str)]) -> Vec<u16> {
        let check = check(config).expect("a good configuration").expect("a check");
        let status = |(peer, tenant): &(&str, &str)| {
            let admitted = check.admit(&head(tenant), None, &facts(peer, 5));
            admitted.map_or_else(|refusal| refusal.status, |()| 200)
        };
        requests.iter().map(status).collect()
    }

    #[test]
    fn requests_are_counted_for_whom_it_says() {
        let requests = [("192.0.2.1", "a"), ("192.0.2.2", "a"), ("192.0.2.1", "b"), ("192.0.2.1", "a")];
        for (by, expected) in [
            ("null", [200, 429, 429, 429]),
            (r#""workflow""#, [200, 429, 429, 429]),
            (r#""address""#, [200, 200, 429, 429]),
            (r#"{"header":"X-Tenant"}"#, [200, 429, 200, 429]),
        ] {
            assert_eq!(statuses(&format!(r#"{{"requests":1,"by":{by}}}"#), &requests), expected, "{by}");
        }
        let unknown = [("", ""), ("", ""), ("192.0.2.1", "")];
        assert_eq!(statuses(r#"{"requests":1,"by":"address"}"#, &unknown), [200, 429, 200]);
    }

    #[test]
    fn the_refusal_says_when_to_try_again() {
        let check = check(r#"{"requests":2,"per":"1m","burst":1}"#).expect("good").expect("a check");
        let admit = |seconds| check.admit(&head(""), None, &facts("", seconds));
        assert_eq!(admit(0), Ok(()));
        let refusal = admit(10).expect_err("too many");
        let expected = [
            ("Retry-After", "20"),
            ("RateLimit-Policy", r#""webhook";q=2;w=60"#),
            ("RateLimit", r#""webhook";r=0;t=20"#),
        ];
        assert_eq!(refusal.status, 429);
        assert_eq!(refusal.headers, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(admit(30), Ok(()));
    }

    #[test]
    fn other_configurations_are_faults() {
        for (config, place) in [
            ("true", "sidehook.rateLimit"),
            ("{}", "sidehook.rateLimit.requests"),
            (r#"{"requests":0}"#, "sidehook.rateLimit.requests"),
            (r#"{"requests":1.5}"#, "sidehook.rateLimit.requests"),
            (r#"{"requests":1,"per":"2d"}"#, "sidehook.rateLimit.per"),
            (r#"{"requests":1,"burst":0}"#, "sidehook.rateLimit.burst"),
            (r#"{"requests":1,"by":"ip"}"#, "sidehook.rateLimit.by"),
            (r#"{"requests":1,"by":{}}"#, "sidehook.rateLimit.by.header"),
            (r#"{"requests":1,"by":{"header":"a b"}}"#, "sidehook.rateLimit.by.header"),
            (r#"{"requests":1,"by":{"header":"a","query":"b"}}"#, "sidehook.rateLimit.by.query"),
            (r#"{"requests":1,"window":5}"#, "sidehook.rateLimit.window"),
        ] {
            let fault = check(config).expect_err(config);
            assert!(fault.starts_with(&format!("`{place}` of its trigger ")), "{config}: {fault}");
        }
        assert!(check("null").is_ok_and(|check| check.is_none()));
    }
}
