//! The joins that a filter by associated records needs.

use indexmap::IndexMap;
use sea_orm::DbBackend;
use sea_orm::sea_query::extension::postgres::PgBinOper;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, IntoColumnRef, JoinType, Query, SelectStatement};

use super::association::{Association, AssociationKind};
use super::field::ColumnType;
use super::schema::Schema;
use super::shape::{Collection, TableName};
use crate::expr::Thrown;

/// Left joins, each once, in the order in which they depend on each other.
#[derive(Debug, Default)]
pub struct Joins {
    joins: IndexMap<String, Join>,
}

#[derive(Debug)]
struct Join {
    parent: String,
    kind: AssociationKind,
    target: TableName,
    /// The column of the parent and that of the target, or of the table between them.
    own: String,
    other: String,
    /// Whether the own column is a native array of PostgreSQL's.
    is_native_array: bool,
    between: Option<Between>,
}

/// The table between two that belong to many of each other.
#[derive(Debug)]
struct Between {
    table: TableName,
    /// Its columns that refer to the parent and to the target.
    key: String,
    other_key: String,
    target_key: String,
    /// All columns of the target.
    columns: Vec<String>,
}

impl Joins {
    /// Joins the target of an association and returns its alias: NocoBase's, the path with arrows.
    pub(super) fn add(
        &mut self,
        parent: Option<&str>,
        collection: &Collection,
        association: &Association,
        target: &Collection,
        schema: &Schema,
    ) -> Result<String, Thrown> {
        let alias = match parent {
            Some(parent) => format!("{parent}->{}", association.name),
            None => association.name.to_string(),
        };
        if self.joins.contains_key(&alias) {
            return Ok(alias);
        }
        let column = |collection: &Collection, attribute: &str| {
            collection.field(attribute).map(|field| field.column.to_string()).ok_or_else(|| {
                Thrown::error(format!("the collection {} has no field {attribute}", collection.name))
            })
        };
        let foreign_key = &association.foreign_key;
        let (own, other) = match association.kind {
            AssociationKind::BelongsTo | AssociationKind::BelongsToArray => {
                (column(collection, foreign_key)?, column(target, &association.target_key)?)
            }
            AssociationKind::HasOne | AssociationKind::HasMany => {
                (column(collection, &association.source_key)?, column(target, foreign_key)?)
            }
            AssociationKind::BelongsToMany => (column(collection, &association.source_key)?, String::new()),
        };
        let between = match &association.through {
            Some(through) => {
                let table = schema
                    .get(&through.collection)
                    .ok_or_else(|| Thrown::error(format!("collection {} not found", through.collection)))?;
                Some(Between {
                    table: table.table.clone(),
                    key: column(table, foreign_key)?,
                    other_key: column(table, &through.other_key)?,
                    target_key: column(target, &association.target_key)?,
                    columns: target.fields().map(|field| field.column.to_string()).collect(),
                })
            }
            None => None,
        };
        let is_native_array =
            collection.field(foreign_key).is_some_and(|field| field.column_type == ColumnType::Other);
        let parent = parent.unwrap_or(&collection.name).to_owned();
        let kind = association.kind;
        let target = target.table.clone();
        self.joins.insert(alias.clone(), Join { parent, kind, target, own, other, is_native_array, between });
        Ok(alias)
    }

    pub fn is_empty(&self) -> bool {
        self.joins.is_empty()
    }

    /// Whether no join can lead to more than one row.
    pub fn are_single(&self) -> bool {
        self.joins.values().all(|join| join.kind == AssociationKind::BelongsTo)
    }

    /// Adds the joins to a statement whose table goes by the name of its collection.
    pub fn apply(&self, select: &mut SelectStatement, backend: DbBackend) {
        for (alias, join) in &self.joins {
            let name = Alias::new(alias);
            let own = Expr::col((Alias::new(&join.parent), Alias::new(&join.own)));
            match &join.between {
                Some(between) => {
                    let on = own.eq(Expr::col((name.clone(), Alias::new(KEY))));
                    select.join_subquery(JoinType::LeftJoin, joined(join, between), name, on);
                }
                None => {
                    let other = Expr::col((name.clone(), Alias::new(&join.other)));
                    let on = match join.kind {
                        AssociationKind::BelongsToArray => is_member(own, other, join, backend),
                        _ => own.eq(other),
                    };
                    select.join(JoinType::LeftJoin, join.target.read_as(alias), on);
                }
            }
        }
    }
}

/// The key of the table between two others, in a subquery that joins it with the target.
const KEY: &str = "sidehook_key";

fn joined(join: &Join, between: &Between) -> SelectStatement {
    let (target, through) = (Alias::new("target"), Alias::new("through"));
    let mut select = Query::select();
    for column in &between.columns {
        select.column((target.clone(), Alias::new(column)).into_column_ref());
    }
    let on = Expr::col((through.clone(), Alias::new(&between.other_key)))
        .eq(Expr::col((target.clone(), Alias::new(&between.target_key))));
    select
        .expr_as(Expr::col((through.clone(), Alias::new(&between.key))), Alias::new(KEY))
        .from(join.target.read_as("target"))
        .join(JoinType::InnerJoin, between.table.read_as("through"), on);
    select
}

/// Whether a key is among those of an array.
fn is_member(array: Expr, key: Expr, join: &Join, backend: DbBackend) -> Expr {
    match backend {
        DbBackend::Postgres if join.is_native_array => {
            let all: Expr = Func::cust("ANY").arg(array).into();
            key.eq(all)
        }
        DbBackend::Postgres => {
            let key: Expr = Func::cust("to_jsonb").arg(key).into();
            array.binary(PgBinOper::Contains, key)
        }
        // A number is JSON as it stands, a text only in quotes; the array may hold either.
        DbBackend::MySql => {
            let contains =
                |key: Expr| -> Expr { Func::cust("JSON_CONTAINS").arg(array.clone()).arg(key).into() };
            let text: Expr = key.clone().cast_as(Alias::new("char"));
            contains(text.clone()).or(contains(Func::cust("JSON_QUOTE").arg(text).into()))
        }
        _ => {
            let each = Alias::new("each");
            let mut select = Query::select();
            select
                .expr(Expr::val(1))
                .from_function(Func::cust("json_each").arg(array), each.clone())
                .and_where(Expr::col((each, Alias::new("value"))).eq(key));
            Expr::exists(select)
        }
    }
}
