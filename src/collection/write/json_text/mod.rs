//! JSON in a text that a list is read from, and what is wrong with it in V8's words: a job records them
//! (`v8/src/json/json-parser.cc`).

use crate::expr::{Thrown, Value, json};

/// `JSON.parse`.
pub(super) fn parse(text: &str) -> Result<Value, Thrown> {
    json::parse(text.as_bytes()).map_err(|err| {
        let message = fault(text).unwrap_or_else(|| err.to_string());
        Thrown::named("SyntaxError", message)
    })
}

/// What V8 says of the text; `None` when nothing is wrong with it.
fn fault(text: &str) -> Option<String> {
    Scanner { units: text.encode_utf16().collect(), at: 0 }.text().err()
}

/// Texts for which V8 has a message of its own.
const SPECIAL: [&str; 4] = ["undefined", "NaN", "Infinity", "[object Object]"];
/// How much of the text a message shows before and after the place.
const CONTEXT: usize = 10;

struct Scanner {
    units: Vec<u16>,
    at: usize,
}

impl Scanner {
    /// The character here: 0 for any that JSON has no use for.
    fn peek(&self) -> Option<u8> {
        self.units.get(self.at).map(|unit| u8::try_from(*unit).ok().filter(u8::is_ascii).unwrap_or_default())
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip(&mut self, is_skipped: fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(is_skipped) {
            self.at += 1;
        }
        self.at - start
    }

    fn skip_space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    fn here(&self, message: &str) -> String {
        format!("{message} at position {}", self.at)
    }

    fn text(&mut self) -> Result<(), String> {
        // Whether each open bracket is that of an object.
        let mut open: Vec<bool> = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(b'{') => {
                    self.at += 1;
                    self.skip_space();
                    if !self.next_is(b'}') {
                        self.key("Expected property name or '}' in JSON")?;
                        open.push(true);
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    self.skip_space();
                    if !self.next_is(b']') {
                        open.push(false);
                        continue;
                    }
                }
                _ => return Err(self.unexpected()),
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes on after a value, up to where the next one begins. Returns whether there is none.
    fn close(&mut self, open: &mut Vec<bool>) -> Result<bool, String> {
        loop {
            self.skip_space();
            let Some(is_object) = open.last().copied() else {
                return match self.peek() {
                    None => Ok(true),
                    Some(_) => Err(self.here("Unexpected non-whitespace character after JSON")),
                };
            };
            if self.next_is(b',') {
                if is_object {
                    self.skip_space();
                    self.key("Expected double-quoted property name in JSON")?;
                }
                return Ok(false);
            }
            if !self.next_is(if is_object { b'}' } else { b']' }) {
                return Err(self.here(if is_object {
                    "Expected ',' or '}' after property value in JSON"
                } else {
                    "Expected ',' or ']' after array element in JSON"
                }));
            }
            open.pop();
        }
    }

    fn key(&mut self, otherwise: &str) -> Result<(), String> {
        if !self.next_is(b'"') {
            return Err(self.here(otherwise));
        }
        self.string()?;
        self.skip_space();
        if self.next_is(b':') { Ok(()) } else { Err(self.here("Expected ':' after property name in JSON")) }
    }

    /// A string whose first quote has been read.
    fn string(&mut self) -> Result<(), String> {
        loop {
            let Some(byte) = self.peek() else { return Err(self.here("Unterminated string in JSON")) };
            let is_control = self.units.get(self.at).is_some_and(|unit| *unit < 0x20);
            if is_control {
                return Err(self.here("Bad control character in string literal in JSON"));
            }
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.peek() {
            None => return Err(self.unexpected()),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                        _ => return Err(self.here("Bad Unicode escape in JSON")),
                    }
                }
            }
            Some(_) => return Err(self.here("Bad escaped character in JSON")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let is_digit = |byte: u8| byte.is_ascii_digit();
        if self.next_is(b'-') && !self.peek().is_some_and(is_digit) {
            return Err(self.here("No number after minus sign in JSON"));
        }
        if self.next_is(b'0') {
            if self.peek().is_some_and(is_digit) {
                return Err(self.unexpected());
            }
        } else {
            self.skip(is_digit);
        }
        if self.next_is(b'.') && self.skip(is_digit) == 0 {
            return Err(self.here("Unterminated fractional number in JSON"));
        }
        if self.next_is(b'e') || self.next_is(b'E') {
            let _ = self.next_is(b'+') || self.next_is(b'-');
            if self.skip(is_digit) == 0 {
                return Err(self.here("Exponent part is missing a number in JSON"));
            }
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), String> {
        for byte in word {
            if !self.next_is(*byte) {
                return Err(self.unexpected());
            }
        }
        Ok(())
    }

    fn unexpected(&self) -> String {
        match self.peek() {
            None => "Unexpected end of JSON input".to_owned(),
            Some(b'"') => self.here("Unexpected string in JSON"),
            Some(b'-' | b'0'..=b'9') => self.here("Unexpected number in JSON"),
            Some(_) => self.unexpected_token(),
        }
    }

    fn unexpected_token(&self) -> String {
        let (at, length) = (self.at, self.units.len());
        let part = |from: usize, to: usize| {
            String::from_utf16_lossy(self.units.get(from..to.min(length)).unwrap_or_default())
        };
        let whole = part(0, length);
        if SPECIAL.contains(&whole.as_str()) {
            return format!("\"{whole}\" is not valid JSON");
        }
        let shown = if length <= 2 * CONTEXT {
            format!("\"{whole}\"")
        } else if at < CONTEXT {
            format!("\"{}\"...", part(0, at + CONTEXT))
        } else if at < length - CONTEXT {
            format!("...\"{}\"...", part(at - CONTEXT, at + CONTEXT))
        } else {
            format!("...\"{}\"", part(at - CONTEXT, length))
        };
        format!("Unexpected token '{}', {shown} is not valid JSON", part(at, at + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Node.js 20 says.
    const RECORDED: &str = include_str!("recorded.txt");

    #[test]
    fn faults_are_told_in_the_words_of_v8() {
        let mut count = 0;
        for line in RECORDED.lines() {
            let (text, message) = line.split_once('\t').expect("a text and a message");
            let text: String = serde_json::from_str(text).expect("a text as JSON");
            assert_eq!(fault(&text).unwrap_or_default(), message, "{text:?}");
            assert_eq!(parse(&text).is_err(), !message.is_empty(), "{text:?}");
            count += 1;
        }
        assert!(count > 100, "{count}");
    }
}
