//! Named variables in the text of statements, several statements in one text, and what kind each is (Sequelize's
//! `utils/sql.ts`).

use chrono::TimeZone;
use sea_orm::DbBackend;

use super::lexer::{Kind, Lexer, is_conditional};
use crate::collection::inspect::inspect;
use crate::expr::convert::number_to_text;
use crate::expr::{Object, Thrown, Value};
use crate::store::Codec;

/// Puts values in the places of `:name`. A value is written as a literal, as NocoBase does it, because its type may
/// depend on what it is: quotes in it are doubled, and nothing in it is ever read as SQL.
pub fn replace(sql: &str, values: &Object, codec: &Codec) -> Result<String, Thrown> {
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    for (range, kind) in Lexer::new(sql, codec.backend()) {
        match kind {
            Kind::Open => {
                return Err(Thrown::error(format!(
                    "The following SQL query includes an unterminated string literal:\n{sql}"
                )));
            }
            Kind::Quoted | Kind::Comment => continue,
            Kind::Code => {}
        }
        for (at, _) in sql[range.clone()].match_indices(':') {
            let at = range.start + at;
            let Some(name) = variable(sql, at) else { continue };
            let value = values.get(name).filter(|value| !value.is_undefined()).ok_or_else(|| {
                Thrown::error(format!("Named replacement \":{name}\" has no entry in the replacement map."))
            })?;
            out.push_str(&sql[copied..at]);
            out.push_str(&literal(value, codec)?);
            copied = at + 1 + name.len();
        }
    }
    out.push_str(&sql[copied..]);
    Ok(out)
}

/// The statements of a text, without empty ones.
pub(super) fn split(sql: &str, backend: DbBackend) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    for (range, _) in Lexer::new(sql, backend).filter(|(_, kind)| *kind == Kind::Code) {
        for (at, _) in sql[range.clone()].match_indices(';') {
            statements.push(&sql[start..range.start + at]);
            start = range.start + at + 1;
        }
    }
    statements.push(&sql[start..]);
    statements.retain(|statement| !statement.trim().is_empty());
    statements
}

/// The first word of a statement, in upper case, without the comments before it. What MySQL runs in spite of its
/// being in a comment counts.
pub(super) fn command(sql: &str, backend: DbBackend) -> String {
    let is_between = |c: char| c == '(' || c.is_whitespace();
    for (range, kind) in Lexer::new(sql, backend) {
        let mut part = &sql[range];
        match kind {
            Kind::Code => {}
            Kind::Comment if backend == DbBackend::MySql && is_conditional(part) => {
                part = part.trim_start_matches(|c: char| "/*M!".contains(c) || c.is_ascii_digit());
            }
            Kind::Comment => continue,
            Kind::Quoted | Kind::Open => return String::new(),
        }
        let word = part.trim_start_matches(is_between);
        if !word.is_empty() && word != "*/" {
            return word
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect::<String>()
                .to_ascii_uppercase();
        }
    }
    String::new()
}

/// The name of a variable at a colon: only where a new word can begin and end.
fn variable(sql: &str, at: usize) -> Option<&str> {
    let before = sql[..at].chars().next_back();
    if !before.is_none_or(|c| c.is_whitespace() || "(>,=[".contains(c)) {
        return None;
    }
    let rest = &sql[at + 1..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let ends = after.is_empty()
        || after.starts_with(|c: char| c.is_whitespace() || "),;]".contains(c))
        || after.starts_with("::");
    (begins && ends).then_some(name)
}

/// A value as SQL.
fn literal(value: &Value, codec: &Codec) -> Result<String, Thrown> {
    Ok(match value {
        Value::Undefined | Value::Null => "NULL".to_owned(),
        Value::Bool(flag) if codec.backend() == DbBackend::Sqlite => u8::from(*flag).to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number_to_text(*number),
        Value::Text(text) => quoted(text, codec.backend()),
        Value::Date(date) => quoted(&date_text(*date, codec), codec.backend()),
        Value::Array(array, _) => {
            let items: Result<Vec<String>, Thrown> = array
                .items()
                .iter()
                .map(|item| {
                    let text = literal(item, codec)?;
                    Ok(if item.as_array().is_some() { format!("({text})") } else { text })
                })
                .collect();
            items?.join(", ")
        }
        other => return Err(Thrown::error(format!("Invalid value {}", inspect(other)))),
    })
}

/// A text as a literal that means the same whatever the server thinks of backslashes.
fn quoted(text: &str, backend: DbBackend) -> String {
    let plain = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match backend {
        DbBackend::Postgres => {
            // PostgreSQL has no texts with this character; NocoBase writes it like this.
            let text = text.replace('\0', "\\0");
            match text.contains('\\') {
                true => format!("E{}", plain(&text.replace('\\', "\\\\"))),
                false => plain(&text),
            }
        }
        DbBackend::MySql if text.contains('\\') => format!("_utf8mb4 X'{}'", hex::encode(text)),
        DbBackend::Sqlite if text.contains('\0') => format!("CAST(X'{}' AS TEXT)", hex::encode(text)),
        _ => plain(text),
    }
}

fn date_text(date: crate::expr::Date, codec: &Codec) -> String {
    let Some(time) = date.to_chrono() else { return "Invalid date".to_owned() };
    match codec.backend() {
        DbBackend::MySql => {
            codec.time_offset().from_utc_datetime(&time.naive_utc()).format("%Y-%m-%d %H:%M:%S").to_string()
        }
        _ => time.format("%Y-%m-%d %H:%M:%S%.3f +00:00").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn codec(backend: DbBackend) -> Codec {
        Codec::new(backend, chrono::FixedOffset::east_opt(0).expect("an offset"))
    }

    fn replaced(sql: &str, values: &str, backend: DbBackend) -> String {
        let values = json::parse(values.as_bytes()).expect("JSON");
        let values = values.as_object().cloned().unwrap_or_default();
        replace(sql, &values, &codec(backend)).unwrap_or_else(|thrown| thrown.message)
    }

    #[test]
    fn variables_are_found_outside_of_quotes_and_comments_only() {
        let values = r#"{"a":"it's","n":7,"l":[1,"x"],"t":true,"z":null}"#;
        let cases = [
            ("select :a, :n::int, x=:n", "select 'it''s', 7::int, x=7"),
            ("select * where i in (:l)", "select * where i in (1, 'x')"),
            ("select ':a', \":a\", $$:a$$, $t$:a$t$", "select ':a', \":a\", $$:a$$, $t$:a$t$"),
            ("select 1 -- :a\n, :n", "select 1 -- :a\n, 7"),
            ("select /* :a */ :z", "select /* :a */ NULL"),
            ("select '2024'::date, a:n, arr[:n]", "select '2024'::date, a:n, arr[7]"),
            ("select E'\\':a' , :n", "select E'\\':a' , 7"),
            ("select :t", "select true"),
            ("select :1", "select :1"),
        ];
        for (sql, expected) in cases {
            assert_eq!(replaced(sql, values, DbBackend::Postgres), expected);
        }
        assert_eq!(replaced("select :t", values, DbBackend::Sqlite), "select 1");
        assert_eq!(
            replaced("select \":a\", `:a`, :n # :a", values, DbBackend::MySql),
            "select \":a\", `:a`, 7 # :a"
        );
    }

    #[test]
    fn what_cannot_be_replaced_throws() {
        let cases = [
            ("select :nope", "Named replacement \":nope\" has no entry in the replacement map."),
            ("select :o", "Invalid value { k: 1 }"),
            (
                "select 'open",
                "The following SQL query includes an unterminated string literal:\nselect 'open",
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(replaced(sql, r#"{"o":{"k":1}}"#, DbBackend::Postgres), expected);
        }
    }

    #[test]
    fn backslashes_mean_themselves_in_any_mode_of_the_server() {
        let values = r#"{"a":"\\'; drop"}"#;
        assert_eq!(replaced("select :a", values, DbBackend::Postgres), r"select E'\\''; drop'");
        assert_eq!(replaced("select :a", values, DbBackend::MySql), "select _utf8mb4 X'5c273b2064726f70'");
        assert_eq!(replaced("select :a", values, DbBackend::Sqlite), r"select '\''; drop'");
        let zero = r#"{"a":"x\u0000"}"#;
        assert_eq!(replaced("select :a", zero, DbBackend::Sqlite), "select CAST(X'7800' AS TEXT)");
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        let statements =
            split("select ';'; insert into t values ($$;$$) ;; -- ;\n select 1;", DbBackend::Postgres);
        let statements: Vec<&str> = statements.into_iter().map(str::trim).collect();
        assert_eq!(statements, ["select ';'", "insert into t values ($$;$$)", "-- ;\n select 1"]);
    }

    #[test]
    fn the_command_is_the_first_word_that_the_database_runs() {
        let cases = [
            (" -- x\n /* y */ (Select 1)", ["SELECT", "SELECT", "SELECT"]),
            ("/* a /* b */ c */ commit", ["COMMIT", "C", "C"]),
            ("/*!50000 commit */", ["", "COMMIT", ""]),
            ("/*M! */ rollback", ["ROLLBACK", "ROLLBACK", "ROLLBACK"]),
            ("# x\n end", ["", "END", ""]),
            ("", ["", "", ""]),
        ];
        for (sql, expected) in cases {
            let found = [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite]
                .map(|backend| command(sql, backend));
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[test]
    fn a_variable_in_a_nested_comment_is_none() {
        let values = r#"{"a":"*/ union all select 4711 /*"}"#;
        let sql = "select 1 as one /* outer /* inner */ :a */";
        assert_eq!(replaced(sql, values, DbBackend::Postgres), sql);
    }

    proptest! {
        /// Whatever is in a text, the statement around it stays the same: one literal, and nothing behind it.
        #[test]
        fn a_text_never_leaves_its_quotes(text in any::<String>()) {
            for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
                let values: Object = [("v", Value::text(text.as_str()))].into_iter().collect();
                let sql = replace("select :v", &values, &codec(backend)).expect("a text");
                prop_assert_eq!(split(&sql, backend).len(), 1);
                let is_code = |(_, kind): &(_, Kind)| *kind == Kind::Code;
                let code: String = Lexer::new(&sql, backend).filter(is_code).map(|(range, _)| &sql[range]).collect();
                prop_assert!(!code.contains([':', ';']), "{}", sql);
                prop_assert!(Lexer::new(&sql, backend).all(|(_, kind)| kind != Kind::Open), "{}", sql);
            }
        }

        #[test]
        fn any_statement_is_walked_to_its_end(sql in any::<String>()) {
            for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
                let _ = split(&sql, backend);
                let _ = replace(&sql, &Object::new(), &codec(backend));
                let _ = command(&sql, backend);
            }
        }
    }
}
