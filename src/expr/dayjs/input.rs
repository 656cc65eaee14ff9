//! Values as moments, by dayjs' own rules where they differ from JavaScript's.

use super::moment::Moment;
use crate::expr::date::calendar::{Fields, at_server_reading, constructor_year};
use crate::expr::{Date, Thrown, Value};

/// `dayjs(value)`: what `new Date(value)` says, apart from null, which is no date, and texts that look like a
/// date and do not end with `Z`: dayjs reads them on the server's clock, even a day without a time.
pub fn moment_of(value: &Value) -> Result<Moment, Thrown> {
    let time = match value {
        Value::Null => f64::NAN,
        Value::Text(text) => match Plain::read(text) {
            Some(fields) if !text.ends_with(['Z', 'z']) => at_server_reading(fields.reading()),
            _ => Date::parse(text).0,
        },
        value => Date::of(value)?.0,
    };
    Ok(Moment::new(time))
}

/// Reads `YYYY-MM-DD hh:mm:ss.sss` from the left, with most of it left out or other separators.
struct Plain<'a> {
    rest: &'a str,
}

impl<'a> Plain<'a> {
    fn read(text: &'a str) -> Option<Fields> {
        let mut plain = Plain { rest: text };
        let year = plain.digits(4).filter(|digits| digits.len() == 4)?;
        plain.skip(&['-', '/']);
        let month = plain.digits(2);
        plain.skip(&['-', '/']);
        let day = plain.digits(2);
        plain.rest =
            plain.rest.trim_start_matches(|c| matches!(c, 'T' | 't') || crate::expr::convert::is_space(c));
        let hour = plain.digits(2);
        plain.skip(&[':']);
        let minute = plain.digits(2);
        plain.skip(&[':']);
        let second = plain.digits(2);
        plain.skip(&['.', ':']);
        let fraction = plain.digits(usize::MAX);
        if !plain.rest.is_empty() {
            return None;
        }
        let number =
            |digits: Option<&str>, default| digits.map_or(Some(default), |digits| digits.parse().ok());
        Some(Fields {
            year: constructor_year(number(Some(year), 0.0)?),
            month: number(month, 1.0)? - 1.0,
            day: number(day, 1.0)?,
            hour: number(hour, 0.0)?,
            minute: number(minute, 0.0)?,
            second: number(second, 0.0)?,
            // As a number, not as a fraction: `.5` is five milliseconds.
            millisecond: number(fraction.map(|digits| digits.get(..3).unwrap_or(digits)), 0.0)?,
        })
    }

    /// Up to so many digits; `None` for no digit.
    fn digits(&mut self, most: usize) -> Option<&'a str> {
        let end = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        (end > 0).then_some(digits)
    }

    fn skip(&mut self, separators: &[char]) {
        self.rest = self.rest.strip_prefix(separators).unwrap_or(self.rest);
    }
}
