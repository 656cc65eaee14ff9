//! Tells apart what is code, what is quoted and what is a comment in the text of statements, by the rules of each
//! database. Where a mode of a server makes the rules differ, less is taken for code than the server does.

use std::ops::Range;

use sea_orm::DbBackend;

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words, numbers, operators and white space.
    Code,
    /// A text or a name in quotes, with them.
    Quoted,
    /// A text that begins with a quote and has no end.
    Open,
    Comment,
}

/// Goes through the parts of a text.
pub(super) struct Lexer<'a> {
    sql: &'a str,
    backend: DbBackend,
    at: usize,
    /// Where a text with escapes (`E'…'`) has ended: PostgreSQL lets another line go on with it.
    escaped_until: Option<usize>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a str, backend: DbBackend) -> Self {
        Self { sql, backend, at: 0, escaped_until: None }
    }

    /// What begins at a place and is no code, with its end.
    fn special(&self, at: usize) -> Option<(Kind, usize)> {
        let rest = self.sql.get(at..)?;
        let quoted = |length: Option<usize>| match length {
            Some(length) => (Kind::Quoted, at + length),
            None => (Kind::Open, self.sql.len()),
        };
        // A name without an end is left to the database to complain about.
        let named = |length: Option<usize>| (Kind::Quoted, at + length.unwrap_or(rest.len()));
        let comment = |length: usize| (Kind::Comment, at + length);
        let line = || rest.find('\n').unwrap_or(rest.len());
        Some(match (rest.as_bytes().first()?, self.backend) {
            (b'\'', _) => quoted(quoted_length(rest, b'\'', self.has_escapes(at))),
            (b'"', DbBackend::MySql) => quoted(quoted_length(rest, b'"', true)),
            (b'"', _) => named(quoted_length(rest, b'"', false)),
            (b'`', DbBackend::MySql | DbBackend::Sqlite) => named(quoted_length(rest, b'`', false)),
            (b'[', DbBackend::Sqlite) => named(rest.find(']').map(|end| end + 1)),
            (b'-', _) if is_line_comment(rest, self.backend) => comment(line()),
            (b'#', DbBackend::MySql) => comment(line()),
            (b'/', _) if rest.starts_with("/*") => comment(comment_length(rest, self.backend)),
            (b'$', DbBackend::Postgres) if !is_word_before(self.sql, at) => {
                (Kind::Quoted, at + dollar_length(rest)?)
            }
            _ => return None,
        })
    }

    /// Whether a backslash in the text that begins here takes the next character with it.
    fn has_escapes(&self, at: usize) -> bool {
        match self.backend {
            DbBackend::MySql => true,
            DbBackend::Postgres => {
                is_escape_string(self.sql, at)
                    || self.escaped_until.is_some_and(|end| {
                        let between = self.sql.get(end..at).unwrap_or_default();
                        between.contains(['\n', '\r']) && only_blank(between)
                    })
            }
            _ => false,
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = (Range<usize>, Kind);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        if start >= self.sql.len() {
            return None;
        }
        if let Some((kind, end)) = self.special(start) {
            if self.sql[start..].starts_with('\'') && self.has_escapes(start) {
                self.escaped_until = Some(end);
            }
            self.at = end;
            return Some((start..end, kind));
        }
        let code = self.sql[start..].char_indices().skip(1).map(|(place, _)| start + place);
        let end = code.into_iter().find(|at| self.special(*at).is_some()).unwrap_or(self.sql.len());
        self.at = end;
        Some((start..end, Kind::Code))
    }
}

/// White space and comments that run to the end of their line.
fn only_blank(between: &str) -> bool {
    between.lines().all(|line| line.split("--").next().unwrap_or_default().trim().is_empty())
}

/// MySQL wants white space behind the dashes.
fn is_line_comment(rest: &str, backend: DbBackend) -> bool {
    let Some(after) = rest.strip_prefix("--") else { return false };
    backend != DbBackend::MySql
        || after.is_empty()
        || after.starts_with(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether the character before belongs to a word.
fn is_word_before(sql: &str, at: usize) -> bool {
    sql[..at]
        .chars()
        .next_back()
        .is_some_and(|c| c.is_ascii_alphanumeric() || "_$".contains(c) || !c.is_ascii())
}

/// `E'…'` of PostgreSQL.
fn is_escape_string(sql: &str, at: usize) -> bool {
    sql[..at].ends_with(['e', 'E']) && !is_word_before(sql, at - 1)
}

/// The length of what is quoted, with its quotes; a doubled quote is part of it.
fn quoted_length(rest: &str, quote: u8, has_escapes: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if has_escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The length of a comment. PostgreSQL's contain others; so do MySQL's with `!`, which the server may skip as a whole.
fn comment_length(rest: &str, backend: DbBackend) -> usize {
    let nests = match backend {
        DbBackend::Postgres => true,
        DbBackend::MySql => is_conditional(rest),
        _ => false,
    };
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (2, 1);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            (b'/', Some(b'*')) if nests => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// `/*! … */`, which MySQL runs, and `/*M! … */` of MariaDB.
pub(super) fn is_conditional(comment: &str) -> bool {
    comment.starts_with("/*!") || comment.starts_with("/*M!")
}

/// `$tag$…$tag$`.
fn dollar_length(rest: &str) -> Option<usize> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    let name = &tag[1..end - 1];
    let is_tag = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii())
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return None;
    }
    Some(rest[end..].find(tag).map_or(rest.len(), |close| end + close + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with everything that is no code as dots.
    fn code(sql: &str, backend: DbBackend) -> String {
        let part = |(range, kind): (Range<usize>, Kind)| match kind {
            Kind::Code => sql[range].to_owned(),
            Kind::Quoted => "q".to_owned(),
            Kind::Open => "open".to_owned(),
            Kind::Comment => "c".to_owned(),
        };
        Lexer::new(sql, backend).map(part).collect()
    }

    #[test]
    fn comments_of_postgres_nest() {
        let cases = [
            ("a /* b /* c */ d */ e", "a c e"),
            ("a /* /* */ */ b */", "a c b */"),
            ("a /* /* */ open", "a c"),
            ("a /*/* */*/ b", "a c b"),
            ("a -- /*\n b", "a c\n b"),
        ];
        for (sql, expected) in cases {
            assert_eq!(code(sql, DbBackend::Postgres), expected, "{sql}");
        }
        for backend in [DbBackend::MySql, DbBackend::Sqlite] {
            assert_eq!(code("a /* b /* c */ d */ e", backend), "a c d */ e");
            assert_eq!(code("a /*/ b */ c", backend), "a c c");
        }
        assert_eq!(code("a /*! b /* c */ d */ e", DbBackend::MySql), "a c e");
        assert_eq!(code("a /*M!100100 b /* c */ d */ e", DbBackend::MySql), "a c e");
    }

    #[test]
    fn quotes_are_those_of_the_database() {
        let cases = [
            (r"a 'b\' c 'd' e", ["a q c q e", "a qdopen", "a q c q e"]),
            (r"a E'b\' c' d", ["a Eq d", "a Eq d", "a Eq copen"]),
            ("a 'it''s' b", ["a q b", "a q b", "a q b"]),
            (r#"a "b" c"#, ["a q c", "a q c", "a q c"]),
            ("a `it's` b", ["a `itopen", "a q b", "a q b"]),
            ("a [it's] b", ["a [itopen", "a [itopen", "a q b"]),
            ("a $x$ 'b $x$ c", ["a q c", "a $x$ open", "a $x$ open"]),
            ("a$x$ b $1 c", ["a$x$ b $1 c", "a$x$ b $1 c", "a$x$ b $1 c"]),
            ("a # b\n c", ["a # b\n c", "a c\n c", "a # b\n c"]),
            ("a --b\n c", ["a c\n c", "a --b\n c", "a c\n c"]),
            ("a -- b\n c", ["a c\n c", "a c\n c", "a c\n c"]),
        ];
        for (sql, expected) in cases {
            let found =
                [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite].map(|backend| code(sql, backend));
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[test]
    fn a_text_with_escapes_goes_on_in_the_next_line() {
        assert_eq!(code("E'a'\n 'b\\' :c' d", DbBackend::Postgres), "Eq\n q d");
        assert_eq!(code("E'a' -- x\n 'b\\' :c' d", DbBackend::Postgres), "Eq c\n q d");
        assert_eq!(code("E'a' 'b\\' d", DbBackend::Postgres), "Eq q d");
        assert_eq!(code("'a'\n 'b\\' d", DbBackend::Postgres), "q\n q d");
    }
}
