//! Expressions before they are evaluated: their placeholders become identifiers, or text
//! (`packages/core/evaluators/src/utils/index.ts`). The rules are other than those of templates: no
//! defaults, fewer characters, and nothing that is read stays on the scope.

use std::cell::RefCell;
use std::collections::HashMap;

use super::convert::{is_space, to_text, trim};
use super::path::{Path, append_array_columns, property};
use super::template::MAX_LENGTH;
use super::{Scope, Thrown, Value};

/// A language that needs JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Math,
    Formula,
}

/// An expression whose placeholders have become identifiers, with their values.
#[derive(Debug)]
pub struct Task {
    pub language: Language,
    pub expression: String,
    pub variables: Vec<(String, Value)>,
    /// Whether the arrays among the variables have the columns that were set on them.
    pub has_columns: bool,
}

/// An expression with its placeholders found.
#[derive(Debug, PartialEq)]
pub struct Expression {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    /// The path in a placeholder.
    Variable(String),
}

impl Expression {
    /// Throws the TypeError of trimming what is no text.
    pub fn parse(expression: &Value) -> Result<Self, Thrown> {
        match expression {
            Value::Text(text) => Ok(Self { parts: parts(trim(text)) }),
            Value::Undefined | Value::Null => Err(Thrown::reading(expression, "trim")),
            _ => Err(Thrown::type_error("expression.trim is not a function")),
        }
    }

    /// The placeholders as `$$0`, `$$1` …, one per path, with their values.
    pub fn with_identifiers(self, language: Language, variables: &Variables<'_>) -> Result<Task, Thrown> {
        let reader = Reader::of(variables, &self.parts);
        let mut values: Vec<(String, Value)> = Vec::new();
        let mut names: HashMap<String, String> = HashMap::new();
        let mut expression = String::new();
        for part in self.parts {
            let path = match part {
                Part::Text(text) => {
                    expression.push_str(&text);
                    continue;
                }
                Part::Variable(path) => path,
            };
            let value = reader.read(&path)?;
            let name = names.entry(path).or_insert_with(|| {
                let name = format!("$${}", values.len());
                values.push((name.clone(), value));
                name
            });
            expression.push_str(name);
        }
        let has_columns = reader.isolated.is_some();
        Ok(Task { language, expression, variables: values, has_columns })
    }

    /// The placeholders as text; null, undefined and numbers that are not finite as nothing.
    pub fn fill_in(self, variables: &Variables<'_>) -> Result<String, Thrown> {
        let reader = Reader::of(variables, &self.parts);
        let mut out = String::new();
        for part in self.parts {
            match part {
                Part::Text(text) => out.push_str(&text),
                Part::Variable(path) => match reader.read(&path)? {
                    Value::Undefined | Value::Null => {}
                    Value::Number(number) if !number.is_finite() => {}
                    value => out.push_str(&to_text(&value)?),
                },
            }
            if out.len() > MAX_LENGTH {
                return Err(Thrown::range_error("Invalid string length"));
            }
        }
        Ok(out)
    }
}

/// Finds what JavaScript's `/{{\s*([\w$.-]+)\s*}}/g` matches. Paths that start with `this.` stay placeholders.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some((path, after)) = placeholder(&rest[start + 2..]) else {
            plain.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        };
        plain.push_str(&rest[..start]);
        rest = after;
        if path.starts_with("this.") {
            plain.push_str(&format!("{{{{{path}}}}}"));
            continue;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Variable(path.to_owned()));
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// The path of the placeholder whose braces have just been opened, and what follows the placeholder.
fn placeholder(inner: &str) -> Option<(&str, &str)> {
    let inner = inner.trim_start_matches(is_space);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
    let end = inner.find(|c| !is_part(c)).unwrap_or(inner.len());
    let after = inner[end..].trim_start_matches(is_space).strip_prefix("}}")?;
    (end > 0).then_some((&inner[..end], after))
}

/// What the paths of an expression start from: the variables of a node, or any value.
pub struct Variables<'a> {
    /// Calls the functions that paths lead to.
    scope: &'a Scope,
    value: Option<Value>,
}

impl<'a> Variables<'a> {
    /// The variables of a node.
    pub fn of(scope: &'a Scope) -> Self {
        Self { scope, value: None }
    }

    /// A value of its own, as `dynamic-calculation` offers it.
    pub fn of_value(value: Value, scope: &'a Scope) -> Self {
        Self { scope, value: Some(value) }
    }

    fn root(&self, name: &str) -> Value {
        match &self.value {
            Some(value) => property(value, name),
            None => self.scope.root(name),
        }
    }
}

/// Reads paths. NocoBase reads from a deep copy of the scope, so that columns that are read through arrays do
/// not stay on them. That copy is made only when a path reads such a column.
struct Reader<'a> {
    variables: &'a Variables<'a>,
    isolated: Option<RefCell<Copies>>,
}

/// What has been copied: the names that paths start with, and the shared parts below them.
#[derive(Default)]
struct Copies {
    roots: HashMap<String, Value>,
    parts: super::Copies,
}

impl<'a> Reader<'a> {
    fn of(variables: &'a Variables<'a>, parts: &[Part]) -> Self {
        let paths = parts.iter().filter_map(|part| match part {
            Part::Variable(path) => Some(path),
            Part::Text(_) => None,
        });
        let needs_copies = paths.into_iter().any(|path| reads_a_column(variables, path));
        Self { variables, isolated: needs_copies.then(RefCell::default) }
    }

    fn root(&self, name: &str) -> Value {
        let Some(copies) = &self.isolated else { return self.variables.root(name) };
        let Copies { roots, parts } = &mut *copies.borrow_mut();
        let copied =
            roots.entry(name.to_owned()).or_insert_with(|| self.variables.root(name).detached_with(parts));
        copied.clone()
    }

    /// The value at a path, null for undefined. Throws what a column of a null item throws, and what a
    /// function throws that the path leads to.
    fn read(&self, path: &str) -> Result<Value, Thrown> {
        if self.isolated.is_some() {
            append_array_columns(|name| self.root(name), path)?;
        }
        let parsed = Path::parse(path);
        let whole = self.variables.value.as_ref().and_then(|value| value.as_object()?.get(path)).cloned();
        match whole.unwrap_or_else(|| parsed.get_from(|name| self.root(name))) {
            Value::Undefined => Ok(Value::Null),
            Value::Function(function) => self.variables.scope.call(function),
            value => Ok(value),
        }
    }
}

/// Whether reading the path would set a column on an array, or would find one that a template has set.
fn reads_a_column(variables: &Variables<'_>, path: &str) -> bool {
    let mut segments = path.split('.');
    let mut current = segments.next().map(|name| variables.root(name)).unwrap_or_default();
    // A value that is an array itself can be the root, too.
    if let Some(root @ Value::Array(_, _)) = &variables.value
        && !property(root, path.split('.').next().unwrap_or_default()).is_truthy()
    {
        return true;
    }
    for segment in segments {
        if matches!(current, Value::Array(..)) {
            let is_index = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
            let is_column = current.column(segment).is_some() || !property(&current, segment).is_truthy();
            if !is_index && is_column {
                return true;
            }
        }
        if current.is_nullish() {
            return false;
        }
        current = property(&current, segment);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    fn scope(context: &str) -> Scope {
        Scope::of_context(json::parse(context.as_bytes()).expect("JSON in a test"))
    }

    fn task(expression: &str, context: &str) -> (String, Vec<String>) {
        let scope = scope(context);
        let task = Expression::parse(&Value::from(expression))
            .and_then(|parsed| parsed.with_identifiers(Language::Math, &Variables::of(&scope)))
            .expect("nothing throws");
        let values = task.variables.iter().map(|(name, value)| {
            format!("{name}={}", json::stringify(value).unwrap_or_else(|| "undefined".into()))
        });
        (task.expression, values.collect())
    }

    fn text(expression: &str, context: &str) -> Result<String, Thrown> {
        Expression::parse(&Value::from(expression))?.fill_in(&Variables::of(&scope(context)))
    }

    #[test]
    fn each_path_is_one_identifier() {
        let (expression, values) = task(" {{$context.a}}*2+{{ $context.b }}-{{$context.a}} ", r#"{"a":1}"#);
        assert_eq!(expression, "$$0*2+$$1-$$0");
        assert_eq!(values, ["$$0=1", "$$1=null"]);
    }

    #[test]
    fn only_simple_placeholders_count() {
        let context = r#"{"a b":1,"l":[{"v":5}]}"#;
        for literal in ["{{$context.n:5}}", "{{$context.a b}}", "{{}}", "{{this.x}}", "{{$context.l[0]}}"] {
            assert_eq!(task(literal, context).0, literal);
        }
        assert_eq!(task("{{{$context.l.0.v}}}", context).0, "{$$0}");
        assert_eq!(task("{{ this.x }}", context).0, "{{this.x}}");
    }

    #[test]
    fn columns_are_read_and_do_not_stay() {
        let scope = scope(r#"{"l":[{"v":1},{"v":[2,3]}]}"#);
        let read = |path: &str| {
            let expression = Expression::parse(&Value::from(format!("{{{{{path}}}}}"))).expect("a text");
            let task = expression.with_identifiers(Language::Math, &Variables::of(&scope)).expect("no throw");
            json::stringify(&task.variables[0].1)
        };
        assert_eq!(read("$context.l.v").as_deref(), Some("[1,2,3]"));
        assert_eq!(read("ctx.$context.l.v").as_deref(), Some("[1,2,3]"));
        assert!(scope.context.member("l").columns().is_empty());
    }

    #[test]
    fn a_column_of_a_null_item_throws() {
        let thrown = text("{{$context.l.v}}", r#"{"l":[null]}"#).expect_err("a null item");
        assert_eq!(thrown.to_string(), "TypeError: Cannot read properties of null (reading 'v')");
    }

    #[test]
    fn text_is_put_in_as_it_is() {
        let context = r#"{"w":"$& $1","nul":null,"l":[3,[1],null],"o":{}}"#;
        let all = "{{$context.w}}|{{$context.nul}}|{{$context.l}}|{{$context.o}}|{{$context.nope}}";
        assert_eq!(text(all, context).as_deref(), Ok("$& $1||3,1,|[object Object]|"));
    }

    #[test]
    fn a_text_of_any_length_throws_as_in_v8() {
        let context = format!(r#"{{"t":"{}"}}"#, "x".repeat(1 << 20));
        let thrown = text(&"{{$context.t}}".repeat(10_000), &context).expect_err("ten gigabytes");
        assert_eq!(thrown.to_string(), "RangeError: Invalid string length");
    }

    #[test]
    fn what_is_no_text_cannot_be_trimmed() {
        let cases = [
            (Value::Undefined, "Cannot read properties of undefined (reading 'trim')"),
            (Value::Null, "Cannot read properties of null (reading 'trim')"),
            (Value::from(5), "expression.trim is not a function"),
        ];
        for (expression, message) in cases {
            assert_eq!(Expression::parse(&expression), Err(Thrown::type_error(message)));
        }
    }

    #[test]
    fn a_value_can_be_the_root() {
        let nowhere = Scope::of_context(Value::Null);
        let value = json::parse(br#"{"a.b":1,"a":{"b":2},"l":[{"v":3}]}"#).expect("JSON in a test");
        let variables = Variables::of_value(value, &nowhere);
        let filled = Expression::parse(&Value::from("{{a.b}} {{l.v}} {{$context}}"))
            .and_then(|expression| expression.fill_in(&variables));
        assert_eq!(filled.as_deref(), Ok("1 3 "));
    }
}
