//! Templates in node configurations: `{{$context.body.id}}`, with a default after a colon, at any depth of
//! a JSON value and in its keys (`packages/core/utils/src/json-templates.ts`).

use indexmap::IndexSet;
use serde::de::{Deserialize, Deserializer};

use super::convert::{is_space, to_text, trim};
use super::path::{Path, append_array_columns};
use super::{Object, Scope, Str, Thrown, Value};

/// A JSON value with placeholders in it, parsed once and rendered for every run of its node.
#[derive(Clone, Debug, Default)]
pub struct Template {
    body: Part,
    /// The paths of all placeholders, each once, in the order in which NocoBase looks at them.
    paths: Vec<Str>,
}

#[derive(Clone, Debug)]
enum Part {
    /// A value without placeholders. Never an array or an object: those are made anew each time, since
    /// columns read through an array stay on it.
    Plain(Value),
    /// A string that is one placeholder and nothing else: the value keeps its type.
    Whole(Placeholder),
    Text(Text),
    Array(Vec<Part>),
    Object(Vec<(Part, Part)>),
}

impl Default for Part {
    fn default() -> Self {
        Part::Plain(Value::Undefined)
    }
}

/// Text with placeholders in it.
#[derive(Clone, Debug)]
struct Text {
    source: Str,
    /// With the places where they stand.
    placeholders: Vec<(usize, Placeholder)>,
}

#[derive(Clone, Debug)]
struct Placeholder {
    /// The placeholder as it stands in the text, braces included.
    source: Str,
    path: Path,
    default: Option<Str>,
}

impl Template {
    pub fn parse(value: &Value) -> Self {
        let body = parse_part(value);
        let mut paths = IndexSet::new();
        collect_paths(&body, &mut paths);
        Self { body, paths: paths.into_iter().collect() }
    }

    /// Whether the configuration had no such member at all.
    pub fn is_undefined(&self) -> bool {
        matches!(self.body, Part::Plain(Value::Undefined))
    }

    /// Whether the configured value is null, or there is none.
    pub fn is_nullish(&self) -> bool {
        matches!(&self.body, Part::Plain(value) if value.is_nullish())
    }

    /// Whether the configured value, before rendering, is truthy.
    pub fn is_truthy(&self) -> bool {
        match &self.body {
            Part::Plain(value) => value.is_truthy(),
            _ => true,
        }
    }

    /// Whether there is anything to fill in.
    pub fn has_placeholders(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Fills the placeholders in. Throws what reading a path or calling a function threw.
    pub fn render(&self, scope: &Scope) -> Result<Value, Thrown> {
        for path in &self.paths {
            append_array_columns(|name| scope.root(name), path)?;
        }
        self.render_without_columns(scope)
    }

    /// The same, but paths do not read columns through arrays.
    pub fn render_without_columns(&self, scope: &Scope) -> Result<Value, Thrown> {
        render_part(&self.body, scope)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Template::parse(&value))
    }
}

fn parse_part(value: &Value) -> Part {
    match value {
        Value::Text(text) => parse_text(text),
        Value::Array(array, _) => Part::Array(array.items().iter().map(parse_part).collect()),
        Value::Object(object, _) => {
            Part::Object(object.iter().map(|(key, value)| (parse_text(key), parse_part(value))).collect())
        }
        value => Part::Plain(value.clone()),
    }
}

fn parse_text(text: &Str) -> Part {
    let mut placeholders = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        match placeholder_length(&text[start..]) {
            Some(length) => {
                placeholders.push((start, Placeholder::parse(&text[start..start + length])));
                at = start + length;
            }
            None => at = start + 1,
        }
    }
    if placeholders.is_empty() {
        return Part::Plain(Value::Text(text.clone()));
    }
    if placeholders.len() == 1 && text.starts_with("{{") && text.ends_with("}}") {
        return Part::Whole(placeholders.remove(0).1);
    }
    Part::Text(Text { source: text.clone(), placeholders })
}

/// The length of the placeholder at the start of `text`, which begins with `{{`.
pub(crate) fn placeholder_length(text: &str) -> Option<usize> {
    let inner = &text[2..];
    let end = inner.find(|c: char| !is_placeholder_character(c)).unwrap_or(inner.len());
    (end > 0 && inner[end..].starts_with("}}")).then_some(end + 4)
}

fn is_placeholder_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_:-+.,@/()?=*$".contains(c) || is_space(c)
}

impl Placeholder {
    fn parse(source: &str) -> Self {
        let inner = trim(&source[2..source.len() - 2]);
        let (path, default) = match inner.split_once(':') {
            Some((path, default)) => (path, Some(default.into())),
            None => (inner, None),
        };
        Self { source: source.into(), path: Path::parse(path), default }
    }

    fn value(&self, scope: &Scope) -> Result<Value, Thrown> {
        let value = match (scope.get(&self.path), &self.default) {
            (Value::Undefined, Some(default)) => Value::Text(default.clone()),
            (value, _) => value,
        };
        match value {
            Value::Function(function) => scope.call(function),
            value => Ok(value),
        }
    }
}

fn collect_paths(part: &Part, paths: &mut IndexSet<Str>) {
    let mut add = |placeholder: &Placeholder| {
        paths.insert(placeholder.path.text().into());
    };
    match part {
        Part::Plain(_) => {}
        Part::Whole(placeholder) => add(placeholder),
        Part::Text(text) => text.placeholders.iter().for_each(|(_, placeholder)| add(placeholder)),
        Part::Array(items) => items.iter().for_each(|item| collect_paths(item, paths)),
        Part::Object(members) => {
            for (key, value) in members {
                collect_paths(value, paths);
                collect_paths(key, paths);
            }
        }
    }
}

fn render_part(part: &Part, scope: &Scope) -> Result<Value, Thrown> {
    match part {
        Part::Plain(value) => Ok(value.clone()),
        Part::Whole(placeholder) => placeholder.value(scope),
        Part::Text(text) => text.render(scope).map(Value::from),
        Part::Array(items) => {
            let items: Result<_, _> = items.iter().map(|item| render_part(item, scope)).collect();
            Ok(Value::array(items?))
        }
        Part::Object(members) => {
            let rendered = members.iter().map(|(key, value)| {
                let key = match key {
                    Part::Plain(Value::Text(key)) => key.clone(),
                    key => to_text(&render_part(key, scope)?)?.into(),
                };
                Ok((key, render_part(value, scope)?))
            });
            Ok(rendered.collect::<Result<Object, Thrown>>()?.into())
        }
    }
}

impl Text {
    fn render(&self, scope: &Scope) -> Result<String, Thrown> {
        let mut inserted = Vec::with_capacity(self.placeholders.len());
        for (_, placeholder) in &self.placeholders {
            inserted.push(match placeholder.value(scope)? {
                value if value.is_nullish() => String::new(),
                Value::Date(date) => {
                    date.to_iso().ok_or_else(|| Thrown::range_error("Invalid time value"))?
                }
                value => to_text(&value)?,
            });
        }
        self.in_one_go(&inserted).map_or_else(|| self.one_by_one(&inserted), Ok)
    }

    /// What [`Text::one_by_one`] gives, where it is plain that each placeholder is found where it stands: with
    /// large texts and many placeholders that is much less work.
    fn in_one_go(&self, inserted: &[String]) -> Option<String> {
        let length = inserted.iter().map(String::len).sum::<usize>() + self.source.len();
        if length > MAX_LENGTH || inserted.iter().any(|text| text.contains('$')) {
            return None;
        }
        let mut out = String::with_capacity(length);
        let mut end = 0;
        for ((start, placeholder), text) in self.placeholders.iter().zip(inserted) {
            out.push_str(&self.source[end..*start]);
            out.push_str(text);
            end = start + placeholder.source.len();
        }
        // Only behind two braces can there be another place for a placeholder.
        let is_plain = !out.contains("{{");
        out.push_str(&self.source[end..]);
        is_plain.then_some(out)
    }

    /// Replaces one placeholder after the other, each at the first place where its own text stands in what
    /// the earlier ones have left, as a chain of JavaScript's `String.prototype.replace` does.
    fn one_by_one(&self, inserted: &[String]) -> Result<String, Thrown> {
        let mut result = self.source.to_string();
        for ((_, placeholder), text) in self.placeholders.iter().zip(inserted) {
            result = replace_first(&result, &placeholder.source, text)?;
        }
        Ok(result)
    }
}

/// The longest text that a template may become, in bytes. V8 ends at 512 MB with the same error; a value of
/// `` $` `` can make a text of any length of two short ones.
pub(super) const MAX_LENGTH: usize = 64 << 20;

/// `text.replace(found, replacement)` with the patterns `$$`, `$&`, `` $` `` and `$'` of a replacement.
fn replace_first(text: &str, found: &str, replacement: &str) -> Result<String, Thrown> {
    let Some(start) = text.find(found) else { return Ok(text.to_owned()) };
    let (before, after) = (&text[..start], &text[start + found.len()..]);
    let mut out = before.to_owned();
    let mut push = |part: &str| {
        if out.len() + part.len() > MAX_LENGTH {
            return Err(Thrown::range_error("Invalid string length"));
        }
        out.push_str(part);
        Ok(())
    };
    let mut rest = replacement;
    while let Some(dollar) = rest.find('$') {
        push(&rest[..dollar])?;
        let (pattern, length) = match rest.as_bytes().get(dollar + 1) {
            Some(b'$') => ("$", 2),
            Some(b'&') => (found, 2),
            Some(b'`') => (before, 2),
            Some(b'\'') => (after, 2),
            _ => ("$", 1),
        };
        push(pattern)?;
        rest = &rest[dollar + length..];
    }
    push(rest)?;
    push(after)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json;
    use super::*;

    fn render(template: &str, context: &str) -> Result<Value, Thrown> {
        let template = json::parse(template.as_bytes()).expect("JSON in a test");
        let context = json::parse(context.as_bytes()).expect("JSON in a test");
        Template::parse(&template).render(&Scope::of_context(context))
    }

    fn rendered(template: &str, context: &str) -> String {
        let value = render(template, context).expect("nothing throws");
        json::stringify(&value).unwrap_or_else(|| "undefined".to_owned())
    }

    #[test]
    fn placeholders_are_what_the_ascii_pattern_matches() {
        let context = r#"{"n":7,"a b":1,"数":2,"s":"x"}"#;
        let cases = [
            (r#""{{$context.n}}""#, "7"),
            (r#""{{ $context.n }}""#, "7"),
            (r#"" {{$context.n}}""#, "\" 7\""),
            (r#""{{$context.a b}}""#, "1"),
            (r#""{{$context.数}}""#, "\"{{$context.数}}\""),
            (r#""{{$context[0]}}""#, "\"{{$context[0]}}\""),
            (r#""{{}}""#, "\"{{}}\""),
            (r#""{{{$context.n}}}""#, "7"),
            (r#""{{$context.n}}{{$context.s}}""#, "\"7x\""),
            (r#""{{$context.n|upper}}""#, "\"{{$context.n|upper}}\""),
            (r#"{"k{{$context.n}}":"{{nope}}","l":["{{nope}}"]}"#, r#"{"l":[null]}"#),
        ];
        for (template, expected) in cases {
            assert_eq!(rendered(template, context), expected, "{template}");
        }
    }

    #[test]
    fn defaults_are_texts_and_only_for_undefined() {
        let context = r#"{"nul":null,"a ":1}"#;
        let cases = [
            (r#""{{$context.nope: a b }}""#, "\" a b\""),
            (r#""{{$context.nope:}}""#, "\"\""),
            (r#""{{$context.nope:a:b}}""#, "\"a:b\""),
            (r#""{{$context.nul:x}}""#, "null"),
            (r#""{{$context.a :d}}""#, "1"),
        ];
        for (template, expected) in cases {
            assert_eq!(rendered(template, context), expected, "{template}");
        }
    }

    #[test]
    fn replacement_patterns_in_values_count() {
        assert_eq!(
            rendered(r#""x{{$context.v}}y""#, r#"{"v":"$& $$ $1 $"}"#),
            r#""x{{$context.v}} $ $1 $y""#
        );
        assert_eq!(rendered(r#""a{{$context.v}}b""#, r#"{"v":"[$`|$']"}"#), r#""a[a|b]b""#);
    }

    /// Of a megabyte each, the two make terabytes.
    #[test]
    fn a_text_of_any_length_throws_as_in_v8() {
        let context = Value::object([
            ("a", Value::from("x".repeat(1 << 20))),
            ("b", Value::from("$`".repeat(1 << 19))),
        ]);
        let template = Template::parse(&"{{$context.a}}{{$context.b}}".into());
        let thrown = template.render(&Scope::of_context(context)).expect_err("too long");
        assert_eq!(thrown.to_string(), "RangeError: Invalid string length");
    }

    /// Copying the text for each placeholder would take minutes.
    #[test]
    fn many_placeholders_in_a_long_text_are_filled_in_at_once() {
        let template =
            Template::parse(&Value::from("{{$context.a}}".to_owned() + &"{{$context.b}}".repeat(20_000)));
        let context = Value::object([("a", Value::from("x".repeat(16 << 20))), ("b", "y".into())]);
        let text = template.render(&Scope::of_context(context)).expect("it fits");
        assert_eq!(text.as_str().map(str::len), Some((16 << 20) + 20_000));
    }

    #[test]
    fn methods_are_called_without_a_receiver() {
        let thrown = render(r#""{{$context.l.map}}""#, r#"{"l":[]}"#).expect_err("map throws");
        assert_eq!(thrown.message, "Array.prototype.map called on null or undefined");
    }

    #[test]
    fn a_column_stays_on_the_shared_array() {
        let context = json::parse(br#"{"l":[{"v":1},{"v":2}]}"#).expect("JSON in a test");
        let scope = Scope::of_context(context.clone());
        Template::parse(&Value::text("{{$context.l.v}}")).render(&scope).expect("no null item");
        let column = context.member("l").column("v");
        assert_eq!(column.and_then(|c| json::stringify(&c)).as_deref(), Some("[1,2]"));
    }

    proptest! {
        #[test]
        fn any_template_renders_or_throws(template in "[{}$.:a-z\\[\\] \\PC]{0,60}", value in ".{0,20}") {
            let context = Value::object([("a", Value::from(value))]);
            let _ = Template::parse(&Value::from(template)).render(&Scope::of_context(context));
        }

        #[test]
        fn at_once_is_like_one_by_one(
            source in "(\\{|\\}|\\{\\{a\\}\\}|\\{\\{b\\}\\}|a|b|-){0,12}",
            values in proptest::collection::vec("(\\{|\\}|\\{\\{b\\}\\}|a|b){0,4}", 12),
        ) {
            if let Part::Text(text) = parse_text(&source.into()) {
                let values = &values[..text.placeholders.len()];
                if let Some(at_once) = text.in_one_go(values) {
                    prop_assert_eq!(Ok(at_once), text.one_by_one(values));
                }
            }
        }

        #[test]
        fn text_without_braces_is_kept(text in "[^{}]{0,60}") {
            let scope = Scope::of_context(Value::Null);
            let value = Template::parse(&Value::from(text.as_str())).render(&scope);
            prop_assert_eq!(value.ok().and_then(|v| v.as_str().map(str::to_owned)), Some(text));
        }
    }
}
