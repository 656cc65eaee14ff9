//! Points in time as the three databases hand them out.

use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::{ColIdx, DbBackend, DbErr, QueryResult, TryGetError, TryGetable};

/// A point in time read from a column of any of the three databases.
///
/// PostgreSQL's `timestamptz` carries its zone. MySQL's `datetime` has none: the value is what stands in
/// the column, read as if it were UTC, and `store::codec` takes `DB_TIMEZONE` off it. SQLite holds
/// NocoBase's text form `YYYY-MM-DD HH:mm:ss.SSS +00:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub DateTime<Utc>);

impl TryGetable for Timestamp {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        if row.try_as_sqlite_row().is_some() {
            let text = String::try_get_by(row, index)?;
            return parse(&text).map(Timestamp).ok_or_else(|| {
                DbErr::Type(format!("{text:?} is not a time of the form YYYY-MM-DD HH:mm:ss.SSS +00:00"))
                    .into()
            });
        }
        if row.try_as_mysql_row().is_some() {
            return NaiveDateTime::try_get_by(row, index).map(|naive| Timestamp(naive.and_utc()));
        }
        DateTime::<Utc>::try_get_by(row, index).map(Timestamp)
    }
}

impl Timestamp {
    /// The text a time takes where it is bound as text: on MySQL and SQLite.
    pub fn text(self, backend: DbBackend) -> String {
        match backend {
            DbBackend::Sqlite => self.0.format("%Y-%m-%d %H:%M:%S%.3f +00:00").to_string(),
            _ => self.0.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        }
    }
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f %z")
        .or_else(|_| DateTime::parse_from_rfc3339(text))
        .map(|time| time.with_timezone(&Utc))
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|naive| naive.and_utc()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_text_reads_back() {
        let time = parse("2026-11-22 01:02:03.456 +00:00").expect("NocoBase's form");
        assert_eq!(Timestamp(time).text(DbBackend::Sqlite), "2026-11-22 01:02:03.456 +00:00");
        assert_eq!(Timestamp(time).text(DbBackend::MySql), "2026-11-22 01:02:03.456");
        assert_eq!(parse("2026-11-22T01:02:03.456Z"), Some(time));
        assert_eq!(parse("2026-11-22 01:02:03.456"), Some(time));
        assert_eq!(parse("yesterday"), None);
    }
}
