//! The longest body that a webhook takes: `sidehook.bodyLimit`, within the server's own limit. The length itself is
//! looked at while a body arrives.

use super::check::{Admit, Check, Key, Parsed, Stage};
use super::members::unusable;
use crate::expr::Value;
use crate::measure;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;

pub(super) const CHECK: Check = Check { key: Key::Extension("bodyLimit"), at: Stage::Head, parse };

/// In bytes.
#[derive(Debug)]
struct BodyLimit(usize);

/// A text such as `100kb`, or a number of bytes.
fn parse(config: &Value) -> Parsed {
    let limit = match config {
        config if config.is_nullish() => return Ok(None),
        Value::Number(bytes) if bytes.fract() == 0.0 && (1.0..1e15).contains(bytes) => Some(*bytes as usize),
        config => config.as_str().and_then(measure::size).filter(|bytes| *bytes > 0),
    };
    let fault =
        || unusable("sidehook.bodyLimit", "has to be a size such as 100kb or 1mb, or a number of bytes");
    Ok(Some(Box::new(BodyLimit(limit.ok_or_else(fault)?))))
}

impl Admit for BodyLimit {
    fn admit(&self, _: &Head, _: Option<&[u8]>, _: &Facts) -> Result<(), Refusal> {
        Ok(())
    }

    fn body_limit(&self) -> Option<usize> {
        Some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn limit(config: &str) -> Result<Option<usize>, String> {
        let check =
            parse(&json::parse(config.as_bytes()).expect("JSON in a test")).map_err(|fault| fault.text)?;
        Ok(check.and_then(|check| check.body_limit()))
    }

    #[test]
    fn a_limit_is_a_size_or_a_number_of_bytes() {
        let cases =
            [("null", None), ("5", Some(5)), (r#""100kb""#, Some(102_400)), (r#""1 mb""#, Some(1 << 20))];
        for (config, expected) in cases {
            assert_eq!(limit(config), Ok(expected), "{config}");
        }
        for config in ["0", "-1", "1.5", "\"0\"", "\"x\"", "\"\"", "true", "false", "{}", "[1]", "1e300"] {
            assert!(limit(config).is_err_and(|text| text.contains("`sidehook.bodyLimit`")), "{config}");
        }
    }
}
