//! Values as Node.js shows them in messages (`util.inspect`), on one line.

use super::name::is_identifier;
use crate::expr::convert::to_text;
use crate::expr::{Date, Value};

/// How deep objects are shown.
const DEPTH: usize = 2;

pub(super) fn inspect(value: &Value) -> String {
    at_depth(value, 0)
}

fn at_depth(value: &Value, depth: usize) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Date(date) => date_text(*date),
        Value::Array(_, _) if depth > DEPTH => "[Array]".to_owned(),
        Value::Array(array, _) => {
            let items: Vec<String> = array.items().iter().map(|item| at_depth(item, depth + 1)).collect();
            if items.is_empty() { "[]".to_owned() } else { format!("[ {} ]", items.join(", ")) }
        }
        Value::Object(_, _) if depth > DEPTH => "[Object]".to_owned(),
        Value::Object(object, _) => {
            let members = object.iter().map(|(name, value)| member(name, &at_depth(value, depth + 1)));
            braced(&members.collect::<Vec<_>>())
        }
        other => to_text(other).unwrap_or_default(),
    }
}

/// `name: value`, the name quoted where it needs to be.
pub(super) fn member(name: &str, value: &str) -> String {
    if is_identifier(name) { format!("{name}: {value}") } else { format!("{}: {value}", quoted(name)) }
}

pub(super) fn braced(members: &[String]) -> String {
    if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
}

fn date_text(date: Date) -> String {
    date.to_iso().unwrap_or_else(|| "Invalid Date".to_owned())
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
    if !text.contains('\'') {
        return format!("'{escaped}'");
    }
    if !text.contains('"') {
        return format!("\"{escaped}\"");
    }
    format!("'{}'", escaped.replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    #[test]
    fn values_look_as_in_node() {
        let cases = [
            (r#"{"k":1}"#, "{ k: 1 }"),
            (r#"{"a-b":"x","c":[1,"it's"]}"#, r#"{ 'a-b': 'x', c: [ 1, "it's" ] }"#),
            ("{}", "{}"),
            ("[]", "[]"),
            (r#"{"a":{"b":{"c":{}}}}"#, "{ a: { b: { c: [Object] } } }"),
            ("null", "null"),
        ];
        for (text, expected) in cases {
            assert_eq!(inspect(&json::parse(text.as_bytes()).expect("JSON")), expected);
        }
    }
}
