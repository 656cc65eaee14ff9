//! How values travel to and from the three databases where they differ: JSON as text, times, the clock.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use entity::Timestamp;
use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Value};

/// The differences between the databases.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    backend: DbBackend,
    /// `DB_TIMEZONE`: the zone in which NocoBase writes MySQL's `datetime` columns.
    time_offset: FixedOffset,
}

impl Codec {
    pub fn new(backend: DbBackend, time_offset: FixedOffset) -> Self {
        Self { backend, time_offset }
    }

    pub fn backend(&self) -> DbBackend {
        self.backend
    }

    /// `DB_TIMEZONE`: also the zone of times that name none.
    pub fn time_offset(&self) -> FixedOffset {
        self.time_offset
    }

    /// A JSON text for a JSON column, `None` for SQL NULL.
    ///
    /// It is bound as text: PostgreSQL casts it, so that its `json` columns keep it to the letter. SQLite's
    /// column affinity makes a number of a text that looks like one, as it does for NocoBase, but not always
    /// the nearest one: there a JSON number is bound as the number that it is. A whole one keeps its digits,
    /// which beyond 2^53 are not those of the double.
    pub fn json(&self, text: Option<String>) -> Expr {
        match (self.backend, &text) {
            (DbBackend::Postgres, _) => Expr::val(text).cast_as(Alias::new("json")),
            (DbBackend::Sqlite, Some(json)) => match (json.parse::<i64>(), serde_json::from_str::<f64>(json))
            {
                (Ok(number), _) => Expr::val(number),
                (_, Ok(number)) => Expr::val(number),
                _ => Expr::val(text),
            },
            _ => Expr::val(text),
        }
    }

    /// A JSON column, to be read as [`entity::JsonText`].
    pub fn json_column(&self, column: Alias) -> Expr {
        match self.backend {
            DbBackend::Postgres => Expr::col(column).cast_as(Alias::new("text")),
            // MySQL's own JSON type does not decode as text; MariaDB's is text already.
            DbBackend::MySql => Expr::col(column).cast_as(Alias::new("char")),
            _ => Expr::col(column),
        }
    }

    /// A time for a column of one of NocoBase's tables.
    pub fn time(&self, time: DateTime<Utc>) -> Expr {
        Expr::val(self.time_value(Some(time)))
    }

    pub fn optional_time(&self, time: Option<DateTime<Utc>>) -> Expr {
        Expr::val(self.time_value(time))
    }

    fn time_value(&self, time: Option<DateTime<Utc>>) -> Value {
        match self.backend {
            DbBackend::Postgres => time.into(),
            _ => time.map(|time| self.time_text(time)).into(),
        }
    }

    /// A time for a column of one of NocoBase's tables where it travels as text.
    pub fn time_text(&self, time: DateTime<Utc>) -> String {
        let shift = if self.backend == DbBackend::MySql { self.shift() } else { TimeDelta::zero() };
        Timestamp(time + shift).text(self.backend)
    }

    /// The point in time that a column of one of NocoBase's tables holds.
    pub fn read_time(&self, time: Timestamp) -> DateTime<Utc> {
        match self.backend {
            DbBackend::MySql => time.0 - self.shift(),
            _ => time.0,
        }
    }

    fn shift(&self) -> TimeDelta {
        TimeDelta::seconds(self.time_offset.local_minus_utc().into())
    }

    /// The database's clock in milliseconds since 1970, as a bigint.
    pub fn now_ms(&self) -> Expr {
        Expr::cust(match self.backend {
            DbBackend::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)",
            DbBackend::MySql => "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS signed)",
            _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS integer)",
        })
    }

    /// A time of one of NocoBase's tables in milliseconds since some moment, as far as the column keeps them: to be compared
    /// with what the same database has said before.
    pub fn milliseconds(&self, column: &str) -> Expr {
        Expr::cust(match self.backend {
            DbBackend::Postgres => format!("CAST(EXTRACT(EPOCH FROM \"{column}\") * 1000 AS bigint)"),
            DbBackend::MySql => format!("TO_SECONDS(`{column}`) * 1000 + MICROSECOND(`{column}`) DIV 1000"),
            _ => format!(
                "CAST(strftime('%s', substr(\"{column}\", 1, 19)) AS integer) * 1000 + CAST(substr(\"{column}\", 21, 3) AS integer)"
            ),
        })
    }

    /// The type of texts in a CAST.
    pub fn text_type(&self) -> Alias {
        Alias::new(if self.backend == DbBackend::MySql { "char" } else { "text" })
    }

    /// How many values one statement may bind, less a reserve for those that are not rows.
    pub fn bind_limit(&self) -> usize {
        match self.backend {
            // 16-bit counters in both protocols.
            DbBackend::Postgres | DbBackend::MySql => 65_000,
            // SQLITE_MAX_VARIABLE_NUMBER since 3.32.
            _ => 32_000,
        }
    }
}
