//! What a trigger wishes of bodies: `sidehook.parse`, `sidehook.rawBody`, and whether parts of them are picked.

use crate::expr::path::Path;
use crate::expr::{Array, Object, Str, Value};
use crate::webhook::admission::Fault;

/// At most so many fields are parsed: each is looked for in every body.
const MAX_FIELDS: usize = 20;

/// How bodies are read, beside what their content type says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Parts are picked, so that a text or a form which is JSON means that.
    pub is_picked_from: bool,
    /// The fields whose texts are JSON.
    parsed: Vec<Path>,
    /// Whether the body as it was sent is part of the context.
    pub is_kept_raw: bool,
}

impl Options {
    /// Reads `sidehook.parse`, a list of lodash paths, and `sidehook.rawBody`, a boolean; both are off where they are
    /// absent or null.
    pub fn parse(sidehook: &Value, is_picked_from: bool) -> Result<Self, Fault> {
        let parsed = match sidehook.member("parse") {
            Value::Undefined | Value::Null => Vec::new(),
            Value::Array(fields, _) => paths(&fields).ok_or_else(unusable_parse)?,
            _ => return Err(unusable_parse()),
        };
        let is_kept_raw = match sidehook.member("rawBody") {
            Value::Undefined | Value::Null => false,
            Value::Bool(is_kept) => is_kept,
            _ => return Err(fault("`sidehook.rawBody` of its trigger is neither true nor false")),
        };
        Ok(Self { is_picked_from, parsed, is_kept_raw })
    }

    /// The body with its configured fields parsed. `read` makes a value of a text, or nothing where it is no JSON: such
    /// a text stays.
    pub fn with_parsed_fields<E>(
        &self,
        body: Value,
        read: &dyn Fn(&str) -> Result<Option<Value>, E>,
    ) -> Result<Value, E> {
        self.parsed.iter().try_fold(body, |body, path| {
            let whole = [path.text().into()];
            let is_one_member = body.as_object().is_some_and(|body| body.get(path.text()).is_some());
            replaced(body, if is_one_member { &whole } else { path.segments() }, read)
        })
    }
}

fn paths(fields: &Array) -> Option<Vec<Path>> {
    let path = |field: &Value| field.as_str().filter(|text| !text.is_empty()).map(Path::parse);
    if fields.items().len() > MAX_FIELDS { None } else { fields.items().iter().map(path).collect() }
}

fn unusable_parse() -> Fault {
    fault(&format!("`sidehook.parse` of its trigger is not a list of at most {MAX_FIELDS} names of fields"))
}

fn fault(text: &str) -> Fault {
    Fault::unusable(format!("{text}: nobody is let in"))
}

/// A value with the text at a place in it replaced.
fn replaced<E>(
    value: Value,
    segments: &[Str],
    read: &dyn Fn(&str) -> Result<Option<Value>, E>,
) -> Result<Value, E> {
    match (value, segments.split_first()) {
        (Value::Text(text), None) => Ok(read(&text)?.unwrap_or(Value::Text(text))),
        (Value::Object(object, twin), Some((name, rest))) => {
            let Some(member) = object.get(name).cloned() else { return Ok(Value::Object(object, twin)) };
            let mut object: Object = (*object).clone();
            object.insert(name.clone(), replaced(member, rest, read)?);
            Ok(Value::from(object))
        }
        (Value::Array(array, twin), Some((index, rest))) => {
            let mut items = array.items().to_vec();
            let item = index.parse().ok().and_then(|index: usize| items.get_mut(index));
            let Some(item) = item else { return Ok(Value::Array(array, twin)) };
            *item = replaced(std::mem::take(item), rest, read)?;
            Ok(Value::array(items))
        }
        (value, _) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::expr::json;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    fn parsed(fields: &str, body: &str) -> String {
        let options = Options::parse(&value(&format!(r#"{{"parse":{fields}}}"#)), false).expect("usable");
        let read = |text: &str| Ok::<_, Infallible>(json::parse(text.as_bytes()).ok());
        let body = options.with_parsed_fields(value(body), &read).unwrap_or_else(|never| match never {});
        json::stringify_or_null(&body)
    }

    #[test]
    fn texts_at_configured_places_are_parsed() {
        assert_eq!(
            parsed(r#"["payload"]"#, r#"{"a":"1","payload":"{\"b\":1}"}"#),
            r#"{"a":"1","payload":{"b":1}}"#
        );
        assert_eq!(
            parsed(r#"["a.b[1].c"]"#, r#"{"a":{"b":["x",{"c":"[2]"}]}}"#),
            r#"{"a":{"b":["x",{"c":[2]}]}}"#
        );
        assert_eq!(parsed(r#"["a.b"]"#, r#"{"a.b":"1","a":{"b":"2"}}"#), r#"{"a.b":1,"a":{"b":"2"}}"#);
        // What is parsed first may hold what comes next.
        assert_eq!(parsed(r#"["a","a.b"]"#, r#"{"a":"{\"b\":\"[]\"}"}"#), r#"{"a":{"b":[]}}"#);
    }

    #[test]
    fn what_is_no_json_or_not_there_stays() {
        let body = r#"{"a":"x","b":5,"c":["{}"],"d":null}"#;
        assert_eq!(parsed(r#"["a","b","c","c.1","c.x","d.e","f","length"]"#, body), body);
        assert_eq!(parsed(r#"["a"]"#, "null"), "null");
    }

    #[test]
    fn other_shapes_are_faults() {
        for usable in ["{}", r#"{"parse":null,"rawBody":null}"#, r#"{"parse":[],"rawBody":false}"#] {
            assert!(Options::parse(&value(usable), false).is_ok(), "{usable}");
        }
        let many = format!(r#"{{"parse":[{}"a"]}}"#, r#""a","#.repeat(20));
        for unusable in
            [r#"{"parse":"a"}"#, r#"{"parse":true}"#, r#"{"parse":[""]}"#, r#"{"parse":[1]}"#, &many]
        {
            let fault = Options::parse(&value(unusable), false).expect_err(unusable);
            assert!(fault.text.contains("`sidehook.parse`"), "{}", fault.text);
        }
        for unusable in [r#"{"rawBody":"yes"}"#, r#"{"rawBody":1}"#, r#"{"rawBody":{}}"#] {
            let fault = Options::parse(&value(unusable), false).expect_err(unusable);
            assert!(fault.text.contains("`sidehook.rawBody`"), "{}", fault.text);
        }
    }
}
