//! Dates as text by a pattern of dayjs (`YYYY-MM-DD HH:mm`), with the tokens of its plugin `advancedFormat`.

use entity::number_text;

use super::moment::Moment;
use super::zone::{NameLength, offset_name};
use crate::expr::date::calendar::{Fields, MONTHS, WEEKDAYS};

/// The pattern when there is none.
const DEFAULT: &str = "YYYY-MM-DDTHH:mm:ssZ";

/// Text in brackets is copied, and so is what is no token.
pub fn format(moment: &Moment, pattern: &str) -> String {
    if !moment.is_valid() {
        return "Invalid Date".to_owned();
    }
    let pattern = if pattern.is_empty() { DEFAULT } else { pattern };
    // The advanced tokens are replaced first; what they give is read again, in brackets if it has letters.
    let advanced = replace(pattern, ADVANCED, |found| match found {
        Found::Bracketed(text) => format!("[{text}]"),
        Found::Token(token) => advanced_text(moment, token),
    });
    let fields = moment.fields();
    replace(&advanced, BASIC, |found| match found {
        Found::Bracketed(text) => text.to_owned(),
        Found::Token(token) => basic_text(moment, fields, token),
    })
}

/// Of tokens with the same start the longest comes first.
const ADVANCED: &[&str] =
    &["Q", "wo", "ww", "w", "WW", "W", "zzz", "z", "gggg", "GGGG", "Do", "X", "x", "kk", "k"];

const BASIC: &[&str] = &[
    "YYYY", "YY", "MMMM", "MMM", "MM", "M", "DD", "D", "dddd", "ddd", "dd", "d", "HH", "H", "hh", "h", "a",
    "A", "mm", "m", "ss", "s", "ZZ", "Z", "SSS",
];

enum Found<'a> {
    Bracketed(&'a str),
    Token(&'a str),
}

/// Replaces tokens and text in brackets from left to right.
fn replace(pattern: &str, tokens: &[&str], text_of: impl Fn(Found<'_>) -> String) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    // Looked for once: a text of nothing but opening brackets is not to be searched at each of them.
    let last_closing = pattern.rfind(']');
    while let Some(first) = rest.chars().next() {
        let is_closed = last_closing.is_some_and(|last| pattern.len() - rest.len() < last);
        if is_closed && let Some(text) = bracketed(rest) {
            out.push_str(&text_of(Found::Bracketed(text)));
            rest = &rest[text.len() + 2..];
        } else if let Some(token) = tokens.iter().find(|token| rest.starts_with(**token)) {
            out.push_str(&text_of(Found::Token(token)));
            rest = &rest[token.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The text between a bracket at the start and the next closing one; empty brackets are none.
fn bracketed(text: &str) -> Option<&str> {
    let (inner, _) = text.strip_prefix('[')?.split_once(']')?;
    (!inner.is_empty()).then_some(inner)
}

fn advanced_text(moment: &Moment, token: &str) -> String {
    let fields = moment.fields();
    // At midnight the day before has its 24th hour.
    let hour = if fields.hour == 0.0 { 24.0 } else { fields.hour };
    match token {
        "Q" => number_text(moment.quarter()),
        "Do" => ordinal(fields.day),
        "gggg" => number_text(moment.week_year()),
        "GGGG" => number_text(moment.iso_week_year()),
        "wo" => ordinal(moment.week()),
        "w" | "ww" => padded(moment.week(), token.len()),
        "W" | "WW" => padded(moment.iso_week(), token.len()),
        "k" | "kk" => padded(hour, token.len()),
        // The instant of the clock, not of the moment: a label makes no difference.
        "X" => number_text((moment.clock_time() / 1000.0).floor()),
        "x" => number_text(moment.clock_time()),
        "z" => format!("[{}]", zone_name(moment, NameLength::Short)),
        _ => format!("[{}]", zone_name(moment, NameLength::Long)),
    }
}

fn basic_text(moment: &Moment, fields: Fields, token: &str) -> String {
    let month = MONTHS.get(fields.month as usize).copied().unwrap_or_default();
    let weekday = WEEKDAYS.get(fields.weekday() as usize).copied().unwrap_or_default();
    let hour12 = if fields.hour % 12.0 == 0.0 { 12.0 } else { fields.hour % 12.0 };
    let half_day = if fields.hour < 12.0 { "AM" } else { "PM" };
    match token {
        "YY" => last_two(&number_text(fields.year)),
        "YYYY" => padded(fields.year, 4),
        "M" | "MM" => padded(fields.month + 1.0, token.len()),
        "MMM" => month[..3].to_owned(),
        "MMMM" => month.to_owned(),
        "D" | "DD" => padded(fields.day, token.len()),
        "d" => number_text(fields.weekday()),
        "dd" | "ddd" => weekday[..token.len()].to_owned(),
        "dddd" => weekday.to_owned(),
        "H" | "HH" => padded(fields.hour, token.len()),
        "h" | "hh" => padded(hour12, token.len()),
        "a" => half_day.to_ascii_lowercase(),
        "A" => half_day.to_owned(),
        "m" | "mm" => padded(fields.minute, token.len()),
        "s" | "ss" => padded(fields.second, token.len()),
        "SSS" => padded(fields.millisecond, 3),
        "Z" => offset(moment, ":"),
        _ => offset(moment, ""),
    }
}

/// A number with zeros before it, also before a minus sign.
fn padded(number: f64, width: usize) -> String {
    format!("{:0>width$}", number_text(number))
}

fn last_two(digits: &str) -> String {
    digits[digits.len().saturating_sub(2)..].to_owned()
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`, in brackets.
fn ordinal(number: f64) -> String {
    let (tens, ones) = ((number / 10.0).floor() % 10.0, number % 10.0);
    let suffix = match ones {
        _ if tens == 1.0 => "th",
        1.0 => "st",
        2.0 => "nd",
        3.0 => "rd",
        _ => "th",
    };
    format!("[{}{suffix}]", number_text(number))
}

/// `+08:00`.
fn offset(moment: &Moment, separator: &str) -> String {
    let minutes = moment.minutes_ahead();
    let sign = if minutes < 0.0 { '-' } else { '+' };
    let (hour, minute) = ((minutes.abs() / 60.0).floor(), minutes.abs() % 60.0);
    format!("{sign}{}{separator}{}", padded(hour, 2), padded(minute, 2))
}

fn zone_name(moment: &Moment, length: NameLength) -> String {
    match moment.zone() {
        Some(zone) => zone.name(moment.time(), length),
        // The server's zone has an offset, but no name that could be asked for.
        None => offset_name(Moment::new(moment.time()).minutes_ahead(), length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_that_are_never_closed_stay() {
        let at = Moment::new(0.0);
        assert_eq!(format(&at, "YYYY[x][][y"), format!("{}x[][y", at.fields().year));
        for (pattern, repeated) in [("[", 500_000), ("[]", 250_000), ("[_", 250_000), ("]", 500_000)] {
            let pattern = pattern.repeat(repeated);
            assert_eq!(format(&at, &pattern).len(), pattern.len());
        }
    }
}
