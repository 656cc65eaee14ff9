//! Regular expressions of fields, which are JavaScript's.

use fancy_regex::RegexBuilder;

use crate::expr::Thrown;

/// How far a search may go back before it is given up: patterns come from people, texts from anywhere.
const BACKTRACKS: usize = 100_000;

/// Whether the pattern matches anywhere in the text. A search that takes too long, and a pattern that cannot be
/// understood, is an error.
pub(super) fn is_match(pattern: &str, text: &str) -> Result<bool, Thrown> {
    let regex = RegexBuilder::new(&translated(pattern)).backtrack_limit(BACKTRACKS).build();
    let regex = regex.map_err(|_| Thrown::error(format!("Invalid regular expression: /{pattern}/")))?;
    regex.is_match(text).map_err(|_| Thrown::error(format!("/{pattern}/ takes too long to match")))
}

/// Digits and word characters are those of ASCII in JavaScript, also within brackets.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut is_in_brackets = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let ascii = match (c, chars.as_str().chars().next()) {
            ('\\', Some('d')) => "0-9",
            ('\\', Some('w')) => "0-9A-Za-z_",
            ('\\', Some('D')) if !is_in_brackets => "^0-9",
            ('\\', Some('W')) if !is_in_brackets => "^0-9A-Za-z_",
            ('\\', Some('/')) => {
                chars.next();
                out.push('/');
                continue;
            }
            ('\\', Some(escaped)) => {
                chars.next();
                out.push(c);
                out.push(escaped);
                continue;
            }
            ('[', _) if is_in_brackets => {
                out.push_str("\\[");
                continue;
            }
            _ => {
                is_in_brackets = (is_in_brackets || c == '[') && c != ']';
                out.push(c);
                continue;
            }
        };
        chars.next();
        if is_in_brackets { out.push_str(ascii) } else { out.push_str(&format!("[{ascii}]")) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_javascript() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "१२", false),
            (r"^[\w.-]+@[^@]+$", "a.b-c@d", true),
            (r"^(?=.*[A-Z])(?=.*\d).{8,}$", "abcDefg1", true),
            (r"^(?=.*[A-Z])(?=.*\d).{8,}$", "abcdefg1", false),
            (r"^[[\]]$", "[", true),
            (r"^a\/b$", "a/b", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(is_match(pattern, text), Ok(expected), "{pattern} {text}");
        }
        assert!(is_match("(", "x").is_err());
        assert!(is_match(r"^(?=x)?(a|aa)+\1$", &"a".repeat(60)).is_err(), "it goes back without end");
    }
}
