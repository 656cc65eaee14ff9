//! Query strings and forms, nested as NocoBase's npm package `qs` nests them.
//!
//! The behaviour is that of `parse` in qs 6.17.1 with its default options, which an installation of NocoBase
//! 2.2.15 resolves to (`^6.9.4` in `@nocobase/resourcer`, `^6.5.2` in the `co-body` of its body parser): five
//! levels of brackets, the first 1,000 parameters, lists of up to 20. Nothing is an error: what exceeds a
//! limit takes another shape, and a name that `Object.prototype` has is dropped with its value.

use indexmap::IndexMap;
use percent_encoding::{percent_decode, percent_decode_str};

use super::media_type::Charset;
use crate::expr::Value;
use crate::expr::convert::number_to_text;
use crate::field;

/// How many brackets of a name count; the rest of the name is one more key, brackets included.
const DEPTH: usize = 5;
/// How many parameters are read.
const PARAMETERS: usize = 1000;
/// How many items a list has before it becomes an object with the indices as keys.
const LIST: usize = 20;
/// The own properties of `Object.prototype`: a parameter that would hide one is ignored.
const PROTOTYPE: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// The query string of a URL, without `?`, as an object of texts, arrays and objects.
pub fn parse_query(text: &str) -> Value {
    nest(parameters(text, decode))
}

/// The body of a form. Unlike in a query string a dot nests as brackets do (`a.b=1` is `a[b]=1`), because
/// `co-body` switches `allowDots` on.
pub(super) fn parse_form(bytes: &[u8], charset: Charset) -> Value {
    let parameters = if charset.is_utf8() {
        parameters(&charset.decode(bytes), decode)
    } else {
        // One character per byte: escaped or not, it is the bytes of a name or value that are text.
        parameters(&field::latin1(bytes), |text| decode_in(charset, text))
    };
    nest(parameters.into_iter().map(|(name, texts)| (dots_to_brackets(&name), texts)))
}

fn nest(parameters: impl IntoIterator<Item = (String, Vec<String>)>) -> Value {
    let mut root = Table::default();
    for (name, texts) in parameters {
        let Some(steps) = steps(&name) else { continue };
        match steps.into_iter().rev().fold(Part::of_texts(texts), Part::within) {
            // Every name has a step, so this is never a bare text.
            Part::Text(_) => {}
            Part::List(list) => root.absorb(list.into_table(None)),
            Part::Table(table) => root.absorb(table),
        }
    }
    Part::Table(root).into_value()
}

/// The decoded names with all values that were given under them, in the order in which JavaScript would list
/// them as keys.
fn parameters(text: &str, decode: impl Fn(&str) -> String) -> Vec<(String, Vec<String>)> {
    let text = text.replace("%5B", "[").replace("%5b", "[").replace("%5D", "]").replace("%5d", "]");
    let mut found: IndexMap<String, Vec<String>> = IndexMap::new();
    for part in text.split('&').take(PARAMETERS) {
        // Brackets may hold a `=` themselves, so the end of a bracket is looked for first.
        let end = part.find("]=").map(|bracket| bracket + 1).or_else(|| part.find('='));
        let (name, value) = end.map_or((part, ""), |end| (&part[..end], &part[end + 1..]));
        if !name.is_empty() {
            found.entry(decode(name)).or_default().push(decode(value));
        }
    }
    let mut parameters: Vec<_> = found.into_iter().collect();
    parameters.sort_by_key(|(name, _)| key_order(name));
    parameters
}

/// Sorts array indices to the front and leaves all other keys in their order.
fn key_order(key: &str) -> u32 {
    index(key).filter(|index| *index < f64::from(u32::MAX)).map_or(u32::MAX, |index| index as u32)
}

/// `+` as a space and escapes decoded; with a broken escape among them, or bytes that are no UTF-8, all
/// escapes of the text stay as they are.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_escape) {
        return text;
    }
    match percent_decode_str(&text).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        Err(_) => text,
    }
}

/// The same in another charset, for a text of one character per byte. Broken escapes stay as they are.
fn decode_in(charset: Charset, text: &str) -> String {
    let bytes = field::bytes(&text.replace('+', " ")).unwrap_or_default();
    charset.decode(&percent_decode(&bytes).collect::<Vec<u8>>()).into_owned()
}

/// `a.b.c` as `a[b][c]`. A dot stays inside brackets, at the end, and before another dot or a bracket.
fn dots_to_brackets(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 1);
    let mut depth = 0usize;
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        match first {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 && !after.is_empty() && !after.starts_with(['.', '[']) => {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                out.extend(["[", &after[..end], "]"]);
                rest = &after[end..];
                continue;
            }
            _ => {}
        }
        out.push(first);
        rest = after;
    }
    out
}

/// One level of a name.
enum Step<'a> {
    /// `[]`
    Append,
    /// `[3]`
    Index(f64),
    Key(&'a str),
}

/// `a[b][]` as the key `a`, the key `b` and an append; `None` when the parameter is to be ignored.
fn steps(name: &str) -> Option<Vec<Step<'_>>> {
    let (parent, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut steps = Vec::new();
    if !parent.is_empty() {
        steps.push(Step::Key(unprotected(parent)?));
    }
    for _ in 0..DEPTH {
        // Whatever stands between a closing and the next opening bracket is skipped.
        let Some(start) = rest.find('[') else { return Some(steps) };
        rest = &rest[start..];
        let Some(end) = group_end(rest) else { break };
        let content = unprotected(&rest[1..end])?;
        steps.push(match index(content) {
            _ if content.is_empty() => Step::Append,
            Some(index) => Step::Index(index),
            None => Step::Key(content),
        });
        rest = &rest[end + 1..];
    }
    if let Some(start) = rest.find('[') {
        steps.push(Step::Key(&rest[start..]));
    }
    Some(steps)
}

fn unprotected(key: &str) -> Option<&str> {
    (!PROTOTYPE.contains(&key)).then_some(key)
}

/// Where the bracket at the start of `text` is closed, counting the brackets inside.
fn group_end(text: &str) -> Option<usize> {
    let mut level = 0;
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => level += 1,
            b']' if level == 1 => return Some(i),
            b']' => level -= 1,
            _ => {}
        }
    }
    None
}

/// A key that is a whole number as JavaScript would write it.
fn index(key: &str) -> Option<f64> {
    // Texts such as `inf`, which Rust takes for numbers, have no place here.
    let digits = key.bytes().all(|byte| byte.is_ascii_digit());
    let number: f64 = key.parse().ok().filter(|_| digits)?;
    (number_to_text(number) == key).then_some(number)
}

/// A value while parameters are still added to it.
enum Part {
    Text(String),
    List(List),
    Table(Table),
}

/// An array. It has gaps until the end (`a[2]=x` alone), because later parameters can fill them.
#[derive(Default)]
struct List {
    slots: Vec<Option<Part>>,
    /// Whether it came to be because an object and a text had one name.
    wrapped: bool,
}

/// An object.
#[derive(Default)]
struct Table {
    members: IndexMap<String, Part>,
    /// The largest index, of an object that stands for an array: a text that meets it goes behind that.
    last: Option<f64>,
}

impl Default for Part {
    fn default() -> Self {
        Part::Text(String::new())
    }
}

impl Part {
    /// All values given under one name.
    fn of_texts(mut texts: Vec<String>) -> Self {
        match texts.len() {
            1 => Part::Text(texts.swap_remove(0)),
            count => List::of(texts.into_iter().map(Part::Text)).limited(count),
        }
    }

    /// This value one level deeper.
    fn within(self, step: Step<'_>) -> Self {
        match (step, self) {
            // A list below `[]` is that list, also where it is too long to be one.
            (Step::Append, list @ Part::List(_)) => list,
            (Step::Append, Part::Table(table)) if table.last.is_some() => Part::Table(table),
            (Step::Append, part) => Part::List(List::of([part])),
            (Step::Index(index), part) if index < LIST as f64 => {
                let mut list = List::default();
                list.set(index as usize, part);
                Part::List(list)
            }
            (Step::Index(index), part) => Part::Table(Table::of(number_to_text(index), part, Some(index))),
            (Step::Key(key), part) => Part::Table(Table::of(key.to_owned(), part, None)),
        }
    }

    fn is_text(&self) -> bool {
        matches!(self, Part::Text(_))
    }

    /// Takes in what a later parameter gives under the same name.
    fn merge(&mut self, later: Part) {
        *self = match (std::mem::take(self), later) {
            (part, Part::Text(text)) if text.is_empty() => part,
            (Part::Table(table), text @ Part::Text(_)) => table.followed_by(text),
            (Part::List(list), text @ Part::Text(_)) => list.followed_by(text),
            (text @ Part::Text(_), Part::List(list)) => list.preceded_by(text),
            (text @ Part::Text(_), Part::Table(table)) if table.last.is_some() => table.preceded_by(text),
            (text @ Part::Text(_), later) => Part::List(List::of([text, later])),
            (Part::List(list), Part::List(later)) => list.merged(later),
            (Part::List(list), Part::Table(later)) => {
                let last = list.wrapped.then_some(list.slots.len().saturating_sub(1));
                list.into_table(last).merged(later)
            }
            (Part::Table(table), Part::List(later)) => table.merged(later.into_table(None)),
            (Part::Table(table), Part::Table(later)) => table.merged(later),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Part::Text(text) => Value::from(text),
            Part::List(list) => {
                Value::array(list.slots.into_iter().flatten().map(Part::into_value).collect())
            }
            Part::Table(table) => {
                Value::object(table.members.into_iter().map(|(key, part)| (key, part.into_value())))
            }
        }
    }
}

impl List {
    fn of(items: impl IntoIterator<Item = Part>) -> Self {
        Self { slots: items.into_iter().map(Some).collect(), wrapped: false }
    }

    fn set(&mut self, index: usize, part: Part) {
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(part);
    }

    fn followed_by(mut self, text: Part) -> Part {
        self.slots.push(Some(text));
        let count = self.slots.iter().flatten().count();
        self.limited(count)
    }

    fn preceded_by(mut self, text: Part) -> Part {
        self.slots.insert(0, Some(text));
        // Here qs counts the gaps too.
        let count = self.slots.len();
        self.limited(count)
    }

    /// Place by place: two of which none is a text become one, a second one beside a text goes to the end.
    fn merged(mut self, later: List) -> Part {
        for (i, item) in later.slots.into_iter().enumerate() {
            let Some(item) = item else { continue };
            match self.slots.get_mut(i) {
                Some(Some(part)) if !part.is_text() && !item.is_text() => part.merge(item),
                Some(Some(_)) => self.slots.push(Some(item)),
                _ => self.set(i, item),
            }
        }
        let count = self.slots.iter().flatten().count();
        self.limited(count)
    }

    /// The list, or the object that stands for it when `count` items are too many.
    fn limited(self, count: usize) -> Part {
        let last = self.slots.len().saturating_sub(1);
        if count > LIST { Part::Table(self.into_table(Some(last))) } else { Part::List(self) }
    }

    fn into_table(self, last: Option<usize>) -> Table {
        let slots = self.slots.into_iter().enumerate();
        let members = slots.filter_map(|(i, part)| Some((i.to_string(), part?))).collect();
        Table { members, last: last.map(|last| last as f64) }
    }
}

impl Table {
    fn of(key: String, part: Part, last: Option<f64>) -> Self {
        Self { members: IndexMap::from([(key, part)]), last }
    }

    fn followed_by(mut self, text: Part) -> Part {
        let Some(last) = self.last else {
            return Part::List(List { wrapped: true, ..List::of([Part::Table(self), text]) });
        };
        self.members.insert(number_to_text(last + 1.0), text);
        self.last = Some(last + 1.0);
        Part::Table(self)
    }

    /// A text before what stands for an array: all indices move up by one.
    fn preceded_by(self, text: Part) -> Part {
        let mut members = IndexMap::from([("0".to_owned(), text)]);
        for (key, part) in self.members {
            members.extend(index(&key).map(|index| (number_to_text(index + 1.0), part)));
        }
        Part::Table(Table { members, last: self.last.map(|last| last + 1.0) })
    }

    fn merged(mut self, later: Table) -> Part {
        self.absorb(later);
        Part::Table(self)
    }

    /// Member by member.
    fn absorb(&mut self, later: Table) {
        if let (None, Some(last)) = (self.last, later.last) {
            self.last = Some(self.members.keys().filter_map(|key| index(key)).fold(last, f64::max));
        }
        for (key, part) in later.members {
            if let (Some(last), Some(index)) = (self.last, index(&key)) {
                self.last = Some(last.max(index));
            }
            match self.members.get_mut(&key) {
                Some(member) => member.merge(part),
                None => drop(self.members.insert(key, part)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    const RECORDED: &str = include_str!("qs/recorded.txt");

    /// The recorded texts of a section with their outcomes.
    fn recorded(section: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
        let (_, rest) = RECORDED.split_once(section).expect("the section");
        let lines = rest.lines().skip(1).take_while(|line| !line.is_empty());
        lines.map(|line| line.split_once('\t').expect("a text and its outcome"))
    }

    fn text(value: &Value) -> String {
        json::stringify(value).expect("an object is JSON")
    }

    fn items(count: usize) -> String {
        (0..count).map(|i| format!("a[]={i}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn query_strings_nest_as_in_qs() {
        assert_eq!(recorded("[query]").count(), 99);
        for (query, expected) in recorded("[query]") {
            assert_eq!(text(&parse_query(query)), expected, "{query}");
        }
    }

    #[test]
    fn forms_nest_at_dots_too() {
        assert_eq!(recorded("[form]").count(), 14);
        for (form, expected) in recorded("[form]") {
            assert_eq!(text(&parse_form(form.as_bytes(), Charset::UTF_8)), expected, "{form}");
        }
    }

    #[test]
    fn a_list_of_more_than_twenty_becomes_an_object() {
        assert_eq!(parse_query(&items(20)).member("a").as_array().map(|list| list.items().len()), Some(20));
        let long = parse_query(&format!("{}&a=z", items(21))).member("a");
        assert_eq!(long.as_object().map(|object| object.len()), Some(22));
        assert_eq!(long.member("20").as_str(), Some("20"));
        assert_eq!(long.member("21").as_str(), Some("z"));
    }

    #[test]
    fn parameters_after_the_thousandth_are_not_read() {
        let query = (0..1002).map(|i| format!("k{i}=")).collect::<Vec<_>>().join("&");
        assert_eq!(parse_query(&query).as_object().map(|object| object.len()), Some(1000));
    }

    #[test]
    fn names_and_values_of_a_form_are_in_its_charset() {
        let form = |label: &str, bytes: &[u8]| {
            text(&parse_form(bytes, Charset::of_label(label).expect("a known label")))
        };
        assert_eq!(form("gbk", b"%C4%E3.a=%BA%C3+x&b=\xba\xc3"), r#"{"你":{"a":"好 x"},"b":"好"}"#);
        // The second byte of a character may be a bracket.
        assert_eq!(form("big5", b"%A4%5B=1"), r#"{"久":"1"}"#);
        assert_eq!(form("windows-1252", b"a=%zz%ED"), r#"{"a":"%zzí"}"#);
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_an_object(text in "\\PC*") {
            prop_assert!(parse_query(&text).as_object().is_some());
            prop_assert!(parse_form(text.as_bytes(), Charset::UTF_8).as_object().is_some());
        }

        #[test]
        fn any_mixture_of_brackets_is_read_as_an_object(
            text in "((a|b|\\[\\]|\\[b\\]|\\[[0-9]{1,2}\\]|\\[|\\]|\\.|%5[bBdD]|%C3)(=x?)?&?){0,60}",
        ) {
            prop_assert!(parse_query(&text).as_object().is_some());
            prop_assert!(parse_form(text.as_bytes(), Charset::UTF_8).as_object().is_some());
        }

        #[test]
        fn plain_values_survive(value in "[a-z0-9 ]{1,20}") {
            let found = parse_query(&format!("name={}", value.replace(' ', "+"))).member("name");
            prop_assert_eq!(found.as_str(), Some(&*value));
        }
    }
}
