//! V8's date parser: the ISO format of ECMA-262 and, for what is not quite that, a reader that takes a text
//! word by word and asks little of their order (`src/date/dateparser.h` of V8 tells the rules).

use super::super::convert::is_space;
use super::calendar::{Fields, MS_PER_MINUTE, at_server_reading};

/// The milliseconds of `Date.parse(text)`, not yet clipped to what a date reaches.
pub(super) fn parse(text: &str) -> Option<f64> {
    // A NUL character ends the text for V8.
    let mut tokens = Tokens { rest: text.split('\0').next().unwrap_or_default() };
    let mut found = Found::default();
    let mut token = found.iso(&mut tokens)?;
    let mut has_number = !found.day.is_empty();
    while token != Token::End {
        match token {
            Token::Number { value, .. } => {
                has_number = true;
                found.number(value, &mut tokens)?;
            }
            Token::Word(word) => found.word(word, has_number, &mut tokens)?,
            Token::Symbol(sign @ ('+' | '-')) if found.zone.is_utc() || !found.time.is_empty() => {
                has_number = true;
                found.offset(sign, &mut tokens)?;
            }
            Token::Symbol('+' | '-' | ')') if has_number => return None,
            _ => {}
        }
        token = tokens.next();
    }
    found.time_value()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    End,
    Space,
    /// Only the first nine digits count, `digits` counts all.
    Number {
        value: i64,
        digits: usize,
    },
    /// One of `:`, `-`, `+`, `.` and `)`.
    Symbol(char),
    Word(Word),
    /// Any other character, or text in parentheses.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    /// From 1.
    Month(i64),
    /// The hours that `am` and `pm` add.
    HalfDay(i64),
    /// Hours ahead of UTC.
    Zone(i64),
    Z,
    T,
    Unknown,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl Tokens<'_> {
    fn peek(&self) -> Token {
        self.scan().0
    }

    fn next(&mut self) -> Token {
        let (token, length) = self.scan();
        self.rest = self.rest.get(length..).unwrap_or_default();
        token
    }

    fn skip(&mut self, symbol: char) -> bool {
        let found = self.peek() == Token::Symbol(symbol);
        if found {
            self.next();
        }
        found
    }

    /// A number of exactly so many digits within a range; nothing is read when there is none.
    fn fixed(&mut self, width: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        match self.peek() {
            Token::Number { value, digits } if digits == width && range.contains(&value) => {
                self.next();
                Some(value)
            }
            _ => None,
        }
    }

    /// The next token with its length in bytes.
    fn scan(&self) -> (Token, usize) {
        let Some(first) = self.rest.chars().next() else { return (Token::End, 0) };
        let length_while =
            |accepts: fn(char) -> bool| self.rest.find(|c: char| !accepts(c)).unwrap_or(self.rest.len());
        match first {
            '0'..='9' => {
                let digits = length_while(|c| c.is_ascii_digit());
                (number(&self.rest[..digits]), digits)
            }
            ':' | '-' | '+' | '.' | ')' => (Token::Symbol(first), 1),
            '(' => (Token::Other, parenthesised(self.rest)),
            c if is_space(c) => (Token::Space, c.len_utf8()),
            'A'.. => {
                let length = length_while(|c| c >= 'A' && !is_space(c));
                (Token::Word(word(&self.rest[..length])), length)
            }
            _ => (Token::Other, first.len_utf8()),
        }
    }
}

fn number(digits: &str) -> Token {
    let significant = digits.trim_start_matches('0');
    let value = significant.get(..9).unwrap_or(significant).parse().unwrap_or(0);
    Token::Number { value, digits: digits.len() }
}

/// The length of a text in parentheses, inner ones included.
fn parenthesised(text: &str) -> usize {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    text.len()
}

/// Words are known by their first three letters, but only those of months may go on after them.
fn word(text: &str) -> Word {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start: String = text.chars().take(3).collect::<String>().to_ascii_lowercase();
    if let Some(month) = (1..).zip(MONTHS).find_map(|(month, name)| (name == start).then_some(month)) {
        return Word::Month(month);
    }
    if text.len() > 3 {
        return Word::Unknown;
    }
    match start.as_str() {
        "am" => Word::HalfDay(0),
        "pm" => Word::HalfDay(12),
        "z" => Word::Z,
        "ut" | "utc" | "gmt" => Word::Zone(0),
        "edt" => Word::Zone(-4),
        "est" | "cdt" => Word::Zone(-5),
        "cst" | "mdt" => Word::Zone(-6),
        "mst" | "pdt" => Word::Zone(-7),
        "pst" => Word::Zone(-8),
        "t" => Word::T,
        _ => Word::Unknown,
    }
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    /// Up to three numbers whose order is only known at the end.
    day: Vec<i64>,
    named_month: Option<i64>,
    /// The day is year, month, day, and its year is meant as it stands.
    is_iso: bool,
    /// Hour, minute, second, millisecond as far as they are known.
    time: Vec<i64>,
    half_day: Option<i64>,
    zone: Offset,
}

/// An offset from UTC.
#[derive(Default)]
struct Offset {
    sign: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
}

impl Offset {
    fn is_utc(&self) -> bool {
        self.hour == Some(0) && self.minute == Some(0)
    }

    fn hours(hours: i64) -> Self {
        Self { sign: Some(if hours < 0 { -1 } else { 1 }), hour: Some(hours.abs()), minute: Some(0) }
    }

    fn minutes(&self) -> Option<i64> {
        let minutes = self.hour.unwrap_or(0) * 60 + self.minute.unwrap_or(0);
        self.sign.map(|sign| sign * minutes)
    }
}

impl Found {
    /// Reads `[±YY]YYYY[-MM[-DD]][Thh:mm[:ss[.sss]][Z|±hh:mm]]`, or as much of it as there is, and returns
    /// the token that follows: the end for a date in this format. `None` for what can be no date at all.
    fn iso(&mut self, tokens: &mut Tokens<'_>) -> Option<Token> {
        if let sign @ Token::Symbol('+' | '-') = tokens.peek() {
            tokens.next();
            let factor = if sign == Token::Symbol('-') { -1 } else { 1 };
            let years = if factor < 0 { 1..=999_999 } else { 0..=999_999 };
            match tokens.fixed(6, years) {
                Some(year) => self.day.push(factor * year),
                // V8 has read a year of -000000 when it finds that there is none.
                None => {
                    tokens.fixed(6, 0..=0);
                    return Some(sign);
                }
            }
        } else {
            match tokens.fixed(4, 0..=9999) {
                Some(year) => self.day.push(year),
                None => return Some(tokens.next()),
            }
        }
        for range in [1..=12, 1..=31] {
            if !tokens.skip('-') {
                break;
            }
            match tokens.fixed(2, range) {
                Some(number) => self.day.push(number),
                None => return Some(tokens.next()),
            }
        }
        match tokens.peek() {
            Token::Word(Word::T) => {
                tokens.next();
                self.iso_time(tokens)?;
            }
            // A date without a time is one in UTC, a time without a zone is the server's.
            Token::End => self.zone = Offset::hours(0),
            _ => return Some(tokens.next()),
        }
        self.is_iso = true;
        Some(Token::End)
    }

    fn iso_time(&mut self, tokens: &mut Tokens<'_>) -> Option<()> {
        let hour = tokens.fixed(2, 0..=24)?;
        let up_to = |last| if hour == 24 { 0..=0 } else { 0..=last };
        self.time.push(hour);
        tokens.skip(':').then_some(())?;
        self.time.push(tokens.fixed(2, up_to(59))?);
        if tokens.skip(':') {
            self.time.push(tokens.fixed(2, up_to(59))?);
            if tokens.skip('.') {
                let Token::Number { value, digits } = tokens.next() else { return None };
                if hour == 24 && value > 0 {
                    return None;
                }
                self.time.push(milliseconds(value, digits));
            }
        }
        match tokens.peek() {
            Token::Word(Word::Z) => {
                tokens.next();
                self.zone = Offset::hours(0);
            }
            Token::Symbol(sign @ ('+' | '-')) => {
                tokens.next();
                self.zone = iso_offset(sign, tokens)?;
            }
            _ => {}
        }
        (tokens.peek() == Token::End).then_some(())
    }

    /// An unsigned number: a part of the time, of the offset or of the day, by what surrounds it.
    fn number(&mut self, value: i64, tokens: &mut Tokens<'_>) -> Option<()> {
        if tokens.skip(':') {
            if tokens.skip(':') {
                self.time.is_empty().then_some(())?;
                self.time.extend([value, 0]);
                return Some(());
            }
            self.push_time(value)?;
            tokens.skip('.');
            return Some(());
        }
        let is_expected = self.time_expects(value);
        // The dot is gone even when the number before it is no time.
        if tokens.skip('.') && is_expected {
            self.push_time(value)?;
            let Token::Number { value, digits } = tokens.next() else { return None };
            self.end_time(milliseconds(value, digits));
            return Some(());
        }
        if self.zone.hour.is_some() && self.zone.minute.is_none() && (0..60).contains(&value) {
            self.zone.minute = Some(value);
            return Some(());
        }
        if is_expected {
            self.end_time(value);
            let next = tokens.peek();
            let may_follow =
                [Token::End, Token::Space, Token::Word(Word::Z), Token::Symbol('+'), Token::Symbol('-')];
            return may_follow.contains(&next).then_some(());
        }
        if self.day.len() == 3 {
            return None;
        }
        self.day.push(value);
        tokens.skip('-');
        Some(())
    }

    /// Whether this number can be the next part of a time that has begun.
    fn time_expects(&self, value: i64) -> bool {
        match self.time.len() {
            1 | 2 => (0..60).contains(&value),
            3 => (0..1000).contains(&value),
            _ => false,
        }
    }

    fn push_time(&mut self, value: i64) -> Option<()> {
        (self.time.len() < 4).then(|| self.time.push(value))
    }

    /// Sets the last part of the time, if there is room for it; nothing of it can follow.
    fn end_time(&mut self, value: i64) {
        self.time.push(value);
        self.time.resize(4, 0);
    }

    fn word(&mut self, word: Word, has_number: bool, tokens: &mut Tokens<'_>) -> Option<()> {
        match word {
            Word::HalfDay(hours) if !self.time.is_empty() => self.half_day = Some(hours),
            Word::Month(month) => {
                self.named_month = Some(month);
                tokens.skip('-');
            }
            Word::Zone(hours) if has_number => self.zone = Offset::hours(hours),
            Word::Z if has_number => self.zone = Offset::hours(0),
            // Any other word may stand before the first number, if it does not touch it.
            _ if has_number => return None,
            _ => return (!matches!(tokens.peek(), Token::Number { .. })).then_some(()),
        }
        Some(())
    }

    /// `+8`, `+08`, `+0800`, `+08:00`: the minutes after a colon come as a number of their own.
    fn offset(&mut self, sign: char, tokens: &mut Tokens<'_>) -> Option<()> {
        self.zone.sign = Some(if sign == '-' { -1 } else { 1 });
        let (value, digits) = match tokens.peek() {
            Token::Number { value, digits } => {
                tokens.next();
                (value, digits)
            }
            _ => (0, 0),
        };
        let (hour, minute) = match digits {
            _ if tokens.peek() == Token::Symbol(':') => (value, None),
            1 | 2 => (value, Some(0)),
            3 | 4 => (value / 100, Some(value % 100)),
            _ => return None,
        };
        (self.zone.hour, self.zone.minute) = (Some(hour), minute);
        Some(())
    }

    fn time_value(&self) -> Option<f64> {
        let (year, month, day) = self.date()?;
        let [hour, minute, second, millisecond] = self.time_of_day()?;
        let fields = Fields {
            year: year as f64,
            month: (month - 1) as f64,
            day: day as f64,
            hour: hour as f64,
            minute: minute as f64,
            second: second as f64,
            millisecond: millisecond as f64,
        };
        Some(match self.zone.minutes() {
            Some(minutes) => fields.reading() - minutes as f64 * MS_PER_MINUTE,
            None => at_server_reading(fields.reading()),
        })
    }

    fn date(&self) -> Option<(i64, i64, i64)> {
        let is_day = |number: i64| (1..=31).contains(&number);
        let first = *self.day.first()?;
        let at = |place: usize| self.day.get(place).copied().unwrap_or(1);
        let (year, month, day) = match self.named_month {
            None if self.is_iso || !is_day(first) => (first, at(1), at(2)),
            None => (at(2), first, at(1)),
            Some(month) if !is_day(first) => (first, month, at(1)),
            Some(month) => (at(1), month, first),
        };
        let year = match year {
            0..=49 if !self.is_iso => year + 2000,
            50..=99 if !self.is_iso => year + 1900,
            _ => year,
        };
        ((1..=12).contains(&month) && is_day(day)).then_some((year, month, day))
    }

    fn time_of_day(&self) -> Option<[i64; 4]> {
        let at = |place: usize| self.time.get(place).copied().unwrap_or(0);
        let [mut hour, minute, second, millisecond] = [at(0), at(1), at(2), at(3)];
        if let Some(half_day) = self.half_day {
            (0..=12).contains(&hour).then_some(())?;
            hour = hour % 12 + half_day;
        }
        let is_midnight = hour == 24 && minute == 0 && second == 0 && millisecond == 0;
        let is_time = hour < 24 && minute < 60 && second < 60 && millisecond < 1000;
        (is_time || is_midnight).then_some([hour, minute, second, millisecond])
    }
}

fn iso_offset(sign: char, tokens: &mut Tokens<'_>) -> Option<Offset> {
    let sign = Some(if sign == '-' { -1 } else { 1 });
    if let Some(both) = tokens.fixed(4, 0..=2359) {
        return (both % 100 < 60).then_some(Offset {
            sign,
            hour: Some(both / 100),
            minute: Some(both % 100),
        });
    }
    let hour = tokens.fixed(2, 0..=23)?;
    tokens.skip(':').then_some(())?;
    Some(Offset { sign, hour: Some(hour), minute: Some(tokens.fixed(2, 0..=59)?) })
}

/// The first three digits after the point.
fn milliseconds(value: i64, digits: usize) -> i64 {
    match digits.min(9) {
        1 => value * 100,
        2 => value * 10,
        digits => value / 10_i64.pow(digits as u32 - 3),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::Date;
    use super::*;

    #[test]
    fn dates_with_a_zone_parse_as_in_v8() {
        const DAY: f64 = 86_400_000.0;
        let cases = [
            ("1970", 0.0),
            ("1970-02", 31.0 * DAY),
            ("1970-01-01", 0.0),
            ("+001970-01-01", 0.0),
            ("-000001-01-01", -62_198_755_200_000.0),
            ("1970-01-01T00:00:00.1234567Z", 123.0),
            ("1970-01-01T24:00Z", DAY),
            ("1970-01-01T01:00:00+01:00", 0.0),
            ("1970-01-01T01:00+0100", 0.0),
            ("1970-01-01 00:00Z", 0.0),
            ("1970-01-01 00:00:00.5 +0000", 500.0),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
            ("Thu Jan 01 1970 08:00:00 GMT+0800 (China Standard Time)", 0.0),
            ("1 January 1970 3:00 pm EST", 72_000_000.0),
            ("1 Jan 1970 00:00 UTC+01:30", -5_400_000.0),
            ("1 Jan 1970 00:00:00.123456 GMT-8", 28_800_123.0),
            ("1 Jan 1970 0::30 UTC", 30_000.0),
            ("3 Jan 1970 1:1:4:11.7 UTC", 2.0 * DAY + 3_664_011.0),
            ("1/2/70 UTC", DAY),
            ("1970/1/2 UTC", DAY),
            ("70-Jan-2 UTC", DAY),
            ("Jan 2 UTC", 978_393_600_000.0),
            ("5 UTC", 988_675_200_000.0),
            ("The 1 Jan 1970 UTC", 0.0),
            ("(note) 1 Jan 1970 UTC", 0.0),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_in_v8_is_invalid() {
        let texts = [
            "",
            "hello",
            "null",
            "0 0 0",
            "1714979289",
            "2026-13-01",
            "2026-01-32",
            "1970-01-01T00Z",
            "1970-01-01T24:01Z",
            "1970-1-1T00:00Z",
            "1970-1-1 12 am Z",
            "13 pm 1 Jan 1970",
            "1 Jan 1970 25:00",
            "1 Jan 1970 noon",
            "1 Jan 1970 +12345",
            "32/1/32/1",
            "1970-01-01)",
            "2 1970 UTC",
        ];
        for text in texts {
            assert!(!Date::parse(text).is_valid(), "{text}");
        }
    }

    #[test]
    fn dates_without_a_zone_are_the_server_s() {
        let expected = at_server_reading(Fields::midnight(2026.0, 10.0, 22.0).reading() + 36_000_000.0);
        let texts = ["2026-11-22T10:00", "2026-11-22 10:00", "11/22/2026 10:00", "Nov 22, 2026 10:00 am"];
        for text in texts {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_not(text in "\\PC{0,30}", dates in "[0-9a-zT:.+() -]{0,30}") {
            parse(&text);
            parse(&dates);
        }
    }
}
