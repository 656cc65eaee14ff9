//! Secrets of a trigger's configuration: texts, or the names of environment variables that hold them. What compares
//! them or computes with them is the business of checks.

use std::fmt;
use std::sync::Arc;

use super::refusal::Refusal;
use crate::expr::{Object, Template, Value};

/// The form of a secret, for those who have to mend a configuration.
pub const FORM: &str = "has to be a text that is not empty, or {{$env.NAME}} and nothing else";

/// A text that must not be printed.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Text(Arc<str>),
    /// The name of an environment variable of NocoBase, as in `{{$env.NAME}}`.
    Variable(Arc<str>),
}

impl Secret {
    /// Reads a text of a configuration; none where it is not of the [`FORM`]. A placeholder beside other text is no
    /// secret: where its variable is missing, the rest would count as one.
    pub fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str().filter(|text| !text.is_empty())?;
        if !Template::parse(value).has_placeholders() {
            return Some(Self(Source::Text(text.into())));
        }
        let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
        let name = inner.strip_prefix("$env.")?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| Self(Source::Variable(name.into())))
    }

    /// Reads one text or a list of them, at least one: all of them count while a secret is replaced.
    pub fn parse_many(value: &Value) -> Option<Vec<Self>> {
        match value.as_array() {
            Some(list) if !list.items().is_empty() => list.items().iter().map(Self::parse).collect(),
            Some(_) => None,
            None => Self::parse(value).map(|secret| vec![secret]),
        }
    }

    /// The secret itself; none where its variable is missing or empty. That must not let anybody in: see
    /// [`Secret::missing`].
    pub fn bytes<'a>(&'a self, env: &'a Object) -> Option<&'a [u8]> {
        let text = match &self.0 {
            Source::Text(text) => Some(&**text),
            Source::Variable(name) => env.get(name).and_then(Value::as_str),
        };
        text.filter(|text| !text.is_empty()).map(str::as_bytes)
    }

    /// The secret itself, or what everybody is told where there is none.
    pub fn known<'a>(&'a self, env: &'a Object) -> Result<&'a [u8], Refusal> {
        self.bytes(env).ok_or_else(|| self.missing())
    }

    /// What everybody is told where the variable is missing or empty.
    fn missing(&self) -> Refusal {
        let name = self.variable().unwrap_or_default();
        Refusal::misconfigured()
            .because(format!("the environment variable {name}, which holds a secret, is missing or empty"))
    }

    /// The name of the environment variable that holds it, where one does.
    pub fn variable(&self) -> Option<&str> {
        match &self.0 {
            Source::Text(_) => None,
            Source::Variable(name) => Some(name),
        }
    }
}

/// All secrets of a list, or what everybody is told where one is missing.
pub fn all<'a>(secrets: &'a [Secret], env: &'a Object) -> Result<Vec<&'a [u8]>, Refusal> {
    secrets.iter().map(|secret| secret.known(env)).collect()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    fn env() -> Object {
        value(r#"{"KEY":"from the environment","EMPTY":"","NUMBER":5}"#)
            .as_object()
            .cloned()
            .expect("an object")
    }

    fn read(text: &str) -> Option<Result<Vec<u8>, u16>> {
        let env = env();
        let secret = Secret::parse(&value(text))?;
        Some(secret.known(&env).map(<[u8]>::to_vec).map_err(|refusal| refusal.status))
    }

    #[test]
    fn a_secret_is_a_text_or_an_environment_variable() {
        let cases = [
            (r#""plain""#, "plain"),
            (r#"" a { { b ""#, " a { { b "),
            (r#""ä✓""#, "ä✓"),
            (r#""{{$env.KEY}}""#, "from the environment"),
            (r#"" {{ $env.KEY }} ""#, "from the environment"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Some(Ok(expected.as_bytes().to_vec())), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_missing_or_empty_lets_nobody_in() {
        for text in [r#""{{$env.NONE}}""#, r#""{{$env.EMPTY}}""#, r#""{{$env.NUMBER}}""#] {
            assert_eq!(read(text), Some(Err(503)), "{text}");
        }
        let secret = Secret::parse(&value(r#""{{$env.NONE}}""#)).expect("a secret");
        assert_eq!((secret.bytes(&env()), secret.variable()), (None, Some("NONE")));
        let refusal = secret.known(&env()).expect_err("it is missing");
        assert!(refusal.reason.as_deref().is_some_and(|reason| reason.contains("NONE")), "{refusal:?}");
        assert!(!refusal.body().contains("NONE"));
    }

    #[test]
    fn other_forms_are_no_secrets() {
        for text in [
            "null",
            "5",
            "{}",
            r#""""#,
            r#""a{{$env.KEY}}""#,
            r#""{{$env.KEY}}{{$env.KEY}}""#,
            r#""{{$env.KEY:default}}""#,
            r#""{{$context.body.key}}""#,
            r#""{{$env.}}""#,
            r#""{{$env.a.b}}""#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn several_secrets_are_a_list_of_at_least_one() {
        let count = |text| Secret::parse_many(&value(text)).map(|secrets| secrets.len());
        assert_eq!(count(r#""a""#), Some(1));
        assert_eq!(count(r#"["a","{{$env.KEY}}"]"#), Some(2));
        for text in ["[]", r#"["a",""]"#, r#"["a",["b"]]"#, r#"["a",null]"#, "null", "{}"] {
            assert_eq!(count(text), None, "{text}");
        }
        let secrets = Secret::parse_many(&value(r#"["a","{{$env.NONE}}"]"#)).expect("secrets");
        assert_eq!(all(&secrets, &env()).map_err(|refusal| refusal.status), Err(503));
        assert_eq!(all(&secrets[..1], &env()), Ok(vec![b"a".as_slice()]));
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        for text in [r#""hunter2""#, r#""{{$env.hunter2}}""#] {
            let secret = Secret::parse(&value(text)).expect("a secret");
            assert_eq!(format!("{secret:?} {:?}", vec![&secret]), "Secret(..) [Secret(..)]");
        }
    }
}
