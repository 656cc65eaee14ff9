//! The option `validation` of fields: NocoBase hands it to Joi, whose errors a job then records
//! (`packages/core/database/src/utils/field-validation.ts`, `joi/lib/types`).

use super::super::field::Field;
use super::super::shape::Collection;
use super::pattern;
use crate::expr::convert::{text_to_number, to_text, trim};
use crate::expr::{Date, Object, Thrown, Value};

/// 2^53 - 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Checks the values of a new record: all fields, also those that are not given.
pub(super) fn check_all(collection: &Collection, values: &Object) -> Result<(), Thrown> {
    for field in collection.fields().filter(|field| field.is_declared) {
        check(collection, &field.name, &field.option("validation"), values)?;
    }
    for association in collection.associations() {
        let validation = association.option("validation");
        let is_required =
            rules(&validation).iter().any(|rule| rule.member("name").as_str() == Some("required"));
        let is_missing = values.get(&association.name).is_none_or(Value::is_nullish);
        if is_required && is_missing {
            let value = values.get(&association.name).cloned().unwrap_or_default();
            return Err(Failure::required().thrown(&label(collection, &association.name), &value));
        }
    }
    Ok(())
}

/// Checks the values that are given for a record that exists.
pub(super) fn check_given(collection: &Collection, values: &Object) -> Result<(), Thrown> {
    for field in
        values.iter().filter_map(|(name, _)| collection.field(name)).filter(|field| field.is_declared)
    {
        check_field(collection, field, values)?;
    }
    Ok(())
}

fn check_field(collection: &Collection, field: &Field, values: &Object) -> Result<(), Thrown> {
    check(collection, &field.name, &field.option("validation"), values)
}

fn check(collection: &Collection, name: &str, validation: &Value, values: &Object) -> Result<(), Thrown> {
    if !validation.is_truthy() {
        return Ok(());
    }
    let value = values.get(name).cloned().unwrap_or_default();
    let label = label(collection, name);
    match failure(validation, &value, &label)? {
        Some(failure) => Err(failure.thrown(&label, &value)),
        None => Ok(()),
    }
}

fn label(collection: &Collection, name: &str) -> String {
    format!("{}.{name}", collection.name)
}

fn rules(validation: &Value) -> Vec<Value> {
    validation.member("rules").as_array().map(|rules| rules.items().to_vec()).unwrap_or_default()
}

/// A rule that a value does not follow.
struct Failure {
    /// Such as `string.max`.
    kind: String,
    /// The message after the label.
    text: String,
    /// What the message mentions, before the value.
    context: Vec<(&'static str, Value)>,
    /// The value as its type understands it; none where there is none.
    value: Option<Value>,
    /// Whether the value comes after the label in the context.
    is_label_first: bool,
}

impl Failure {
    fn new(kind: &str, text: impl Into<String>, value: &Value) -> Self {
        let value = Some(value.clone());
        Self { kind: kind.to_owned(), text: text.into(), context: Vec::new(), value, is_label_first: true }
    }

    /// With a limit, which comes first.
    fn limited(kind: String, text: String, limit: (&'static str, Value), value: &Value) -> Self {
        Self { kind, text, context: vec![limit], value: Some(value.clone()), is_label_first: false }
    }

    fn required() -> Self {
        Self {
            kind: "any.required".to_owned(),
            text: "is required".to_owned(),
            context: Vec::new(),
            value: None,
            is_label_first: true,
        }
    }

    /// Joi's `ValidationError`.
    fn thrown(self, label: &str, original: &Value) -> Thrown {
        let message = format!("\"{label}\" {}", self.text);
        let mut context: Object = self.context.into_iter().collect();
        let label = Value::from(label);
        if self.is_label_first {
            context.insert("label", label.clone());
        }
        if let Some(value) = self.value {
            context.insert("value", value);
        }
        context.insert("label", label);
        let detail = Value::object([
            ("message", Value::text(message.as_str())),
            ("path", Value::array(Vec::new())),
            ("type", Value::text(self.kind)),
            ("context", Value::from(context)),
        ]);
        let members = [("_original", original.clone()), ("details", Value::array(vec![detail]))];
        Thrown::error(message).with_properties(members.into_iter().collect())
    }
}

/// The first rule that the value does not follow.
fn failure(validation: &Value, value: &Value, label: &str) -> Result<Option<Failure>, Thrown> {
    let kind = to_text(&validation.member("type"))?;
    if !matches!(kind.as_str(), "any" | "string" | "number" | "date" | "boolean" | "object" | "array") {
        return Err(Thrown::error(format!(
            "Invalid validation type: \"{kind}\". Type must be a valid Joi schema type."
        )));
    }
    let rules = rules(validation);
    let name_of = |rule: &Value| rule.member("name").as_str().unwrap_or_default().to_owned();
    let is_required = rules.iter().any(|rule| name_of(rule) == "required");
    if value.is_nullish() {
        return Ok(is_required.then(Failure::required));
    }
    if !is_required && value.as_str() == Some("") {
        return Ok(None);
    }
    let original = value;
    let value = match typed(&kind, value, &rules) {
        Ok(value) => value,
        Err(failure) => return Ok(Some(failure)),
    };
    for rule in &rules {
        let name = name_of(rule);
        let args = rule.member("args");
        let broken = match (kind.as_str(), name.as_str()) {
            (_, "required") | ("number", "unsafe") | ("date", "timestamp") => None,
            ("string", "max" | "min" | "length") | ("array", "max" | "min" | "length") => {
                length(&kind, &name, &args, &value)
            }
            ("string", _) => text_rule(&name, &args, &value, label)?,
            ("number" | "date", "max" | "min" | "greater" | "less") => bound(&kind, &name, &args, &value),
            ("number", _) => number_rule(&name, &args, &value, original, label)?,
            _ => return Err(unknown(&name, label)),
        };
        if broken.is_some() {
            return Ok(broken);
        }
    }
    Ok(None)
}

fn unknown(name: &str, label: &str) -> Thrown {
    Thrown::error(format!("the rule \"{name}\" of the validation of {label} is not known to sidehook"))
}

fn has(rules: &[Value], name: &str) -> bool {
    rules.iter().any(|rule| rule.member("name").as_str() == Some(name))
}

/// The value as Joi's type understands it.
fn typed(kind: &str, value: &Value, rules: &[Value]) -> Result<Value, Failure> {
    match kind {
        "string" => match value {
            Value::Text(text) if text.is_empty() => {
                Err(Failure::new("string.empty", "is not allowed to be empty", value))
            }
            Value::Text(_) => Ok(value.clone()),
            _ => Err(Failure::new("string.base", "must be a string", value)),
        },
        "number" => number(value, has(rules, "unsafe")),
        "date" => date(value, rules),
        "boolean" => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::Text(text) if matches!(text.to_lowercase().as_str(), "true" | "false") => {
                Ok(value.clone())
            }
            _ => Err(Failure::new("boolean.base", "must be a boolean", value)),
        },
        "array" => match value {
            Value::Array(_, _) => Ok(value.clone()),
            _ => Err(Failure::new("array.base", "must be an array", value)),
        },
        "object" => match value {
            Value::Object(_, _) | Value::Live(_) | Value::Date(_) => Ok(value.clone()),
            _ => Err(Failure {
                context: vec![("type", "object".into())],
                ..Failure::new("object.base", "must be of type object", value)
            }),
        },
        _ => Ok(value.clone()),
    }
}

fn number(value: &Value, takes_unsafe: bool) -> Result<Value, Failure> {
    let base = || Failure::new("number.base", "must be a number", value);
    let number = match value {
        Value::Number(number) => *number,
        Value::Text(text) => {
            let text = trim(text);
            let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            match text_to_number(text) {
                number if is_decimal && !text.is_empty() && !number.is_nan() => number,
                _ => return Err(base()),
            }
        }
        _ => return Err(base()),
    };
    match number {
        number if number.is_nan() => Err(base()),
        number if number.is_infinite() => Err(Failure::new("number.infinity", "cannot be infinity", value)),
        number if !takes_unsafe && number.abs() > MAX_SAFE_INTEGER => {
            Err(Failure::new("number.unsafe", "must be a safe number", value))
        }
        number => Ok(Value::Number(number)),
    }
}

fn date(value: &Value, rules: &[Value]) -> Result<Value, Failure> {
    let timestamp = rules.iter().find(|rule| rule.member("name").as_str() == Some("timestamp"));
    let unit = timestamp.map(|rule| match rule.member("args").member("type").as_str() {
        Some("unix") => ("unix", "seconds", 1000.0),
        _ => ("javascript", "milliseconds", 1.0),
    });
    let number = match value {
        Value::Number(number) => Some(*number),
        Value::Text(text) => {
            Some(text_to_number(text)).filter(|number| !number.is_nan() && !trim(text).is_empty())
        }
        _ => None,
    };
    let found = match (unit, number, value) {
        (_, _, Value::Date(date)) => *date,
        (Some((.., factor)), Some(number), _) => Date(number * factor),
        (Some(_), None, _) => Date(f64::NAN),
        (None, Some(number), _) => Date(number),
        (None, None, Value::Text(text)) => Date::parse(text),
        _ => Date(f64::NAN),
    };
    if found.is_valid() {
        return Ok(Value::Date(found));
    }
    match unit {
        None => Err(Failure::new("date.base", "must be a valid date", value)),
        Some((name, units, _)) => Err(Failure {
            context: vec![("format", name.into())],
            ..Failure::new("date.format", format!("must be in timestamp or number of {units} format"), value)
        }),
    }
}

fn length(kind: &str, name: &str, args: &Value, value: &Value) -> Option<Failure> {
    let limit = args.member("limit").as_number()?;
    let (length, unit) = match value {
        Value::Array(items, _) => (items.items().len(), "items"),
        value => (value.as_str().unwrap_or_default().encode_utf16().count(), "characters long"),
    };
    let length = length as f64;
    let is_broken = match name {
        "max" => length > limit,
        "min" => length < limit,
        _ => length != limit,
    };
    let limit_text = to_text(&Value::Number(limit)).unwrap_or_default();
    let text = match (kind, name) {
        ("array", "max") => format!("must contain less than or equal to {limit_text} {unit}"),
        ("array", "min") => format!("must contain at least {limit_text} {unit}"),
        ("array", _) => format!("must contain {limit_text} {unit}"),
        (_, "max") => format!("length must be less than or equal to {limit_text} {unit}"),
        (_, "min") => format!("length must be at least {limit_text} {unit}"),
        _ => format!("length must be {limit_text} {unit}"),
    };
    is_broken
        .then(|| Failure::limited(format!("{kind}.{name}"), text, ("limit", Value::Number(limit)), value))
}

fn bound(kind: &str, name: &str, args: &Value, value: &Value) -> Option<Failure> {
    let (limit, shown) = if kind == "date" {
        let limit = Date::of(&args.member("date")).ok().filter(|date| date.is_valid())?;
        (limit.0, Value::Date(limit))
    } else {
        let limit = args.member("limit").as_number()?;
        (limit, Value::Number(limit))
    };
    let number = match value {
        Value::Date(date) => date.0,
        value => value.as_number()?,
    };
    let (is_broken, words) = match name {
        "max" => (number > limit, "less than or equal to"),
        "min" => (number < limit, "greater than or equal to"),
        "greater" => (number <= limit, "greater than"),
        _ => (number >= limit, "less than"),
    };
    let limit_text = match &shown {
        Value::Date(date) => format!("\"{}\"", date.to_iso().unwrap_or_default()),
        number => to_text(number).unwrap_or_default(),
    };
    let text = format!("must be {words} {limit_text}");
    is_broken.then(|| Failure::limited(format!("{kind}.{name}"), text, ("limit", shown), value))
}

fn number_rule(
    name: &str,
    args: &Value,
    value: &Value,
    original: &Value,
    label: &str,
) -> Result<Option<Failure>, Thrown> {
    let number = value.as_number().unwrap_or_default();
    Ok(match name {
        "integer" if number.fract() != 0.0 => {
            Some(Failure::new("number.integer", "must be an integer", value))
        }
        "integer" => None,
        "multiple" => {
            let base = args.member("base");
            let is_broken =
                base.as_number().is_some_and(|base| base != 0.0 && (number / base).fract() != 0.0);
            let text = format!("must be a multiple of {}", to_text(&base)?);
            is_broken.then(|| Failure::limited("number.multiple".into(), text, ("multiple", base), value))
        }
        "precision" => {
            let limit = args.member("limit").as_number().unwrap_or(f64::NAN);
            let places = decimal_places(trim(&to_text(original)?));
            let text = format!("must have no more than {} decimal places", to_text(&Value::Number(limit))?);
            (places > limit).then(|| Failure {
                context: vec![("limit", Value::Number(limit))],
                ..Failure::new("number.precision", text, value)
            })
        }
        name => return Err(unknown(name, label)),
    })
}

fn decimal_places(text: &str) -> f64 {
    match text.split_once('.') {
        Some((_, places)) if !text.contains(['e', 'E']) => places.len() as f64,
        _ => 0.0,
    }
}

fn text_rule(name: &str, args: &Value, value: &Value, label: &str) -> Result<Option<Failure>, Thrown> {
    let text = value.as_str().unwrap_or_default();
    Ok(match name {
        "pattern" => {
            let source = to_text(&args.member("regex"))?;
            let inner = source.strip_prefix('/').and_then(|rest| Some(rest.rsplit_once('/')?.0));
            let source = inner.unwrap_or(&source);
            (!pattern::is_match(source, text)?).then(|| {
                let message =
                    format!("with value \"{text}\" fails to match the required pattern: /{source}/");
                let regex = ("regex", Value::empty_object());
                Failure::limited("string.pattern.base".into(), message, regex, value)
            })
        }
        "email" => (!is_email(text)).then(|| Failure {
            context: vec![("value", value.clone()), ("invalids", Value::array(vec![value.clone()]))],
            is_label_first: false,
            ..Failure::new("string.email", "must be a valid email", value)
        }),
        "uuid" => (!is_uuid(text)).then(|| Failure::new("string.guid", "must be a valid GUID", value)),
        "uri" => (!is_uri(text)).then(|| Failure::new("string.uri", "must be a valid uri", value)),
        name => return Err(unknown(name, label)),
    })
}

/// An address with a domain of at least two parts. Joi also knows which top-level domains there are.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    let is_label = |part: &str| {
        let is_edge = part.starts_with('-') || part.ends_with('-');
        (1..=63).contains(&part.len()) && !is_edge && part.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    local.len() <= 64
        && text.len() <= 254
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && last.chars().count() >= 2
        && !last.chars().any(|c| c.is_ascii_digit())
}

/// With braces, brackets or parentheses around it, or none.
fn is_uuid(text: &str) -> bool {
    let pairs = [('{', '}'), ('[', ']'), ('(', ')')];
    let inner = pairs.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    let inner = inner.unwrap_or(text);
    uuid::Uuid::try_parse(inner).is_ok() && !inner.starts_with("urn:") && !inner.starts_with('{')
}

/// An address with a scheme (RFC 3986).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    let bytes = rest.as_bytes();
    let is_allowed = |(place, byte): (usize, &u8)| match byte {
        b'%' => bytes.get(place + 1..place + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    };
    is_scheme
        && !rest.is_empty()
        && rest.matches('#').count() <= 1
        && bytes.iter().enumerate().all(is_allowed)
}

#[cfg(test)]
mod tests;
