//! The content of a message: a Handlebars template in NocoBase, of which variables are filled in here. What uses more
//! of Handlebars (helpers, blocks, comments) is not.

use crate::expr::convert::{is_space, to_text};
use crate::expr::path::property;
use crate::expr::{Function, Scope, Str, Thrown, Value};

/// A content, parsed once.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Plain(Value),
    Text(Vec<Piece>),
    Array(Vec<Content>),
    Object(Vec<(Str, Content)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Variable {
        segments: Vec<String>,
        /// Whether what HTML takes for its own is written for it (`{{x}}`) or not (`{{{x}}}`).
        is_escaped: bool,
    },
}

impl Content {
    /// None for what uses more of Handlebars than variables.
    pub(super) fn parse(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Text(text) => Self::Text(pieces(text)?),
            Value::Array(array, _) => {
                Self::Array(array.items().iter().map(Self::parse).collect::<Option<_>>()?)
            }
            Value::Object(object, _) => {
                let members = object.iter().map(|(key, value)| Some((key.clone(), Self::parse(value)?)));
                Self::Object(members.collect::<Option<_>>()?)
            }
            value => Self::Plain(value.clone()),
        })
    }

    /// Fills the variables in. Throws what the conversion of a value to a text throws.
    pub(super) fn render(&self, scope: &Scope) -> Result<Value, Thrown> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    piece.render(scope, &mut text)?;
                }
                Value::text(text)
            }
            Self::Array(items) => {
                Value::array(items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>()?)
            }
            Self::Object(members) => {
                let members = members.iter().map(|(key, value)| Ok((key.clone(), value.render(scope)?)));
                Value::object(members.collect::<Result<Vec<_>, Thrown>>()?)
            }
        })
    }
}

impl Piece {
    fn render(&self, scope: &Scope, out: &mut String) -> Result<(), Thrown> {
        let (segments, is_escaped) = match self {
            Self::Text(text) => {
                out.push_str(text);
                return Ok(());
            }
            Self::Variable { segments, is_escaped } => (segments, *is_escaped),
        };
        let value = find(segments, scope)?;
        if !value.is_nullish() {
            let text = to_text(&value)?;
            if is_escaped { escape(&text, out) } else { out.push_str(&text) }
        }
        Ok(())
    }
}

/// What Handlebars finds: own members only. A function at the end is called.
fn find(segments: &[String], scope: &Scope) -> Result<Value, Thrown> {
    let mut segments = segments.iter();
    let mut value = segments.next().map(|name| scope.root(name)).unwrap_or_default();
    for segment in segments {
        if value.is_nullish() {
            return Ok(value);
        }
        value = property(&value, segment);
    }
    match value {
        Value::Function(function @ Function::System(_)) => scope.call(function),
        // Handlebars reads no inherited members.
        Value::Function(_) => Ok(Value::Undefined),
        value => Ok(value),
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            '`' => out.push_str("&#x60;"),
            '=' => out.push_str("&#x3D;"),
            c => out.push(c),
        }
    }
}

/// The parts of a text.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let before = &rest[..start];
        // Handlebars takes what follows a backslash for text.
        if before.ends_with('\\') {
            return None;
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        rest = &rest[start + 2..];
        let (is_escaped, close) = match rest.chars().next()? {
            '{' => (false, "}}}"),
            '&' => (false, "}}"),
            _ => (true, "}}"),
        };
        rest = rest.strip_prefix(['{', '&']).unwrap_or(rest);
        let end = rest.find(close)?;
        pieces.push(Piece::Variable { segments: path(rest[..end].trim_matches(is_space))?, is_escaped });
        rest = &rest[end + close.len()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

/// The names of a path such as `$context.body.items.[0].n`. None for what is none, or may be a helper.
fn path(text: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        let (segment, after) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => {
                let end = rest.find(['.', '/']).unwrap_or(rest.len());
                let name = &rest[..end];
                let is_number = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                // Handlebars takes a number at the end for a number, which is a fault there.
                if name.is_empty()
                    || name == "this"
                    || !name.chars().all(is_of_name)
                    || (is_number && end == rest.len())
                {
                    return None;
                }
                (name, &rest[end..])
            }
        };
        segments.push(segment.to_owned());
        match after.strip_prefix(['.', '/']) {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return None,
        }
    }
    // A name alone can be that of a helper or a literal.
    (segments.len() > 1 || segments[0].starts_with('$')).then_some(segments)
}

fn is_of_name(c: char) -> bool {
    !is_space(c) && !"!\"#%&'()*+,./;<=>@[\\]^`{|}~".contains(c)
}

/// Whether Handlebars would find something of its own in what is left of a configured text when its variables are filled
/// in. What comes from the variables themselves is not looked at.
pub(super) fn has_more(configured: &Value, rendered: &Value) -> bool {
    match (configured, rendered) {
        (Value::Text(configured), Value::Text(rendered)) => {
            rendered.contains("{{") && without_variables(configured).contains("{{")
        }
        (Value::Array(configured, _), Value::Array(rendered, _)) => {
            configured.items().iter().zip(rendered.items()).any(|(one, other)| has_more(one, other))
        }
        (Value::Object(configured, _), Value::Object(_, _)) => {
            configured.iter().any(|(key, value)| has_more(value, &rendered.member(key)))
        }
        _ => false,
    }
}

/// A text without the variables that every template of a node has.
fn without_variables(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        match crate::expr::template::placeholder_length(&rest[start..]) {
            Some(length) => {
                out.push_str(&rest[..start]);
                // Braces around a variable are not to come together.
                out.push(' ');
                rest = &rest[start + length..];
            }
            None => {
                out.push_str(&rest[..=start]);
                rest = &rest[start + 1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn rendered(content: &str) -> Option<String> {
        let context = r#"{"n":5,"tag":"<i a='b'>","items":[{"n":1},{"n":null}],"no":false}"#;
        let scope = Scope::of_context(json::parse(context.as_bytes()).expect("JSON"));
        let content = Content::parse(&content.into())?;
        Some(to_text(&content.render(&scope).expect("a text")).expect("a text"))
    }

    #[test]
    fn variables_are_filled_in() {
        for (content, expected) in [
            ("", ""),
            ("{ {{$context.n}} }", "{ 5 }"),
            (
                "{{ $context.tag }}{{{$context.tag}}}{{&$context.tag}}",
                "&lt;i a&#x3D;&#x27;b&#x27;&gt;<i a='b'><i a='b'>",
            ),
            ("{{$context/items.[0].n}}{{$context.items.0.n}}{{$context.items.1.n}}", "11"),
            ("{{$context.items.length}}{{$context.items.map}}{{$context.no}}{{$context.x.y}}", "2false"),
            ("{{ctx.$context.n}}{{$context}}", "5[object Object]"),
            ("{{$context.n:5}}", ""),
        ] {
            assert_eq!(rendered(content).as_deref(), Some(expected), "{content}");
        }
    }

    #[test]
    fn what_is_more_than_variables_is_not_run() {
        for content in [
            "{{#if $context.n}}a{{/if}}",
            "{{uppercase $context.n}}",
            "{{uuid}}",
            "{{$context.items.0}}",
            "{{this.n}}",
            "{{../n}}",
            "{{! a}}",
            "{{~$context.n}}",
            "{{> part}}",
            "\\{{$context.n}}",
            "{{$context.n",
            "{{}}",
            "{{$context..n}}",
            "{{\"a\"}}",
        ] {
            assert_eq!(rendered(content), None, "{content}");
        }
    }

    #[test]
    fn blocks_are_found_in_what_was_configured_only() {
        let more = |configured: &str, rendered: &str| has_more(&configured.into(), &rendered.into());
        assert!(more("a {{#if $context.n}}b{{/if}}", "a {{#if $context.n}}b"));
        assert!(!more("a {{$context.n}}", "a {{#if}}"));
        assert!(!more("{{{$context.n}}}", "{{x}}"));
        let list = |text: &str| Value::object([("to", Value::array(vec![text.into()]))]);
        assert!(has_more(&list("{{#a}}"), &list("{{#a}}")));
    }
}
