//! Columns in NocoBase's own kinds, and what the three databases call each kind. The type names are those
//! that NocoBase sends: on SQLite they decide how a value is stored.

use entity::Names;
use sea_orm::{
    DbBackend,
    sea_query::{ColumnDef, ColumnType, Expr},
};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    BigInt,
    /// A primary key that the database counts up.
    AutoId,
    /// Text of at most this many characters.
    Varchar(u16),
    Text,
    /// Text of any length and with any character, whatever the character set of the database is on MySQL.
    LongText,
    /// JSON that PostgreSQL keeps as written.
    Json,
    /// JSON that PostgreSQL keeps parsed, its keys in an order of its own.
    JsonBinary,
    /// `createdAt` and `updatedAt` where NocoBase adds them by itself: whole seconds on MySQL.
    RowTime,
    /// A time that NocoBase declares: milliseconds on MySQL.
    Time,
}

impl Kind {
    fn type_name(self, backend: DbBackend) -> String {
        let [postgres, mysql, sqlite] = match self {
            Kind::Boolean => ["boolean", "tinyint(1)", "TINYINT(1)"],
            Kind::Integer => ["integer", "int", "INTEGER"],
            Kind::BigInt => ["bigint", "bigint", "BIGINT"],
            Kind::AutoId => ["bigserial", "bigint", "INTEGER"],
            Kind::Varchar(_) => ["varchar", "varchar", "VARCHAR"],
            Kind::Text => ["text", "text", "TEXT"],
            Kind::LongText => ["text", "longtext CHARACTER SET utf8mb4", "TEXT"],
            Kind::Json => ["json", "json", "JSON"],
            Kind::JsonBinary => ["jsonb", "json", "JSON"],
            Kind::RowTime => ["timestamptz", "datetime", "DATETIME"],
            Kind::Time => ["timestamptz", "datetime(3)", "DATETIME"],
        };
        let name = match backend {
            DbBackend::Postgres => postgres,
            DbBackend::Sqlite => sqlite,
            _ => mysql,
        };
        match self {
            Kind::Varchar(length) => format!("{name}({length})"),
            _ => name.to_owned(),
        }
    }
}

/// The value that a row gets where an insert leaves the column out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultValue {
    False,
    Zero,
    EmptyObject,
    /// The `options` of a workflow; on PostgreSQL NocoBase makes it a JSON string by mistake.
    NoTimeout,
}

impl DefaultValue {
    /// `None` on MySQL for JSON, which has no defaults there.
    fn value(self, backend: DbBackend) -> Option<Expr> {
        let json = |text: &'static str| (backend != DbBackend::MySql).then(|| text.into());
        match (self, backend) {
            // SQLite keeps the text of the default, and NocoBase writes it as a number.
            (DefaultValue::False, DbBackend::Sqlite) | (DefaultValue::Zero, _) => Some(0.into()),
            (DefaultValue::False, _) => Some(false.into()),
            (DefaultValue::EmptyObject, _) => json("{}"),
            (DefaultValue::NoTimeout, DbBackend::Postgres) => json(r#""{\"timeout\":0}""#),
            (DefaultValue::NoTimeout, _) => json(r#"{"timeout":0}"#),
        }
    }
}

/// One column of a table, under its camelCase field name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) field: &'static str,
    kind: Kind,
    default: Option<DefaultValue>,
    not_null: bool,
    unique: bool,
    primary_key: bool,
}

/// A column that may be NULL.
pub(crate) const fn column(field: &'static str, kind: Kind) -> Column {
    Column { field, kind, default: None, not_null: false, unique: false, primary_key: false }
}

impl Column {
    pub(crate) const fn not_null(self) -> Self {
        Self { not_null: true, ..self }
    }

    pub(crate) const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    pub(crate) const fn primary_key(self) -> Self {
        Self { primary_key: true, ..self }
    }

    pub(crate) const fn default(self, default: DefaultValue) -> Self {
        Self { default: Some(default), ..self }
    }

    /// SQLite makes an `INTEGER PRIMARY KEY`, and no other type, the number of the row itself.
    fn type_name(&self, backend: DbBackend) -> String {
        match self.kind {
            Kind::BigInt if self.primary_key && backend == DbBackend::Sqlite => "INTEGER".to_owned(),
            kind => kind.type_name(backend),
        }
    }

    pub(crate) fn build(&self, names: &Names, backend: DbBackend) -> ColumnDef {
        let type_name = ColumnType::custom(self.type_name(backend));
        let mut def = ColumnDef::new_with_type(names.column(self.field), type_name);
        if self.not_null {
            def.not_null();
        }
        if let Some(default) = self.default.and_then(|default| default.value(backend)) {
            def.default(default);
        }
        if self.unique {
            def.unique_key();
        }
        if self.primary_key {
            def.primary_key();
        }
        if self.kind == Kind::AutoId && backend != DbBackend::Postgres {
            def.auto_increment();
        }
        def
    }
}
