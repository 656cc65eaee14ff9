//! `sequence` fields: numbers, dates and random characters in a row, counted in NocoBase's table `sequences`
//! (`plugin-field-sequence`).

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use regex::Regex;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend};

use super::super::field::Field;
use super::super::row;
use super::error::{Violation, invalid};
use super::generated::random_text;
use super::instance::Instance;
use super::writer::Writer;
use crate::expr::convert::{to_number, to_text};
use crate::expr::dayjs::date_text;
use crate::expr::{Date, Thrown, Value};

const DIGITS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
const CHARSETS: [(&str, &str); 4] = [
    ("number", "0123456789"),
    ("lowercase", "abcdefghijklmnopqrstuvwxyz"),
    ("uppercase", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("symbol", "!@#$%^&*_-+"),
];

/// A part of the value: its type and options.
struct Pattern {
    kind: String,
    options: Value,
}

/// The options of a counted part.
struct Counter {
    digits: usize,
    start: i128,
    base: u32,
    cycle: Option<Cron>,
    key: Value,
}

/// A row of `sequences`.
struct Current {
    id: Value,
    number: Option<i128>,
    generated_at: Option<DateTime<Utc>>,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Refuses a value that somebody has given and that does not look like one of the sequence.
    pub(super) fn check_sequence(&self, instance: &Instance, field: &Field) -> Result<(), Thrown> {
        let value = instance.raw(&field.name);
        let is_checked = field.option("inputable").is_truthy() && field.option("match").is_truthy();
        if value.is_nullish() || !is_checked {
            return Ok(());
        }
        let matcher = matcher(&patterns(field)?)?;
        if value.as_str().is_some_and(|text| matcher.is_match(text)) {
            return Ok(());
        }
        let violation = Violation {
            message: format!(
                "input value of {} field not match the sequence pattern (/{matcher}/i) which is required",
                field.name
            ),
            kind: "validation error",
            path: field.name.to_string(),
            value,
            validator_key: "sequence_pattern_not_match",
        };
        let mut thrown = invalid(&[violation], instance, self.codec);
        thrown.message = "sequence pattern not match".to_owned();
        Err(thrown)
    }

    pub(super) async fn sequence(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        let patterns = patterns(field)?;
        let given = instance.raw(&field.name);
        if !given.is_nullish() && field.option("inputable").is_truthy() {
            return self.note_given(instance, field, &patterns, &given).await;
        }
        let mut text = String::new();
        for pattern in &patterns {
            text.push_str(&match pattern.kind.as_str() {
                "string" => to_text(&pattern.options.member("value"))?,
                "integer" => self.next_number(instance, field, &pattern.options).await?,
                "date" => self.date_part(instance, &pattern.options)?,
                _ => random_part(&pattern.options),
            });
        }
        instance.set(&field.name, Value::text(text), self.codec)
    }

    fn date_part(&self, instance: &Instance, options: &Value) -> Result<String, Thrown> {
        let name = match options.member("field") {
            Value::Text(name) => name,
            _ => "createdAt".into(),
        };
        let date = match instance.get(&name, self.codec) {
            Value::Undefined => self.now(),
            Value::Null => Date(f64::NAN),
            value => Date::of(&value)?,
        };
        let format = match options.member("format") {
            Value::Text(format) => format,
            _ => "YYYYMMDD".into(),
        };
        Ok(date_text(date, &format))
    }

    /// When the record was made, which decides about cycles.
    fn record_time(&self, instance: &Instance) -> DateTime<Utc> {
        let created_at = match instance.get("createdAt", self.codec) {
            Value::Date(date) => date.to_chrono(),
            _ => None,
        };
        created_at.or_else(|| self.now().to_chrono()).unwrap_or_default()
    }

    async fn next_number(
        &self,
        instance: &Instance,
        field: &Field,
        options: &Value,
    ) -> Result<String, Thrown> {
        let counter = Counter::parse(options)?;
        let time = self.record_time(instance);
        self.lock_collection(&instance.collection.name).await?;
        let last = self.current(instance, field, &counter).await?;
        let mut next = counter.start;
        if let Some(number) = last.as_ref().and_then(|last| last.number) {
            next = (number + 1).max(counter.start);
            if next > counter.greatest() || counter.has_ended(last.as_ref(), time) {
                next = counter.start;
            }
        }
        self.keep(instance, field, &counter, last.as_ref(), next, time).await?;
        Ok(counter.text(next))
    }

    /// A value from outside moves the counters on.
    async fn note_given(
        &self,
        instance: &Instance,
        field: &Field,
        patterns: &[Pattern],
        given: &Value,
    ) -> Result<(), Thrown> {
        let matcher = matcher(patterns)?;
        let Some(groups) = given.as_str().and_then(|text| matcher.captures(text)) else { return Ok(()) };
        let time = self.record_time(instance);
        for (place, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| pattern.kind == "integer") {
            let counter = Counter::parse(&pattern.options)?;
            let digits = groups.get(place + 1).map(|group| group.as_str()).unwrap_or_default();
            let Ok(number) = i128::from_str_radix(digits, counter.base) else { continue };
            self.lock_collection(&instance.collection.name).await?;
            let last = self.current(instance, field, &counter).await?;
            let known = last.as_ref().and_then(|last| last.number);
            if known.is_none_or(|known| number > known) || counter.has_ended(last.as_ref(), time) {
                self.keep(instance, field, &counter, last.as_ref(), number, time).await?;
            }
        }
        Ok(())
    }

    async fn current(
        &self,
        instance: &Instance,
        field: &Field,
        counter: &Counter,
    ) -> Result<Option<Current>, Thrown> {
        let sequences = self.collection("sequences")?;
        let column = |name: &str| Alias::new(sequences.field(name).map_or(name, |field| &*field.column));
        let mut select = Query::select();
        select
            .columns(["id", "current", "lastGeneratedAt"].map(column))
            .from(sequences.table.table_ref())
            .and_where(Expr::col(column("collection")).eq(&*instance.collection.name))
            .and_where(Expr::col(column("field")).eq(&*field.name))
            .order_by(column("id"), sea_orm::Order::Asc)
            .limit(1);
        match to_number(&counter.key) {
            _ if counter.key.is_nullish() => select.and_where(Expr::col(column("key")).is_null()),
            Ok(number) if !number.is_nan() => select.and_where(Expr::col(column("key")).eq(number as i64)),
            _ => return Err(Thrown::error("the key of a sequence has to be a number")),
        };
        if self.codec.backend() != DbBackend::Sqlite {
            select.lock_exclusive();
        }
        let rows = self.query(&select).await?;
        let Some(found) = rows.first() else { return Ok(None) };
        let read = |index| row::value(found, index, self.codec).map_err(|err| Thrown::error(err.to_string()));
        let number = match read(1)? {
            value if value.is_nullish() => None,
            value => to_text(&value)?.parse().ok(),
        };
        let generated_at = match read(2)? {
            Value::Date(date) => date.to_chrono(),
            Value::Text(text) => Date::parse(&text).to_chrono(),
            _ => None,
        };
        Ok(Some(Current { id: read(0)?, number, generated_at }))
    }

    async fn keep(
        &self,
        instance: &Instance,
        field: &Field,
        counter: &Counter,
        last: Option<&Current>,
        number: i128,
        time: DateTime<Utc>,
    ) -> Result<(), Thrown> {
        let sequences = self.collection("sequences")?;
        let number = Value::text(number.to_string());
        let time = Value::Date(Date(time.timestamp_millis() as f64));
        let mut row = match last {
            Some(last) => Instance::reference(&sequences, "id", last.id.clone(), self.codec)?,
            None => {
                let names = [
                    ("collection", Value::Text(instance.collection.name.clone())),
                    ("field", Value::Text(field.name.clone())),
                    ("key", counter.key.clone()),
                ];
                Instance::build(&sequences, &names.into_iter().collect(), self.codec)?
            }
        };
        row.set("current", number, self.codec)?;
        row.set("lastGeneratedAt", time, self.codec)?;
        Box::pin(self.save(&mut row, super::save::Save::default())).await
    }
}

impl Counter {
    fn parse(options: &Value) -> Result<Self, Thrown> {
        let number = |name: &str, default: f64| options.member(name).as_number().unwrap_or(default);
        let cycle = match options.member("cycle") {
            Value::Text(text) if !text.is_empty() => Some(parse_cycle(&text)?),
            _ => None,
        };
        Ok(Self {
            digits: number("digits", 1.0).clamp(1.0, 30.0) as usize,
            start: number("start", 0.0) as i128,
            base: number("base", 10.0).clamp(2.0, 36.0) as u32,
            cycle,
            key: options.member("key"),
        })
    }

    fn greatest(&self) -> i128 {
        let exponent = u32::try_from(self.digits).unwrap_or(u32::MAX);
        i128::from(self.base).checked_pow(exponent).map_or(i128::MAX, |end| end - 1)
    }

    /// Whether counting begins anew.
    fn has_ended(&self, last: Option<&Current>, time: DateTime<Utc>) -> bool {
        let (Some(cycle), Some(since)) = (&self.cycle, last.and_then(|last| last.generated_at)) else {
            return false;
        };
        let next = cycle.find_next_occurrence(&since.with_timezone(&chrono::Local), false);
        next.is_ok_and(|next| time >= next)
    }

    fn text(&self, number: i128) -> String {
        let (mut rest, base) = (number.unsigned_abs(), u128::from(self.base));
        let mut digits = Vec::new();
        while rest > 0 || digits.is_empty() {
            digits.extend(DIGITS.chars().nth((rest % base) as usize));
            rest /= base;
        }
        if number < 0 {
            digits.push('-');
        }
        let text: String = digits.into_iter().rev().collect();
        format!("{text:0>width$}", width = self.digits)
    }
}

fn parse_cycle(text: &str) -> Result<Cron, Thrown> {
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    parser.parse(text).map_err(|err| Thrown::error(err.to_string()))
}

fn patterns(field: &Field) -> Result<Vec<Pattern>, Thrown> {
    let none = || Thrown::error("at least one pattern should be defined for sequence type");
    let Value::Array(array, _) = field.option("patterns") else { return Err(none()) };
    if array.items().is_empty() {
        return Err(none());
    }
    let pattern = |item: &Value| {
        let kind = to_text(&item.member("type"))?;
        match kind.as_str() {
            "string" | "integer" | "date" | "randomChar" => {
                Ok(Pattern { kind, options: item.member("options") })
            }
            _ => Err(Thrown::error(format!("pattern type {kind} is not registered"))),
        }
    };
    array.items().iter().map(pattern).collect()
}

/// What values of the sequence look like, with a group for each part.
fn matcher(patterns: &[Pattern]) -> Result<Regex, Thrown> {
    let mut text = String::from("(?i)^");
    for Pattern { kind, options } in patterns {
        let part = match kind.as_str() {
            "string" => regex::escape(&to_text(&options.member("value"))?),
            "integer" => {
                let counter = Counter::parse(options)?;
                let digits = DIGITS.get(..counter.base as usize).unwrap_or(DIGITS);
                format!("[{digits}]{{{}}}", counter.digits)
            }
            "date" => {
                let format = options.member("format");
                format!(".{{{}}}", format.as_str().map_or(8, |format| format.encode_utf16().count()))
            }
            _ => format!("[{}]{{{}}}", regex::escape(&charset(options)), random_length(options)),
        };
        text.push_str(&format!("({part})"));
    }
    text.push('$');
    Regex::new(&text).map_err(|err| Thrown::error(err.to_string()))
}

fn random_part(options: &Value) -> String {
    let alphabet: Vec<char> = charset(options).chars().collect();
    random_text(&alphabet, random_length(options))
}

fn random_length(options: &Value) -> usize {
    match options.member("length").as_number() {
        Some(length) if length >= 1.0 => length.min(255.0) as usize,
        _ => 6,
    }
}

fn charset(options: &Value) -> String {
    let Value::Array(names, _) = options.member("charsets") else { return CHARSETS[0].1.to_owned() };
    let known = |name: &Value| CHARSETS.iter().find(|(known, _)| name.as_str() == Some(known));
    names.items().iter().filter_map(known).map(|(_, chars)| *chars).collect()
}
