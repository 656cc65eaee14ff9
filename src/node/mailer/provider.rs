//! The configured provider, as nodemailer reads it.

use crate::expr::convert::to_number;
use crate::expr::{Thrown, Value};
use crate::outbound::mail::{Login, Provider, Undelivered};

/// Throws where NocoBase throws. A port that is none is a failure of the mail.
pub(in crate::node) fn of(configured: &Value) -> Result<Result<Provider, Undelivered>, Thrown> {
    if configured.is_nullish() {
        let is = if configured.is_undefined() { "undefined" } else { "null" };
        let message = format!("Cannot destructure property 'host' of 'provider' as it is {is}.");
        return Err(Thrown::type_error(message));
    }
    let host = match text(&configured.member("host"))? {
        host if host.is_empty() => "localhost".to_owned(),
        host => host,
    };
    let secure = configured.member("secure");
    let port = to_number(&configured.member("port")).ok().filter(|port| *port != 0.0 && !port.is_nan());
    let is_secure = secure.is_truthy() || secure.is_undefined() && port == Some(465.0);
    let port = port.unwrap_or(if is_secure { 465.0 } else { 587.0 });
    if port.fract() != 0.0 || !(1.0..=65535.0).contains(&port) {
        return Ok(Err(Undelivered::refused(format!(
            "The port of the provider has to be from 1 to 65535, not {port}"
        ))));
    }
    let login = login(&configured.member("auth"))?;
    Ok(Ok(Provider { host, port: port as u16, is_secure, login }))
}

/// Who signs in: nobody, where `auth` is no object or an empty one.
fn login(auth: &Value) -> Result<Option<Login>, Thrown> {
    if auth.as_object().is_none_or(|members| members.iter().next().is_none()) {
        return Ok(None);
    }
    Ok(Some(Login { user: text(&auth.member("user"))?, password: text(&auth.member("pass"))? }))
}

fn text(value: &Value) -> Result<String, Thrown> {
    if value.is_truthy() { crate::expr::convert::to_text(value) } else { Ok(String::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn read(text: &str) -> Result<Provider, Undelivered> {
        of(&json::parse(text.as_bytes()).expect(text)).expect("nothing is thrown")
    }

    #[test]
    fn what_is_left_out_is_as_in_nodemailer() {
        let cases = [
            ("{}", ("localhost", 587, false, false)),
            (r#"{"host":"a","port":465}"#, ("a", 465, true, false)),
            (r#"{"host":"a","port":465,"secure":false}"#, ("a", 465, false, false)),
            (r#"{"host":"a","secure":true,"auth":{}}"#, ("a", 465, true, false)),
            (r#"{"host":"a","port":"25","secure":"","auth":{"user":"u"}}"#, ("a", 25, false, true)),
            (r#"{"host":"a","port":"x","secure":"false","auth":5}"#, ("a", 465, true, false)),
        ];
        for (text, expected) in cases {
            let provider = read(text).expect(text);
            let got = (provider.host.as_str(), provider.port, provider.is_secure, provider.login.is_some());
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn ports_are_ports() {
        for port in ["65536", "-1", "2.5", "1e99"] {
            let failure = read(&format!(r#"{{"port":{port}}}"#)).err().expect(port);
            assert_eq!(failure.code, Some("ECONNECTION"), "{port}");
        }
    }

    #[test]
    fn nothing_is_no_provider() {
        let thrown = of(&Value::Null).err().expect("it throws");
        assert_eq!(thrown.message, "Cannot destructure property 'host' of 'provider' as it is null.");
    }
}
