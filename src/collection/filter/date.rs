//! Operands of the date operators: days, months, weeks, ranges and named periods as spans of time
//! (`packages/core/utils/src/parse-date.ts` and `dateRangeUtils.ts`).

use chrono::{
    DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc, Weekday,
};

use crate::expr::convert::{to_number, to_text};
use crate::expr::dayjs::Unit;
use crate::expr::{Date, Thrown, Value};

/// What an operand stands for: points in time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Span {
    Instant(f64),
    /// From the first to before the second.
    Range(f64, f64),
}

/// What operands are relative to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub now: DateTime<Utc>,
    /// The zone of operands that name none.
    pub zone: FixedOffset,
}

impl Span {
    /// `None` for what is no date at all.
    pub(super) fn parse(value: &Value, reference: Reference) -> Result<Option<Self>, Thrown> {
        if !value.is_truthy() {
            return Ok(None);
        }
        if value.member("type").is_truthy() {
            let [start, end] = period(value, reference)?;
            return between(&[start.into(), end.into()], "[]", reference).map(Some);
        }
        match value {
            Value::Array(items, _) => of_list(items.items(), reference),
            Value::Date(date) => instant(*date).map(Some),
            Value::Text(text) => of_text(text, reference),
            other => of_text(&to_text(other)?, reference),
        }
    }

    /// The two ends as NocoBase's operators take them from an array.
    pub(super) fn ends(self) -> (f64, f64) {
        match self {
            Self::Range(start, end) => (start, end),
            // A text is indexed like an array there: its first two letters, read as dates.
            Self::Instant(time) => {
                let iso = Date(time).to_iso().unwrap_or_default();
                let letter = |place| iso.get(place..=place).map_or(f64::NAN, |text| Date::parse(text).0);
                (letter(0), letter(1))
            }
        }
    }
}

fn of_text(text: &str, reference: Reference) -> Result<Option<Span>, Thrown> {
    let (bare, zone) = split_zone(text);
    let inner = Reference { zone: zone.unwrap_or(reference.zone), ..reference };
    if bare.starts_with(['(', '[']) {
        return of_interval(bare, inner);
    }
    if bare.ends_with('Z') {
        return instant(Date::parse(bare)).map(Some);
    }
    let Some((unit, start)) = start_of(bare)? else { return Ok(None) };
    let start = start.ok_or_else(invalid)?;
    let start = truncate(start, unit);
    let end = add(start, 1, unit).map(|end| truncate(end, unit)).ok_or_else(invalid)?;
    let ms = |time: NaiveDateTime| to_utc(time, inner.zone);
    Ok(Some(Span::Range(ms(start), ms(end))))
}

/// `[2024-01,2024-03)`.
fn of_interval(text: &str, reference: Reference) -> Result<Option<Span>, Thrown> {
    let Some(inner) = text.get(1..text.len() - 1) else { return Ok(None) };
    let (Some(comma), true) = (inner.rfind(','), text.ends_with([')', ']'])) else { return Ok(None) };
    let (start, end) = (&inner[..comma], &inner[comma + 1..]);
    if start.is_empty() || end.is_empty() {
        return Ok(None);
    }
    let bounds: String = [text.chars().next(), text.chars().last()].into_iter().flatten().collect();
    between(&[start.into(), end.into()], &bounds, reference).map(Some)
}

/// `[start, end, "[)", zone]`; the zone only counts where there is no other, and there always is.
fn of_list(items: &[Value], reference: Reference) -> Result<Option<Span>, Thrown> {
    let [start, end, rest @ ..] = items else { return Ok(None) };
    let bounds = match rest.first() {
        None | Some(Value::Undefined) => "[]".to_owned(),
        Some(bounds) => to_text(bounds)?,
    };
    between(&[start.clone(), end.clone()], &bounds, reference).map(Some)
}

fn between(ends: &[Value; 2], bounds: &str, reference: Reference) -> Result<Span, Thrown> {
    let parse = |value: &Value, place: &str| {
        Span::parse(value, reference)?.ok_or_else(|| Thrown::reading(&Value::Undefined, place))
    };
    let open_start = bounds.starts_with('(');
    let start = match parse(&ends[0], if open_start { "1" } else { "0" })? {
        Span::Instant(time) => time,
        Span::Range(start, end) => {
            if open_start {
                end
            } else {
                start
            }
        }
    };
    let open_end = bounds.ends_with(')');
    let end = match parse(&ends[1], if open_end { "0" } else { "1" })? {
        Span::Instant(time) => time,
        Span::Range(start, end) => {
            if open_end {
                start
            } else {
                end
            }
        }
    };
    Ok(Span::Range(start, end))
}

fn instant(date: Date) -> Result<Span, Thrown> {
    if date.is_valid() { Ok(Span::Instant(date.0)) } else { Err(invalid()) }
}

fn invalid() -> Thrown {
    Thrown::range_error("Invalid time value")
}

/// A zone at the end: `2024-01-01+08:00`.
fn split_zone(text: &str) -> (&str, Option<FixedOffset>) {
    let Some((head, tail)) = text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) else {
        return (text, None);
    };
    match parse_zone(tail) {
        Some(zone) if !head.is_empty() => (head, Some(zone)),
        _ => (text, None),
    }
}

/// `+08:00`.
fn parse_zone(text: &str) -> Option<FixedOffset> {
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text.as_bytes() else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let minutes = (digit(h1)? * 10 + digit(h2)?) * 60 + digit(m1)? * 10 + digit(m2)?;
    FixedOffset::east_opt(if *sign == b'+' { minutes * 60 } else { -minutes * 60 })
}

type Start = Option<(Unit, Option<NaiveDateTime>)>;

/// The unit that a text is written in and where it begins; an inner `None` for what looks like a date only.
fn start_of(text: &str) -> Result<Start, Thrown> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
    let year = || number(0, 4).and_then(|year| NaiveDate::from_ymd_opt(year.try_into().ok()?, 1, 1));
    let whole = |unit, rest: &str| {
        let time = Date::parse(&format!("{}{rest}Z", text.replacen(' ', "T", 1)));
        let date = time.to_chrono().or_else(|| Date::parse(&format!("{text}{rest}+00:00")).to_chrono());
        (unit, date.map(|date| date.naive_utc()))
    };
    let midnight = |date: Option<NaiveDate>| date.and_then(|date| date.and_hms_opt(0, 0, 0));
    Ok(Some(match shape.as_str() {
        "0000" => (Unit::Year, midnight(year())),
        "0000Q0" => {
            let quarter = number(5, 6).unwrap_or_default();
            let months = |date: NaiveDate| match quarter.checked_sub(1) {
                Some(after) => date.checked_add_months(Months::new(after * 3)),
                None => date.checked_sub_months(Months::new(3)),
            };
            (Unit::Quarter, midnight(year().and_then(months)))
        }
        "0000W00" | "0000w00" => {
            let is_iso = shape.contains('W');
            let week = i64::from(number(5, 7).unwrap_or_default());
            let first = year().map(|date| if is_iso { first_iso_monday(date) } else { date });
            let date = first.and_then(|date| date.checked_add_signed(TimeDelta::days((week - 1) * 7)));
            (if is_iso { Unit::IsoWeek } else { Unit::Week }, midnight(date))
        }
        "0000-00" => whole(Unit::Month, "-01T00:00:00"),
        "0000-00-00" => whole(Unit::Day, "T00:00:00"),
        "0000-00-00T00" | "0000-00-00 00" => whole(Unit::Hour, ":00:00"),
        "0000-00-00T00:00" | "0000-00-00 00:00" => whole(Unit::Minute, ":00"),
        "0000-00-00T00:00:00" | "0000-00-00 00:00:00" => whole(Unit::Second, ""),
        "0000-00-00T00:00:00.000" | "0000-00-00 00:00:00.000" => whole(Unit::Millisecond, ""),
        _ => return Ok(None),
    }))
}

/// A day of the first ISO week of the year that begins on this day.
fn first_iso_monday(new_year: NaiveDate) -> NaiveDate {
    if new_year.iso_week().year() == new_year.year() { new_year } else { new_year + Days::new(7) }
}

fn truncate(time: NaiveDateTime, unit: Unit) -> NaiveDateTime {
    let date = time.date();
    let seconds = time.and_utc().timestamp();
    let floor = |step: i64| DateTime::from_timestamp(seconds - seconds.rem_euclid(step), 0);
    let start = match unit {
        Unit::Millisecond => return time,
        Unit::Second => return floor(1).map_or(time, |time| time.naive_utc()),
        Unit::Minute => return floor(60).map_or(time, |time| time.naive_utc()),
        Unit::Hour => return floor(3600).map_or(time, |time| time.naive_utc()),
        Unit::Day => Some(date),
        Unit::Week => Some(date.week(Weekday::Sun).first_day()),
        Unit::IsoWeek => Some(date.week(Weekday::Mon).first_day()),
        Unit::Month => date.with_day(1),
        Unit::Quarter => NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1),
        Unit::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
    };
    start.and_then(|date| date.and_hms_opt(0, 0, 0)).unwrap_or(time)
}

fn add(time: NaiveDateTime, number: i64, unit: Unit) -> Option<NaiveDateTime> {
    let months = |each: i64| {
        let count = Months::new(u32::try_from((number * each).unsigned_abs()).ok()?);
        if number < 0 { time.checked_sub_months(count) } else { time.checked_add_months(count) }
    };
    let delta = match unit {
        Unit::Year => return months(12),
        Unit::Quarter => return months(3),
        Unit::Month => return months(1),
        Unit::IsoWeek | Unit::Week => TimeDelta::try_weeks(number)?,
        Unit::Day => TimeDelta::try_days(number)?,
        Unit::Hour => TimeDelta::try_hours(number)?,
        Unit::Minute => TimeDelta::try_minutes(number)?,
        Unit::Second => TimeDelta::try_seconds(number)?,
        Unit::Millisecond => TimeDelta::try_milliseconds(number)?,
    };
    time.checked_add_signed(delta)
}

fn to_utc(time: NaiveDateTime, zone: FixedOffset) -> f64 {
    let ahead = i64::from(zone.local_minus_utc()) * 1000;
    (time.and_utc().timestamp_millis() - ahead) as f64
}

/// A named period, as the texts of its first and last second in the zone: `{type: 'today'}`,
/// `{type: 'past', unit: 'week', number: 2}`.
fn period(value: &Value, reference: Reference) -> Result<[String; 2], Thrown> {
    let kind = to_text(&value.member("type"))?;
    let (unit, first, last) = match kind.as_str() {
        "past" | "next" => {
            let unit = offset_unit(value)?;
            let number = match value.member("number") {
                Value::Undefined => 1.0,
                number => to_number(&number)?,
            };
            let number = if number.is_finite() { number as i64 } else { return Err(invalid()) };
            if kind == "past" { (unit, -number, -1) } else { (unit, 1, number) }
        }
        kind => named(kind).ok_or_else(|| Thrown::error(format!("Unsupported type: {kind}")))?,
    };
    let now = reference.now.with_timezone(&reference.zone).naive_local();
    let this = truncate(now, unit);
    let bound = |offset| add(this, offset, unit).map(|time| truncate(time, unit)).ok_or_else(invalid);
    let (start, after) = (bound(first)?, bound(last.saturating_add(1))?);
    let end = after - TimeDelta::milliseconds(1);
    Ok([start, end].map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()))
}

fn offset_unit(value: &Value) -> Result<Unit, Thrown> {
    let name = match value.member("unit") {
        Value::Undefined => return Ok(Unit::Day),
        name => to_text(&name)?,
    };
    Ok(match name.trim_end_matches('s') {
        "week" | "isoWeek" => Unit::IsoWeek,
        "month" => Unit::Month,
        "quarter" => Unit::Quarter,
        "year" => Unit::Year,
        "hour" => Unit::Hour,
        "minute" => Unit::Minute,
        "second" => Unit::Second,
        _ => Unit::Day,
    })
}

fn named(kind: &str) -> Option<(Unit, i64, i64)> {
    let (offset, rest) = match kind {
        "today" => return Some((Unit::Day, 0, 0)),
        "yesterday" => return Some((Unit::Day, -1, -1)),
        "tomorrow" => return Some((Unit::Day, 1, 1)),
        kind => [("this", 0), ("last", -1), ("next", 1)]
            .into_iter()
            .find_map(|(prefix, offset)| Some((offset, kind.strip_prefix(prefix)?)))?,
    };
    let unit = match rest {
        "Week" => Unit::IsoWeek,
        "Month" => Unit::Month,
        "Quarter" => Unit::Quarter,
        "Year" => Unit::Year,
        _ => return None,
    };
    Some((unit, offset, offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn reference(zone: &str) -> Reference {
        let now = DateTime::parse_from_rfc3339("2026-11-22T20:30:00Z").expect("a time").to_utc();
        Reference { now, zone: parse_zone(zone).expect("a zone") }
    }

    fn span(value: Value, zone: &str) -> String {
        let iso = |ms| Date(ms).to_iso().unwrap_or_default().replace(":00.000Z", "");
        match Span::parse(&value, reference(zone)) {
            Ok(None) => "none".to_owned(),
            Ok(Some(Span::Instant(time))) => iso(time),
            Ok(Some(Span::Range(start, end))) => format!("{} {}", iso(start), iso(end)),
            Err(thrown) => thrown.to_string(),
        }
    }

    #[test]
    fn texts_stand_for_their_whole_unit() {
        let cases = [
            ("2024", "2024-01-01T00:00 2025-01-01T00:00"),
            ("2024Q1", "2024-01-01T00:00 2024-04-01T00:00"),
            ("2024Q4", "2024-10-01T00:00 2025-01-01T00:00"),
            ("2024W01", "2024-01-01T00:00 2024-01-08T00:00"),
            ("2023W01", "2023-01-02T00:00 2023-01-09T00:00"),
            ("2026w48", "2026-11-22T00:00 2026-11-29T00:00"),
            ("2024-02", "2024-02-01T00:00 2024-03-01T00:00"),
            ("2024-02-29", "2024-02-29T00:00 2024-03-01T00:00"),
            ("2024-02-29 10", "2024-02-29T10:00 2024-02-29T11:00"),
            ("2024-02-29T10:20", "2024-02-29T10:20 2024-02-29T10:21"),
            ("2024-02-29 10:20:00", "2024-02-29T10:20 2024-02-29T10:20:01.000Z"),
            ("2024-02-29 10:20:00.000", "2024-02-29T10:20 2024-02-29T10:20:00.001Z"),
            ("2024-02-29T10:00:00.000Z", "2024-02-29T10:00"),
            ("2024-02-29+08:00", "2024-02-28T16:00 2024-02-29T16:00"),
            ("[2024-01,2024-03)", "2024-01-01T00:00 2024-03-01T00:00"),
            ("(2024-01,2024-03]", "2024-02-01T00:00 2024-04-01T00:00"),
            ("[2024-01,2024-03)+08:00", "2023-12-31T16:00 2024-02-29T16:00"),
            ("zz", "none"),
            ("", "none"),
            ("2024-1-1", "none"),
            ("2024-13", "RangeError: Invalid time value"),
            ("xZ", "RangeError: Invalid time value"),
        ];
        for (text, expected) in cases {
            assert_eq!(span(text.into(), "+00:00"), expected, "{text}");
        }
        assert_eq!(span("2024-02-29".into(), "+08:00"), "2024-02-28T16:00 2024-02-29T16:00");
    }

    #[test]
    fn lists_and_periods_are_ranges() {
        let cases = [
            (r#"["2024-02-01","2024-02-29"]"#, "2024-02-01T00:00 2024-03-01T00:00"),
            (r#"["2024-02-01","2024-02-29","[)","+09:00"]"#, "2024-02-01T00:00 2024-02-29T00:00"),
            (r#"{"type":"today"}"#, "2026-11-22T00:00 2026-11-23T00:00"),
            (r#"{"type":"lastWeek"}"#, "2026-11-09T00:00 2026-11-16T00:00"),
            (r#"{"type":"thisQuarter"}"#, "2026-10-01T00:00 2027-01-01T00:00"),
            (r#"{"type":"past","number":2,"unit":"month"}"#, "2026-09-01T00:00 2026-11-01T00:00"),
            (r#"{"type":"next","number":3}"#, "2026-11-23T00:00 2026-11-26T00:00"),
            (r#"{"type":"someday"}"#, "Error: Unsupported type: someday"),
            (r#"["2024"]"#, "none"),
            (r#"[null,"2024"]"#, "TypeError: Cannot read properties of undefined (reading '0')"),
            ("2024", "2024-01-01T00:00 2025-01-01T00:00"),
            ("null", "none"),
            ("{}", "none"),
        ];
        for (text, expected) in cases {
            let value = json::parse(text.as_bytes()).expect("JSON");
            assert_eq!(span(value, "+00:00"), expected, "{text}");
        }
        let today = json::parse(br#"{"type":"today"}"#).expect("JSON");
        assert_eq!(span(today, "+08:00"), "2026-11-22T16:00 2026-11-23T16:00");
    }
}
