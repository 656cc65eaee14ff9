//! `JSON.parse` and `JSON.stringify`.
//!
//! Two things are refused that JavaScript accepts, both with an error: nesting deeper than 128 levels and
//! escapes of half a surrogate pair (`"\ud800"`), which Rust text cannot hold.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use entity::write_number;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::lengths::{Lengths, SHORT};
use super::members::Filling;
use super::twin::Empties;
use super::{Array, Date, Object, Str, Value};

/// Parses a JSON text as `JSON.parse` does: numbers become doubles, of equal keys the last one counts.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let reading = Reading::of(text, None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = reading.deserialize(&mut deserializer)?;
    deserializer.end().map(|()| value)
}

/// What a text that somebody else has sent may become.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The most values, those of arrays and objects included.
    pub values: usize,
    /// Asked for so many more bytes of memory, again and again while values are made; `false` ends the
    /// parsing.
    pub take: &'a dyn Fn(usize) -> bool,
}

/// Why a text was not parsed within its limits.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It says what was expected and where, and nothing of what was found.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    #[error("more than {0} values")]
    TooManyValues(usize),
    #[error("the values take more memory than there is")]
    OutOfMemory,
}

/// [`parse`] for a text of unknown origin: small texts can become large values.
pub fn parse_within(text: &[u8], limits: Limits<'_>) -> Result<Value, Fault> {
    let reading = Reading::of(text, Some(limits));
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = reading.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    reading.finish(parsed)
}

/// The same for several values one after the other, as in newline-delimited JSON: an array of them.
pub fn parse_all_within(text: &[u8], limits: Limits<'_>) -> Result<Value, Fault> {
    let reading = Reading::of(text, Some(limits));
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut items = Vec::new();
    // What is left is looked at, not taken.
    let parsed = loop {
        if deserializer.end().is_ok() {
            break Ok(Value::array(items));
        }
        match reading.deserialize(&mut deserializer) {
            Ok(item) => items.push(item),
            Err(err) => break Err(err),
        }
    };
    reading.finish(parsed)
}

/// `JSON.stringify(value)`: `None` where that is `undefined`.
pub fn stringify(value: &Value) -> Option<String> {
    if is_left_out(value) {
        return None;
    }
    // Most have room in that: so it need not grow several times.
    let mut out = String::with_capacity(64);
    write(&mut out, value);
    Some(out)
}

/// `JSON.stringify(value ?? null)`.
pub fn stringify_or_null(value: &Value) -> String {
    stringify(value).unwrap_or_else(|| "null".to_owned())
}

fn is_left_out(value: &Value) -> bool {
    matches!(value, Value::Undefined | Value::Function(_))
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Undefined | Value::Null | Value::Function(_) => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, *number),
        Value::Text(text) => write_text(out, text),
        Value::Date(date) => match date.to_iso() {
            Some(iso) => write_text(out, &iso),
            None => out.push_str("null"),
        },
        Value::Array(array, _) => {
            out.push('[');
            for (i, item) in array.items().iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(object, _) => write_object(out, object),
        Value::Live(live) => write_object(out, &live.object()),
    }
}

fn write_object(out: &mut String, object: &Object) {
    out.push('{');
    let members = object.iter().filter(|(_, value)| !is_left_out(value));
    for (i, (key, value)) in members.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

/// A quoted text with the escapes of `JSON.stringify`: control characters, `"` and `\`, nothing else.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[written..i]);
        written = i + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            _ => out.push_str(&format!("\\u{byte:04x}")),
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
}

impl Date {
    /// `toISOString`: `2026-11-22T01:02:03.456Z`; `None` for an invalid date.
    pub fn to_iso(self) -> Option<String> {
        let time = self.to_chrono()?;
        let year = chrono::Datelike::year(&time);
        let rest = time.format("-%m-%dT%H:%M:%S%.3fZ");
        Some(match year {
            0..=9999 => format!("{year:04}{rest}"),
            _ => format!("{year:+07}{rest}"),
        })
    }

    pub fn to_chrono(self) -> Option<chrono::DateTime<chrono::Utc>> {
        // 100 million days around 1970 are all that a JavaScript date reaches (ECMA-262, time range).
        const LIMIT: f64 = 8.64e15;
        if self.0.is_nan() || self.0.abs() > LIMIT {
            return None;
        }
        chrono::DateTime::from_timestamp_millis(self.0 as i64)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::default().deserialize(deserializer)
    }
}

/// What a value takes where it stands, in an array or beside its key: 16 or 24 bytes, and some more while what holds it
/// grows.
const PLACE: usize = 32;
/// What an allocation takes beside the text in it.
const ALLOCATION: usize = 32;
/// What is asked for at once.
const INSTALMENT: usize = 64 << 10;
/// So many different keys and short texts are kept once however often they occur; there are rarely more.
const MAX_SHARED: usize = 8192;
/// Longer keys are rarely repeated.
const MAX_SHARED_KEY: usize = 64;
/// Longer texts are rarely repeated, and are worth the memory of their own.
const MAX_SHARED_TEXT: usize = 8;

/// What a value takes in memory, much as [`parse_within`] counts it. Parts that are shared count each time.
pub fn weight(value: &Value) -> usize {
    let parts = match value {
        Value::Text(text) => ALLOCATION + text.len(),
        Value::Array(array, _) if !array.items().is_empty() => {
            2 * ALLOCATION + array.items().iter().map(weight).sum::<usize>()
        }
        Value::Object(object, _) if !object.is_empty() => {
            2 * ALLOCATION + object.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>()
        }
        _ => 0,
    };
    PLACE + parts
}

/// One text that is being read.
#[derive(Default)]
struct Reading<'a> {
    limits: Option<Limits<'a>>,
    values: Cell<usize>,
    /// Bytes that were not asked for yet.
    owed: Cell<usize>,
    exceeded: Cell<Option<Fault>>,
    shared: RefCell<HashSet<Str>>,
    empties: Empties,
    lengths: RefCell<Lengths>,
    /// What items and members were gathered in that are where they belong by now.
    items: RefCell<Vec<Vec<Value>>>,
    members: RefCell<Vec<Filling<Value>>>,
}

impl<'a> Reading<'a> {
    fn of(text: &[u8], limits: Option<Limits<'a>>) -> Self {
        Self { limits, lengths: Lengths::of(text).into(), ..Self::default() }
    }

    /// Counts a value of so many bytes beside its place.
    fn count<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let Some(limits) = &self.limits else { return Ok(()) };
        self.values.set(self.values.get() + 1);
        self.owed.set(self.owed.get() + PLACE + bytes);
        if self.values.get() > limits.values {
            self.exceeded.set(Some(Fault::TooManyValues(limits.values)));
        } else if self.owed.get() < INSTALMENT || self.pay() {
            return Ok(());
        } else {
            self.exceeded.set(Some(Fault::OutOfMemory));
        }
        Err(E::custom("a limit is exceeded"))
    }

    /// Counts what items or members are in.
    fn keep(&self) {
        self.owed.set(self.owed.get() + 2 * ALLOCATION);
    }

    /// Adds the items of an array.
    fn visit_items<'de, A: SeqAccess<'de>>(
        &self,
        mut seq: A,
        mut items: Vec<Value>,
    ) -> Result<Vec<Value>, A::Error> {
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        if !items.is_empty() {
            self.keep();
        }
        Ok(items)
    }

    /// What came of a text.
    fn finish(&self, parsed: Result<Value, serde_json::Error>) -> Result<Value, Fault> {
        match (self.exceeded.take(), parsed) {
            (Some(fault), _) => Err(fault),
            (None, Err(err)) => Err(Fault::Syntax(err)),
            (None, Ok(_)) if !self.pay() => Err(Fault::OutOfMemory),
            (None, Ok(value)) => Ok(value),
        }
    }

    fn pay(&self) -> bool {
        let owed = self.owed.take();
        self.limits.is_none_or(|limits| (limits.take)(owed))
    }

    fn key(&self, text: &str) -> Str {
        self.once(text, MAX_SHARED_KEY, || self.owed.set(self.owed.get() + ALLOCATION + text.len()))
    }

    /// A text that is kept once if it is not longer than this. What is `new` is told.
    fn once(&self, text: &str, longest: usize, new: impl FnOnce()) -> Str {
        if text.len() > longest {
            new();
            return text.into();
        }
        let mut shared = self.shared.borrow_mut();
        if let Some(known) = shared.get(text) {
            return known.clone();
        }
        new();
        let text = Str::from(text);
        if shared.len() < MAX_SHARED {
            shared.insert(text.clone());
        }
        text
    }
}

impl<'de> DeserializeSeed<'de> for &Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.count(0).map(|()| Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        self.count(0).map(|()| Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        self.count(0).map(|()| Value::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.count(ALLOCATION + text.len()).map(|()| Value::Text(self.once(text, MAX_SHARED_TEXT, || {})))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        self.count(0)?;
        let length = self.lengths.borrow_mut().next();
        if let Some(length) = length {
            let most = self.limits.as_ref().map_or(length, |limits| limits.values.min(length));
            return self.visit_items(seq, Vec::with_capacity(most)).map(Value::array);
        }
        let gathered = self.items.borrow_mut().pop().unwrap_or_default();
        let mut items = self.visit_items(seq, gathered)?;
        if items.is_empty() {
            self.items.borrow_mut().push(items);
            return Ok(self.empties.array());
        }
        if items.len() > SHORT {
            return Ok(Value::array(items));
        }
        let array = Array::from(items.drain(..).collect::<Box<[Value]>>());
        self.items.borrow_mut().push(items);
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.count(0)?;
        let mut filling = self.members.borrow_mut().pop().unwrap_or_default();
        while let Some(key) = map.next_key_seed(Key(self))? {
            filling.insert(key, map.next_value_seed(self)?);
        }
        let object = filling.take();
        self.members.borrow_mut().push(filling);
        if object.is_empty() {
            return Ok(self.empties.object());
        }
        self.keep();
        Ok(object.into())
    }
}

/// Reads the key of a member.
struct Key<'r, 'a>(&'r Reading<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Str, E> {
        Ok(self.0.key(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_written_as_javascript_writes_them() {
        let cases = [
            (r#"{"b":1.0,"2":-0,"1":1e21}"#, r#"{"1":1e+21,"2":0,"b":1}"#),
            (r#"["\u0000\u001f\u2028/é😀"]"#, "[\"\\u0000\\u001f\u{2028}/é😀\"]"),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            ("9007199254740993", "9007199254740992"),
        ];
        for (input, output) in cases {
            let value = parse(input.as_bytes()).expect(input);
            assert_eq!(stringify(&value).as_deref(), Some(output), "{input}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_out_of_objects_and_null_in_arrays() {
        let value = Value::object([
            ("gone", Value::Undefined),
            ("list", Value::array(vec![Value::Undefined, Value::Number(f64::NAN)])),
            ("at", Value::Date(Date(0.0))),
        ]);
        assert_eq!(
            stringify(&value).as_deref(),
            Some(r#"{"list":[null,null],"at":"1970-01-01T00:00:00.000Z"}"#)
        );
        assert_eq!(stringify(&Value::Undefined), None);
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_million_index_keys_are_read_in_descending_order() {
        let members: Vec<String> = (0..1_000_000).rev().map(|i| format!("\"{i}\":1")).collect();
        let value = parse(format!("{{{}}}", members.join(",")).as_bytes()).expect("JSON");
        let object = value.as_object().expect("an object");
        assert_eq!(object.len(), 1_000_000);
        assert_eq!(object.iter().take(3).map(|(key, _)| &**key).collect::<Vec<_>>(), ["0", "1", "2"]);
    }

    #[test]
    fn a_text_is_parsed_within_its_limits_or_not_at_all() {
        let memory = Cell::new(0);
        let within = |text: &str, values: usize, bytes: usize| {
            memory.set(0);
            let take = |more: usize| {
                memory.set(memory.get() + more);
                memory.get() <= bytes
            };
            parse_within(text.as_bytes(), Limits { values, take: &take })
        };
        let text = r#"{"a":[1,"b",null,{}],"a2":true}"#;
        assert_eq!(stringify(&within(text, 7, 4096).expect("within its limits")).as_deref(), Some(text));
        let used = memory.get();
        assert!(used > text.len());
        assert!(matches!(within(text, 6, 4096), Err(Fault::TooManyValues(6))));
        assert!(matches!(within(text, 7, used - 1), Err(Fault::OutOfMemory)));
        assert!(matches!(within("[1,]", 7, 4096), Err(Fault::Syntax(_))));
        assert!(matches!(within("[1]2", 7, 4096), Err(Fault::Syntax(_))));
        // It ends before the memory is used up many times over.
        let large = format!("[{}{{}}]", "{},".repeat(100_000));
        assert!(matches!(within(&large, usize::MAX, 1 << 20), Err(Fault::OutOfMemory)));
        assert!(memory.get() < 2 << 20, "{}", memory.get());
    }

    #[test]
    fn keys_that_repeat_are_kept_once() {
        let value = parse(br#"[{"name":1},{"name":2}]"#).expect("JSON");
        let items = value.as_array().expect("an array").items();
        let key =
            |i: usize| items[i].as_object().and_then(|one| one.iter().next()).expect("a member").0.clone();
        assert!(Str::ptr_eq(&key(0), &key(1)));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = parse(&bytes) {
                let text = stringify(&value).expect("parsed values are JSON");
                let again = parse(text.as_bytes()).expect("own output parses");
                prop_assert_eq!(stringify(&again), Some(text));
            }
        }

        #[test]
        fn numbers_survive(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let text = stringify(&Value::Number(number)).expect("a number");
            let back = parse(text.as_bytes()).expect("own output parses");
            prop_assert_eq!(back.as_number(), Some(if number == 0.0 { 0.0 } else { number }));
        }
    }
}
