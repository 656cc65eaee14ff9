//! Counts, sums, averages, minima and maxima (`repository.ts`, Sequelize's `Model.aggregate`).

use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, FunctionCall, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend};

use super::association::AssociationKind;
use super::bind::operand;
use super::error::thrown;
use super::field::ColumnType;
use super::find::Find;
use super::reader::{Reader, key_column};
use super::row;
use super::shape::Collection;
use crate::expr::convert::{to_number, to_text};
use crate::expr::{Date, Thrown, Value};

/// What to calculate over the records of a collection.
#[derive(Clone, Debug)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// An attribute; any other name is taken for a column.
    pub field: String,
    pub is_distinct: bool,
    pub filter: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

impl AggregateFunction {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            _ => return None,
        })
    }

    fn call(self, column: Expr, is_distinct: bool) -> FunctionCall {
        let name = match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        };
        if is_distinct {
            return Func::cust(name).arg(Func::cust("DISTINCT").arg(column));
        }
        Func::cust(name).arg(column)
    }
}

/// The records that belong to one record by an association.
#[derive(Clone, Debug)]
pub struct Source {
    pub collection: Arc<Collection>,
    pub association: String,
    /// The value of the association's source key.
    pub key: Value,
}

impl<C: ConnectionTrait> Reader<'_, C> {
    /// The result as NocoBase's repository gives it: a number, the text or date of a minimum, or null.
    pub async fn aggregate(&self, collection: &Collection, aggregate: &Aggregate) -> Result<Value, Thrown> {
        self.aggregate_where(collection, aggregate, None).await
    }

    /// The same over associated records.
    pub async fn aggregate_of(&self, source: &Source, aggregate: &Aggregate) -> Result<Value, Thrown> {
        let Some(association) = source.collection.association(&source.association) else {
            return Err(Thrown::reading(&Value::Undefined, "aggregate"));
        };
        let target = self
            .schema
            .get(&association.target)
            .ok_or_else(|| Thrown::error(format!("collection {} not found", association.target)))?;
        match (association.kind, &association.through) {
            (AssociationKind::HasMany, _) => {
                let own = Value::object([(association.foreign_key.to_string(), source.key.clone())]);
                let given = if aggregate.filter.is_truthy() {
                    aggregate.filter.clone()
                } else {
                    Value::object::<&str>([])
                };
                let filter = Value::object([("$and", Value::array(vec![given, own]))]);
                self.aggregate_where(target, &Aggregate { filter, ..aggregate.clone() }, None).await
            }
            (AssociationKind::BelongsToMany, Some(through)) => {
                let between = self
                    .schema
                    .get(&through.collection)
                    .ok_or_else(|| Thrown::error(format!("collection {} not found", through.collection)))?;
                let column = |collection: &Collection, name: &str| {
                    collection.field(name).map(|field| Alias::new(&*field.column)).ok_or_else(|| {
                        Thrown::error(format!("the collection {} has no field {name}", collection.name))
                    })
                };
                self.source_exists(source, &association.source_key).await?;
                let mut keys = Query::select();
                keys.column(column(between, &through.other_key)?).from(between.table.table_ref()).and_where(
                    Expr::col(column(between, &association.foreign_key)?).eq(operand(
                        &source.key,
                        between.field(&association.foreign_key),
                        self.codec,
                    )?),
                );
                let own = Expr::col((Alias::new(&*target.name), column(target, &association.target_key)?));
                self.aggregate_where(target, aggregate, Some(own.in_subquery(keys))).await
            }
            _ => Err(Thrown::type_error("repo.aggregate is not a function")),
        }
    }

    /// NocoBase reads the record first; without one it throws.
    async fn source_exists(&self, source: &Source, key: &str) -> Result<(), Thrown> {
        let find = Find {
            filter: Value::object([(key.to_owned(), source.key.clone())]),
            fields: Some(vec![key.to_owned()]),
            limit: Some(1),
            ..Default::default()
        };
        match self.find(&source.collection, &find).await?.is_empty() {
            true => Err(Thrown::reading(&Value::Null, "get")),
            false => Ok(()),
        }
    }

    async fn aggregate_where(
        &self,
        collection: &Collection,
        aggregate: &Aggregate,
        condition: Option<Expr>,
    ) -> Result<Value, Thrown> {
        let filter = self.filter(collection, &aggregate.filter)?;
        let mut select = if filter.joins.is_empty() {
            self.filtered(collection, &filter)
        } else {
            let mut keys = self.filtered(collection, &filter);
            keys.expr(key_column(collection)?);
            let mut select = Query::select();
            select.from(collection.table.read_as(&collection.name));
            select.and_where(key_column(collection)?.in_subquery(keys));
            select
        };
        if let Some(condition) = condition {
            select.and_where(condition);
        }
        self.calculate(collection, aggregate, select).await
    }

    async fn calculate(
        &self,
        collection: &Collection,
        aggregate: &Aggregate,
        mut select: SelectStatement,
    ) -> Result<Value, Thrown> {
        let field = collection.field(&aggregate.field);
        let name = field.map_or(aggregate.field.as_str(), |field| &field.column);
        let column = Expr::col(Alias::new(name));
        let function = aggregate.function.call(column, aggregate.is_distinct);
        select.expr(function);
        let rows = self.query(&select).await?;
        let value = match rows.first() {
            Some(row) => row::value(row, 0, self.codec).map_err(|err| thrown(&err, ""))?,
            None => Value::Null,
        };
        if value.is_nullish() {
            return Ok(Value::Null);
        }
        typed(value, aggregate.function, field.map(|field| field.column_type), self.codec.backend())
    }
}

/// What Sequelize makes of the database's answer, by the type of the attribute: the count of dates is a date.
fn typed(
    value: Value,
    function: AggregateFunction,
    column: Option<ColumnType>,
    backend: DbBackend,
) -> Result<Value, Thrown> {
    if function == AggregateFunction::Avg {
        return to_number(&value).map(Value::Number);
    }
    Ok(match column {
        Some(ColumnType::Decimal | ColumnType::Integer | ColumnType::BigInt) | None => {
            Value::Number(leading_number(&to_text(&value)?))
        }
        Some(ColumnType::Instant) => Value::Date(match &value {
            Value::Text(text) => super::bind::parse_local(text),
            other => Date::of(other)?,
        }),
        Some(ColumnType::Timestamp) if backend == DbBackend::Sqlite => Value::Date(Date::of(&value)?),
        _ => value,
    })
}

/// `parseFloat` of what a database says of a number; `parseInt` drops nothing of it.
fn leading_number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}
