//! Fields: their types, what column each type has, and their options (`packages/core/database/src/fields`).
//! The one place that knows the types; what is written into a column is with the types, too.

use sea_orm::DbBackend;

use crate::expr::{Str, Value};

/// An attribute of a collection: a field with a column, or a key or time that NocoBase adds by itself.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: Str,
    /// The name of the column.
    pub column: Str,
    pub kind: FieldType,
    /// What the column holds.
    pub column_type: ColumnType,
    /// Whether NocoBase has a field of this name; foreign keys and times may be attributes only.
    pub is_declared: bool,
    /// `fields.options` together with `interface`: an object.
    pub options: Value,
}

impl Field {
    /// An option of the field; undefined when it is not set.
    pub fn option(&self, name: &str) -> Value {
        self.options.member(name)
    }

    /// Left out of results.
    pub fn is_hidden(&self) -> bool {
        self.option("hidden").is_truthy()
    }

    pub fn is_primary_key(&self) -> bool {
        self.option("primaryKey").is_truthy()
    }

    pub fn is_auto_increment(&self) -> bool {
        self.option("autoIncrement").is_truthy()
    }

    /// `fields.interface`, the field's kind on the screen.
    pub fn interface(&self) -> Option<Str> {
        match self.option("interface") {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether NocoBase shows its values as dates.
    pub fn is_date(&self) -> bool {
        matches!(self.kind, FieldType::Date) || (self.kind == FieldType::UnixTimestamp && self.is_declared)
    }

    /// How many of a Unix timestamp's units are in a second: 1 or 1000.
    pub fn units_per_second(&self) -> f64 {
        let props = self.option("uiSchema").member("x-component-props").member("accuracy");
        let accuracy = if props.is_truthy() { props } else { self.option("accuracy") };
        if accuracy.as_str() == Some("millisecond") { 1000.0 } else { 1.0 }
    }
}

/// `fields.type`. Types that behave alike in every respect share a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    String,
    Text,
    Uid,
    Nanoid,
    Uuid,
    Password,
    Sequence,
    Integer,
    BigInt,
    SnowflakeId,
    Sort,
    UnixTimestamp,
    Float,
    Double,
    Real,
    Decimal,
    Boolean,
    Radio,
    Json,
    Jsonb,
    Array,
    Set,
    /// `date`, `datetime` and `datetimeTz`: a point in time.
    Date,
    /// A wall clock's date and time, without a zone.
    DatetimeNoTz,
    DateOnly,
    Time,
    /// Taken from the request in NocoBase: `createdById` and the like. Its type is in `dataType`.
    Context,
    Blob,
    /// Encrypted by NocoBase, with a key that sidehook does not have.
    Encryption,
    /// Calculated from the other fields when a record is saved; its type is in `dataType`.
    Formula,
    Point,
    LineString,
    Polygon,
    Circle,
    /// A type of a plugin that sidehook knows nothing of; its column is read as the database gives it.
    Other,
}

impl FieldType {
    /// The type of a field row that has a column; `None` for associations and virtual fields.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::String,
            "text" | "markdownVditor" | "vditor" | "code" => Self::Text,
            "encryption" => Self::Encryption,
            "uid" => Self::Uid,
            "nanoid" => Self::Nanoid,
            "uuid" => Self::Uuid,
            "password" => Self::Password,
            "sequence" => Self::Sequence,
            "integer" => Self::Integer,
            "bigInt" => Self::BigInt,
            "snowflakeId" => Self::SnowflakeId,
            "sort" => Self::Sort,
            "unixTimestamp" => Self::UnixTimestamp,
            "float" => Self::Float,
            "double" => Self::Double,
            "real" => Self::Real,
            "decimal" => Self::Decimal,
            "boolean" => Self::Boolean,
            "radio" => Self::Radio,
            "json" | "expression" | "snapshot" => Self::Json,
            "jsonb" => Self::Jsonb,
            "array" => Self::Array,
            "set" => Self::Set,
            "date" | "datetime" | "datetimeTz" => Self::Date,
            "datetimeNoTz" => Self::DatetimeNoTz,
            "dateOnly" => Self::DateOnly,
            "time" => Self::Time,
            "context" => Self::Context,
            "blob" => Self::Blob,
            "formula" => Self::Formula,
            "point" => Self::Point,
            "lineString" => Self::LineString,
            "polygon" => Self::Polygon,
            "circle" => Self::Circle,
            "virtual" => return None,
            _ => Self::Other,
        })
    }

    /// What a column of this type holds.
    pub fn column_type(self, options: &Value, backend: DbBackend) -> ColumnType {
        match self {
            Self::String
            | Self::Uid
            | Self::Nanoid
            | Self::Password
            | Self::Sequence
            | Self::Text
            | Self::Encryption => ColumnType::Text,
            Self::Uuid => ColumnType::Uuid,
            Self::Integer => ColumnType::Integer,
            Self::BigInt | Self::SnowflakeId | Self::Sort | Self::UnixTimestamp => ColumnType::BigInt,
            Self::Float | Self::Double | Self::Real => ColumnType::Float,
            Self::Decimal => ColumnType::Decimal,
            Self::Boolean | Self::Radio => ColumnType::Boolean,
            Self::Json if options.member("jsonb").is_truthy() => ColumnType::Jsonb,
            Self::Json => ColumnType::Json,
            Self::Array | Self::Set
                if backend == DbBackend::Postgres && options.member("dataType").as_str() == Some("array") =>
            {
                ColumnType::Other
            }
            Self::Jsonb | Self::Array | Self::Set => ColumnType::Jsonb,
            Self::Date => ColumnType::Instant,
            Self::DatetimeNoTz => ColumnType::Timestamp,
            Self::DateOnly => ColumnType::Date,
            Self::Time => ColumnType::Time,
            Self::Context => of_data_type(options, ColumnType::Text),
            Self::Blob => ColumnType::Blob,
            Self::Formula => of_data_type(options, ColumnType::Float),
            Self::Circle if backend != DbBackend::Postgres => ColumnType::Json,
            Self::Point | Self::LineString | Self::Polygon if backend == DbBackend::Sqlite => {
                ColumnType::Json
            }
            Self::Point | Self::LineString | Self::Polygon | Self::Circle => ColumnType::Other,
            Self::Other => of_data_type(options, ColumnType::Other),
        }
    }

    /// Whether the field's class is NocoBase's `StringField`; its subclasses have no type of their own.
    pub fn is_string(self) -> bool {
        self == Self::String
    }

    /// Whether the field's class is NocoBase's `ArrayField` or extends it.
    pub fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::Set)
    }

    /// Whether the field's class is of NocoBase's map plugin.
    pub fn is_geometry(self) -> bool {
        matches!(self, Self::Point | Self::LineString | Self::Polygon | Self::Circle)
    }

    /// Whether values are read through a getter of the field, which puts them before all others in results.
    pub fn has_getter(self) -> bool {
        matches!(self, Self::Date | Self::DatetimeNoTz | Self::UnixTimestamp) || self.is_geometry()
    }
}

/// The column of a field whose type is in its option `dataType`: context fields and formulas.
fn of_data_type(options: &Value, otherwise: ColumnType) -> ColumnType {
    let Value::Text(name) = options.member("dataType") else { return otherwise };
    match name.to_ascii_lowercase().as_str() {
        "string" | "text" => ColumnType::Text,
        "integer" => ColumnType::Integer,
        "bigint" => ColumnType::BigInt,
        "double" | "float" | "real" => ColumnType::Float,
        "decimal" => ColumnType::Decimal,
        "boolean" => ColumnType::Boolean,
        "date" => ColumnType::Instant,
        "json" => ColumnType::Json,
        "jsonb" => ColumnType::Jsonb,
        _ => otherwise,
    }
}

/// What a column holds, whatever the database calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Text,
    Uuid,
    Integer,
    BigInt,
    Float,
    Decimal,
    Boolean,
    Json,
    Jsonb,
    /// A point in time.
    Instant,
    /// A date with a time, without a zone.
    Timestamp,
    Date,
    Time,
    Blob,
    /// Anything else: native arrays, geometry, …
    Other,
}

impl ColumnType {
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::BigInt | Self::Float | Self::Decimal)
    }

    /// The name of the type in a PostgreSQL cast; `None` where values need none.
    pub fn postgres(self) -> Option<&'static str> {
        Some(match self {
            Self::Text | Self::Blob | Self::Other => return None,
            Self::Uuid => "uuid",
            Self::Integer => "integer",
            Self::BigInt => "bigint",
            Self::Float => "double precision",
            Self::Decimal => "numeric",
            Self::Boolean => "boolean",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Instant => "timestamptz",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Time => "time",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn options(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn a_type_has_a_column_by_its_options_and_the_database() {
        let cases = [
            ("json", r#"{"jsonb":true}"#, ColumnType::Jsonb),
            ("json", "{}", ColumnType::Json),
            ("array", "{}", ColumnType::Jsonb),
            ("array", r#"{"dataType":"array","elementType":"string"}"#, ColumnType::Other),
            ("context", r#"{"dataType":"bigInt"}"#, ColumnType::BigInt),
            ("context", "{}", ColumnType::Text),
            ("formula", r#"{"dataType":"bigInt"}"#, ColumnType::BigInt),
            ("formula", "{}", ColumnType::Float),
            ("point", "{}", ColumnType::Other),
        ];
        for (name, text, expected) in cases {
            let kind = FieldType::parse(name).expect("a column");
            assert_eq!(kind.column_type(&options(text), DbBackend::Postgres), expected, "{name} {text}");
        }
        assert_eq!(FieldType::parse("virtual"), None);
    }

    #[test]
    fn a_unix_timestamp_counts_seconds_unless_told_otherwise() {
        let field = |text: &str| Field {
            name: "ts".into(),
            column: "ts".into(),
            kind: FieldType::UnixTimestamp,
            column_type: ColumnType::BigInt,
            is_declared: true,
            options: options(text),
        };
        assert_eq!(field("{}").units_per_second(), 1.0);
        assert_eq!(field(r#"{"accuracy":"millisecond"}"#).units_per_second(), 1000.0);
        let on_screen =
            r#"{"accuracy":"second","uiSchema":{"x-component-props":{"accuracy":"millisecond"}}}"#;
        assert_eq!(field(on_screen).units_per_second(), 1000.0);
    }
}
