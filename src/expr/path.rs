//! Reading by path: lodash's `get` and its path syntax, and the columns of arrays that NocoBase adds to it.

use super::members::array_index;
use super::{Function, Method, Str, Thrown, Value};

/// A lodash path: `a.b`, `list[0].name`, `["a.b"].c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: Str,
    segments: Vec<Str>,
}

impl Path {
    pub fn parse(text: &str) -> Self {
        Self { text: text.into(), segments: segments(text) }
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names on the way.
    pub fn segments(&self) -> &[Str] {
        &self.segments
    }

    /// lodash's `get(value, path)`: a member named like the whole path wins, otherwise one segment after
    /// the other; undefined as soon as something on the way is missing.
    pub fn get(&self, value: &Value) -> Value {
        if let Some(member) = value.as_object().and_then(|object| object.get(&self.text)) {
            return member.clone();
        }
        self.get_from(|name| property(value, name))
    }

    /// The same from something that is no value itself and has no members with dots in their names.
    pub fn get_from(&self, root: impl Fn(&str) -> Value) -> Value {
        let mut segments = self.segments.iter();
        let mut current = segments.next().map(|name| root(name)).unwrap_or_default();
        for segment in segments {
            if current.is_nullish() {
                return Value::Undefined;
            }
            current = property(&current, segment);
        }
        current
    }
}

/// A property of a value as JavaScript reads it, inherited methods included.
pub fn property(value: &Value, key: &str) -> Value {
    let own = match value {
        Value::Object(object, _) => object.get(key).cloned(),
        Value::Live(live) => live.object().get(key).cloned(),
        Value::Array(array, _) => match array_index(key) {
            Some(index) => array.items().get(index as usize).cloned(),
            None if key == "length" => Some(Value::Number(array.items().len() as f64)),
            None => value.column(key),
        },
        Value::Text(text) => match array_index(key) {
            Some(index) => character(text, index as usize),
            None if key == "length" => Some(Value::Number(text.encode_utf16().count() as f64)),
            None => None,
        },
        _ => None,
    };
    own.or_else(|| Method::of(value, key).map(|method| Value::Function(Function::Method(method))))
        .unwrap_or_default()
}

/// The UTF-16 unit at an index; half of a surrogate pair reads as U+FFFD, because Rust text cannot hold it.
fn character(text: &str, index: usize) -> Option<Value> {
    let unit = text.encode_utf16().nth(index)?;
    Some(Value::from(String::from_utf16_lossy(&[unit])))
}

/// Adds the columns that a template's path reads through arrays, so that `get` finds them.
///
/// For every array on the way whose next segment is neither all digits nor a truthy property of the array,
/// the property becomes that of every item, flattened by one level (`appendArrayColumn` in
/// `packages/core/evaluators/src/utils/index.ts`). Throws the TypeError of reading a property of null.
pub fn append_array_columns(root: impl Fn(&str) -> Value, path: &str) -> Result<(), Thrown> {
    let mut segments = path.split('.');
    let mut current = segments.next().map(root).unwrap_or_default();
    for segment in segments {
        if current.is_nullish() {
            return Ok(());
        }
        if let Value::Array(array, _) = &current {
            let digits = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
            if !digits && !property(&current, segment).is_truthy() {
                let column = column(array.items(), segment)?;
                // Setting `length` to an empty list sets it to 0, which it already is.
                if segment != "length" {
                    current.set_column(segment, column);
                }
            }
        }
        current = property(&current, segment);
    }
    Ok(())
}

fn column(items: &[Value], name: &str) -> Result<Value, Thrown> {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let value = match item {
            Value::Null | Value::Undefined => {
                return Err(Thrown::reading(item, name));
            }
            item => property(item, name),
        };
        match value {
            Value::Array(inner, _) => values.extend(inner.items().iter().cloned()),
            value => values.push(value),
        }
    }
    Ok(Value::array(values))
}

/// lodash's `stringToPath`.
fn segments(text: &str) -> Vec<Str> {
    let mut out: Vec<Str> = Vec::new();
    if text.is_empty() {
        return vec!["".into()];
    }
    if text.starts_with('.') {
        out.push("".into());
    }
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !matches!(first, '.' | '[' | ']') {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
            out.push(rest[..end].into());
            rest = &rest[end..];
        } else if let Some((segment, after)) = bracketed(rest) {
            out.push(segment.into());
            rest = after;
        } else {
            if is_empty_segment(rest) {
                out.push("".into());
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// `[12]` or `["a.b"]` at the start of `text`, and what follows it.
fn bracketed(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('[')?;
    let quote = inner.chars().next()?;
    if quote != '"' && quote != '\'' {
        let (number, after) = inner.split_at(number_length(inner)?);
        return after.strip_prefix(']').map(|after| (number.to_owned(), after));
    }
    let mut segment = String::new();
    let mut chars = inner.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => segment.push(chars.next()?.1),
            c if c == quote => {
                return inner[i + 1..].strip_prefix(']').map(|after| (segment, after));
            }
            c => segment.push(c),
        }
    }
    None
}

/// The length of `12`, `-3` or `1.5` at the start of a text.
fn number_length(text: &str) -> Option<usize> {
    let whole = |start: usize| {
        let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then_some(start + digits)
    };
    let end = whole(usize::from(text.starts_with('-')))?;
    let fraction = text[end..].starts_with('.').then(|| whole(end + 1)).flatten();
    Some(fraction.unwrap_or(end))
}

/// Whether nothing stands between this separator and the next one or the end: `a..b`, `a.`, `a[]`.
fn is_empty_segment(text: &str) -> bool {
    let after = text.strip_prefix('.').or_else(|| text.strip_prefix("[]"));
    after.is_some_and(|after| after.is_empty() || after.starts_with('.') || after.starts_with("[]"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json;
    use super::*;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    #[test]
    fn paths_are_split_as_lodash_splits_them() {
        let cases: [(&str, &[&str]); 10] = [
            ("a.b", &["a", "b"]),
            ("a[0].b", &["a", "0", "b"]),
            ("a..b", &["a", "", "b"]),
            ("a.", &["a", ""]),
            (".a", &["", "a"]),
            ("[\"a.b\"].c", &["a.b", "c"]),
            ("a['it\\'s']", &["a", "it's"]),
            ("a[b]", &["a", "b"]),
            ("a[]", &["a", ""]),
            ("", &[""]),
        ];
        for (text, expected) in cases {
            let found: Vec<String> = segments(text).iter().map(|s| s.to_string()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn get_walks_as_lodash_does() {
        let root = value(r#"{"a.b":1,"a":{"b":2,"n":null},"l":[{"v":1},{"v":2}],"s":"x😀"}"#);
        let cases = [
            ("a.b", "1"),
            ("a[\"b\"]", "2"),
            ("a.n", "null"),
            ("a.n.x", "undefined"),
            ("l[1].v", "2"),
            ("l.length", "2"),
            ("s.length", "3"),
            ("s.0", "\"x\""),
            ("nope.x", "undefined"),
        ];
        for (path, expected) in cases {
            let found = Path::parse(path).get(&root);
            let text = json::stringify(&found).unwrap_or_else(|| "undefined".into());
            assert_eq!(text, expected, "{path}");
        }
    }

    #[test]
    fn columns_flatten_one_level_per_array() {
        let root = value(r#"{"l":[{"q":[{"z":1},{"z":2}]},{"q":[{"z":3}]}]}"#);
        append_array_columns(|key| property(&root, key), "l.q.z").expect("no null on the way");
        let found = Path::parse("l.q.z").get(&root);
        assert_eq!(json::stringify(&found).as_deref(), Some("[1,2,3]"));
    }

    /// Of 100,000 and more of these no part is read again and again.
    #[test]
    fn long_paths_are_split_in_one_go() {
        for part in ["[", "]", "[\"", "[1", "[-1.", "[1]", "['a']", ".", "a["] {
            let text = part.repeat(300_000);
            assert!(segments(&text).len() <= text.len() + 1, "{part}");
        }
    }

    #[test]
    fn a_null_item_throws() {
        let root = value(r#"{"l":[{"v":1},null]}"#);
        let thrown = append_array_columns(|key| property(&root, key), "l.v").expect_err("null item");
        assert_eq!(thrown.message, "Cannot read properties of null (reading 'v')");
    }

    proptest! {
        #[test]
        fn any_path_reads_something_or_nothing(path in ".{0,40}", json in "[\\[\\]{}\":,a-c0-9]{0,30}") {
            let root = json::parse(json.as_bytes()).unwrap_or_default();
            let _ = Path::parse(&path).get(&root);
            let _ = append_array_columns(|key| property(&root, key), &path);
        }
    }
}
