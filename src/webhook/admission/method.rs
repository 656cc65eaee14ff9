//! The methods that a webhook answers: `sidehook.methods`.

use super::check::{Admit, Check, Fault, Key, Parsed, Stage};
use super::members::unusable;
use crate::expr::Value;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;

pub(super) const CHECK: Check = Check { key: Key::Extension("methods"), at: Stage::Head, parse };

/// What can be chosen.
const KNOWN: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// `workflow/triggers/webhook.md` of NocoBase's documentation.
const DEFAULT: [&str; 1] = ["POST"];

#[derive(Debug)]
struct Methods(Vec<&'static str>);

/// A list of at least one; POST alone where there is none. Who may GET may ask for the HEAD, too (RFC 9110, section
/// 9.3.2).
fn parse(config: &Value) -> Parsed {
    if config.is_nullish() {
        return Ok(Some(Box::new(Methods(DEFAULT.to_vec()))));
    }
    let known =
        |value: &Value| KNOWN.into_iter().find(|method| value.as_str() == Some(*method)).ok_or_else(fault);
    let items = config.as_array().map(|list| list.items()).filter(|items| !items.is_empty());
    let mut methods = items.ok_or_else(fault)?.iter().map(known).collect::<Result<Vec<_>, Fault>>()?;
    if let Some(get) = methods.iter().position(|method| *method == "GET") {
        methods.insert(get + 1, "HEAD");
    }
    Ok(Some(Box::new(Methods(methods))))
}

fn fault() -> Fault {
    unusable("sidehook.methods", &format!("has to be a list of some of {}", KNOWN.join(", ")))
}

impl Admit for Methods {
    fn admit(&self, head: &Head, _: Option<&[u8]>, _: &Facts) -> Result<(), Refusal> {
        if self.0.contains(&&*head.method) { Ok(()) } else { Err(Refusal::method_not_allowed(&self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    /// 200, or the `Allow` that a method gets; the fault where there is one.
    fn allow(config: &str, method: &str) -> String {
        let check = match parse(&json::parse(config.as_bytes()).expect("JSON in a test")) {
            Ok(check) => check.expect("methods are always checked"),
            Err(fault) => return fault.text,
        };
        let head = Head { method: method.to_owned(), ..Head::default() };
        match check.admit(&head, None, &Facts::default()) {
            Ok(()) => "200".to_owned(),
            Err(refusal) => format!("{} {}", refusal.status, refusal.headers[0].1),
        }
    }

    #[test]
    fn only_configured_methods_are_let_in() {
        assert_eq!(allow("null", "POST"), "200");
        assert_eq!(allow("null", "GET"), "405 POST");
        let some = r#"["GET","PUT"]"#;
        for method in ["GET", "HEAD", "PUT"] {
            assert_eq!(allow(some, method), "200", "{method}");
        }
        for method in ["POST", "get", "OPTIONS", "TRACE", ""] {
            assert_eq!(allow(some, method), "405 GET, HEAD, PUT", "{method}");
        }
        assert_eq!(allow(r#"["DELETE","PATCH"]"#, "HEAD"), "405 DELETE, PATCH");
    }

    #[test]
    fn other_configurations_are_faults() {
        for config in [
            "[]",
            "\"POST\"",
            "{}",
            "true",
            "false",
            r#"["POST",1]"#,
            r#"["post"]"#,
            r#"["HEAD"]"#,
            r#"["*"]"#,
        ] {
            let fault = allow(config, "POST");
            assert!(
                fault.starts_with("`sidehook.methods` of its trigger has to be a list"),
                "{config}: {fault}"
            );
        }
    }
}
