//! Reads the objects of `config.sidehook` member by member. What it cannot use is a fault in words by which the
//! configuration can be mended, and which never repeat a value.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::check::Fault;
use crate::expr::{Object, Value};
use crate::measure;
use crate::webhook::secret::{self, Secret};

/// An object of the configuration whose members are all known. Null is as good as no member.
#[derive(Debug)]
pub struct Members<'a> {
    /// Where it stands, such as `sidehook.auth`.
    place: String,
    object: &'a Object,
}

impl<'a> Members<'a> {
    /// `place` is where the value stands, such as `sidehook.auth`. A fault where it is no object, or has a member
    /// that is not among the `known` ones.
    pub fn of(place: impl Into<String>, value: &'a Value, known: &[&str]) -> Result<Self, Fault> {
        let place = place.into();
        let Some(object) = value.as_object() else {
            return Err(unusable(&place, &format!("has to be an object with {}", listed(known, "and"))));
        };
        match object.iter().find(|(name, _)| !known.contains(&&***name)) {
            // A name can be anything, a secret that was put in the wrong place included.
            Some((name, _)) if name.len() > 40 || name.chars().any(|c| !c.is_ascii_alphanumeric()) => {
                Err(unusable(&place, &format!("has an unknown member; it may have {}", listed(known, "and"))))
            }
            Some((name, _)) => {
                let what = format!("is not known to this version, which knows {}", listed(known, "and"));
                Err(unusable(&format!("{place}.{name}"), &what))
            }
            None => Ok(Self { place, object }),
        }
    }

    /// A member, whatever it is; none for null.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_nullish())
    }

    /// Whether there is such a member.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A member in a form of one's own; `form` completes "`sidehook.auth.header` of its trigger …".
    pub fn read<T>(
        &self,
        name: &str,
        form: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.value(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.fault(name, form))
    }

    /// The same for a member that has to be there.
    pub fn needed<T>(&self, name: &str, read: Result<Option<T>, Fault>) -> Result<T, Fault> {
        read?.ok_or_else(|| self.fault(name, "is missing"))
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        let text = |value: &'a Value| value.as_str().filter(|text| !text.trim().is_empty());
        self.read(name, "has to be a text that is not empty", text)
    }

    /// One of some texts.
    pub fn choice(&self, name: &str, choices: &[&'static str]) -> Result<Option<&'static str>, Fault> {
        let form = format!("has to be {}", listed(choices, "or"));
        let choice = |value: &Value| choices.iter().copied().find(|choice| value.as_str() == Some(*choice));
        self.read(name, &form, choice)
    }

    /// A text or a list of at least one, all of them not empty.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Fault> {
        let text = |value: &'a Value| value.as_str().filter(|text| !text.trim().is_empty());
        let texts = |value: &'a Value| match value.as_array() {
            Some(list) if !list.items().is_empty() => list.items().iter().map(text).collect(),
            Some(_) => None,
            None => text(value).map(|text| vec![text]),
        };
        self.read(name, "has to be a text or a list of texts, none of them empty", texts)
    }

    /// A whole number within bounds.
    pub fn number(&self, name: &str, bounds: RangeInclusive<u32>) -> Result<Option<u32>, Fault> {
        let form = format!("has to be a whole number from {} to {}", bounds.start(), bounds.end());
        let number = |value: &Value| {
            let number = value.as_number().filter(|number| number.fract() == 0.0)?;
            let is_within = (f64::from(*bounds.start())..=f64::from(*bounds.end())).contains(&number);
            is_within.then_some(number as u32)
        };
        self.read(name, &form, number)
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let flag = |value: &Value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        };
        self.read(name, "has to be true or false", flag)
    }

    /// A time above 0: a text such as `5m`, or a number of seconds.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let duration = |value: &Value| {
            let duration = match value {
                Value::Number(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
                value => measure::duration(value.as_str()?),
            };
            duration.filter(|time| !time.is_zero())
        };
        self.read(name, "has to be a time such as 30s, 5m or 1h, and not 0", duration)
    }

    /// A secret, see [`Secret`].
    pub fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        self.read(name, secret::FORM, Secret::parse)
    }

    /// A secret or a list of at least one.
    pub fn secrets(&self, name: &str) -> Result<Option<Vec<Secret>>, Fault> {
        self.read(name, &format!("{}, or a list of such texts", secret::FORM), Secret::parse_many)
    }

    /// The name of a header, in lower case.
    pub fn header(&self, name: &str) -> Result<Option<String>, Fault> {
        let header = |value: &Value| {
            value.as_str().filter(|text| crate::field::is_token(text)).map(str::to_ascii_lowercase)
        };
        self.read(name, "has to be the name of a header", header)
    }

    /// What is wrong with a member; `what` completes "`sidehook.auth.header` of its trigger …".
    pub fn fault(&self, name: &str, what: &str) -> Fault {
        unusable(&format!("{}.{name}", self.place), what)
    }

    /// What is wrong with the object as a whole.
    pub fn fault_of_all(&self, what: &str) -> Fault {
        unusable(&self.place, what)
    }

    /// The place of a member, for reading an object in it.
    pub fn place_of(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }
}

/// What is wrong with the value at a place such as `sidehook.bodyLimit`.
pub fn unusable(place: &str, what: &str) -> Fault {
    Fault::unusable(format!("`{place}` of its trigger {what}: nobody is let in"))
}

/// `a, b and c`
fn listed(names: &[&str], word: &str) -> String {
    match names {
        [] => "no members".to_owned(),
        [one] => format!("`{one}`"),
        [others @ .., last] => {
            let others: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
            format!("{} {word} `{last}`", others.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;
    use crate::expr::json;

    const KNOWN: [&str; 3] = ["a", "b", "c"];

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    /// What reading `a` gives, or what is said of it behind its place.
    fn read<T: Debug>(
        text: &str,
        read: impl Fn(&Members<'_>) -> Result<Option<T>, Fault>,
    ) -> Result<Option<T>, String> {
        let value = value(&format!(r#"{{"a":{text}}}"#));
        let members = Members::of("sidehook.x", &value, &KNOWN).expect("known members");
        read(&members).map_err(|fault| {
            let said = fault.text.strip_prefix("`sidehook.x.a` of its trigger ");
            said.and_then(|said| said.strip_suffix(": nobody is let in"))
                .expect("the form of faults")
                .to_owned()
        })
    }

    #[test]
    fn what_is_no_object_of_known_members_is_a_fault() {
        let fault =
            |text: &str| Members::of("sidehook.x", &value(text), &KNOWN).err().map(|fault| fault.text);
        assert_eq!(fault("{}"), None);
        assert_eq!(fault(r#"{"a":1,"c":null}"#), None);
        let no_object =
            "`sidehook.x` of its trigger has to be an object with `a`, `b` and `c`: nobody is let in";
        for text in ["[]", "true", "\"a\"", "5"] {
            assert_eq!(fault(text).as_deref(), Some(no_object), "{text}");
        }
        let unknown = "`sidehook.x.d` of its trigger is not known to this version, which knows `a`, `b` and `c`: nobody is let in";
        assert_eq!(fault(r#"{"a":1,"d":null}"#).as_deref(), Some(unknown));
        let secret = fault(r#"{"p@ss word":1}"#).expect("a fault");
        assert!(secret.starts_with("`sidehook.x` of its trigger has an unknown member;"), "{secret}");
    }

    #[test]
    fn members_are_read_in_their_forms() {
        assert_eq!(
            read("\"t\"", |members| members.text("a").map(|text| text.map(str::to_owned))),
            Ok(Some("t".into()))
        );
        assert_eq!(read("7", |members| members.number("a", 1..=7)), Ok(Some(7)));
        assert_eq!(read("false", |members| members.flag("a")), Ok(Some(false)));
        assert_eq!(read("\"h\"", |members| members.choice("a", &["g", "h"])), Ok(Some("h")));
        assert_eq!(read("\"X-Key\"", |members| members.header("a")), Ok(Some("x-key".into())));
        let minute = Duration::from_secs(60);
        for text in ["60", "\"1m\"", "\"60\""] {
            assert_eq!(read(text, |members| members.duration("a")), Ok(Some(minute)), "{text}");
        }
        let count =
            |text| read(text, |members| members.texts("a").map(|texts| texts.map(|texts| texts.len())));
        assert_eq!((count("\"t\""), count(r#"["t","u"]"#)), (Ok(Some(1)), Ok(Some(2))));
        assert_eq!(read("null", |members| members.number("a", 1..=7)), Ok(None));
        let missing = read("null", |members| members.needed("a", members.number("a", 1..=7)).map(Some));
        assert_eq!(missing, Err("is missing".into()));
    }

    #[test]
    fn other_forms_are_faults_that_say_what_is_expected() {
        for text in ["5", "\"\"", "\" \"", "[]", "{}"] {
            assert!(read(text, |members| members.text("a").map(drop).map(Some)).is_err(), "{text}");
        }
        for text in ["0", "8", "1.5", "\"3\"", "-1", "1e300"] {
            let said = read(text, |members| members.number("a", 1..=7));
            assert_eq!(said, Err("has to be a whole number from 1 to 7".into()), "{text}");
        }
        for text in ["0", "-5", "\"0s\"", "\"x\"", "true", "1e300"] {
            assert!(read(text, |members| members.duration("a")).is_err(), "{text}");
        }
        for text in ["[]", r#"["a",1]"#, r#"["a",""]"#, "1"] {
            assert!(read(text, |members| members.texts("a").map(drop).map(Some)).is_err(), "{text}");
        }
        assert!(read("1", |members| members.flag("a")).is_err());
        assert!(read("\"a b\"", |members| members.header("a")).is_err());
        assert_eq!(
            read("\"i\"", |members| members.choice("a", &["g", "h"])),
            Err("has to be `g` or `h`".into())
        );
        assert!(read("\"\"", |members| members.secret("a").map(drop).map(Some)).is_err());
        assert!(read("[]", |members| members.secrets("a").map(drop).map(Some)).is_err());
    }
}
