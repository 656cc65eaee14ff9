//! Writes records as NocoBase's repositories do (`packages/core/database/src/repository.ts`): values go through the
//! fields, nested ones into associated records, and what refers to deleted records follows their rules.
//!
//! Everything happens on the connection that is handed in, so that it is part of its transaction.

mod association;
mod bulk;
mod check;
mod column;
mod destroy;
mod error;
mod generated;
mod guard;
mod instance;
mod key_array;
mod many;
mod on_delete;
mod password;
mod pattern;
mod rich_text;
mod rule;
mod save;
mod sequence;
mod value;

use std::sync::Arc;

use entity::{Names, Table};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, ExecResult, QueryResult, Statement, StatementBuilder};

pub use self::instance::Instance;

use self::association::Linking;
use self::guard::Guard;
use self::save::Save;
use super::bind::operand;
use super::error::thrown;
use super::file_links::FileLinks;
use super::find::Find;
use super::reader::Reader;
use super::schema::Schema;
use super::shape::Collection;
use super::{filter::Filter, row};
use crate::expr::convert::to_number;
use crate::expr::system::System;
use crate::expr::{Date, Object, Thrown, Value};
use crate::store::Codec;

/// What writing needs besides the collection.
pub struct Writer<'a, C> {
    /// With the collection `sequences`, if there are fields of that type.
    pub schema: &'a Schema,
    pub codec: &'a Codec,
    pub names: &'a Names,
    /// The transaction.
    pub db: &'a C,
    pub system: &'a dyn System,
    /// What the addresses of files are made with.
    pub files: Option<&'a FileLinks>,
}

/// What to write: the options of `repository.create` and `update`.
#[derive(Clone, Debug)]
pub struct Change {
    /// An object, or an array of them.
    pub values: Value,
    pub filter: Value,
    /// The key of a record, or several.
    pub filter_by_tk: Value,
    /// Names of values that may be written; all when not given.
    pub whitelist: Option<Vec<String>>,
    pub blacklist: Option<Vec<String>>,
    /// Associations of which linked records get the values, too, nested ones with dots.
    pub update_association_values: Option<Vec<String>>,
    /// Whether each record is loaded and saved by itself.
    pub individual_hooks: bool,
    /// Whether a filter may be missing.
    pub force_update: bool,
}

impl Default for Change {
    fn default() -> Self {
        Self {
            values: Value::Undefined,
            filter: Value::Undefined,
            filter_by_tk: Value::Undefined,
            whitelist: None,
            blacklist: None,
            update_association_values: None,
            individual_hooks: true,
            force_update: false,
        }
    }
}

/// What NocoBase says to an update that names no records.
pub const NO_FILTER: &str = "must provide filter or filterByTk for update call, or set forceUpdate to true";

impl Change {
    /// Whether it says which records are to be changed.
    pub fn names_records(&self) -> bool {
        Filter::is_valid(&self.filter) || self.filter_by_tk.is_truthy() || self.force_update
    }

    /// The filter and the keys as one filter; `key` is the attribute that the keys are values of.
    pub fn found_by(&self, key: &str) -> Value {
        let by_key = || Value::object([(key, self.filter_by_tk.clone())]);
        match (self.filter.is_truthy(), self.filter_by_tk.is_truthy()) {
            (true, true) => Value::object([("$and", Value::array(vec![self.filter.clone(), by_key()]))]),
            (false, true) => by_key(),
            _ => self.filter.clone(),
        }
    }
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Creates a record with what is nested in its values.
    pub async fn create(&self, collection: &Arc<Collection>, change: &Change) -> Result<Instance, Thrown> {
        let guard = Guard::of_change(self.schema, collection, change, true);
        let values = self.prepared(collection, &guard, &change.values)?;
        rule::check_all(collection, &values)?;
        let mut instance = Instance::build(collection, &values, self.codec)?;
        self.set_key_arrays(&mut instance, &value::members(&change.values)).await?;
        self.save(&mut instance, Save::default()).await?;
        self.add_addresses(&mut instance).await?;
        self.link(&mut instance, &values, &Linking::of_change(change)).await?;
        Ok(instance)
    }

    /// What the hooks of NocoBase's file manager add to a file that has been created.
    async fn add_addresses(&self, instance: &mut Instance) -> Result<(), Thrown> {
        let collection = instance.collection.clone();
        if !collection.is_of_files() {
            return Ok(());
        }
        let values = collection.fields().map(|field| (field.name.clone(), instance.raw(&field.name)));
        let mut values: Object = values.collect();
        self.reader().link_file(&mut values, &collection.name).await?;
        for name in ["url", "preview", "local"].map(Arc::<str>::from) {
            if let Some(value) = values.get(&name) {
                instance.set_raw(&name, value.clone());
            }
        }
        Ok(())
    }

    /// Changes the records that a filter finds. Returns how many.
    pub async fn update(&self, collection: &Arc<Collection>, change: &Change) -> Result<usize, Thrown> {
        if let Value::Array(records) = &change.values {
            return self.update_many(collection, records.items()).await;
        }
        if !change.names_records() {
            return Err(Thrown::error(NO_FILTER));
        }
        let guard = Guard::of_change(self.schema, collection, change, false);
        let values = self.prepared(collection, &guard, &change.values)?;
        rule::check_given(collection, &values)?;
        let found = self.find(collection, change).await?;
        if !change.individual_hooks {
            return self.update_in_bulk(collection, found, values).await;
        }
        let count = found.len();
        let linking = Linking::of_change(change);
        for mut instance in found {
            self.set_key_arrays(&mut instance, &value::members(&change.values)).await?;
            self.change(&mut instance, &values).await?;
            self.link(&mut instance, &values, &linking).await?;
        }
        Ok(count)
    }

    /// Each record names itself by its key.
    async fn update_many(&self, collection: &Arc<Collection>, records: &[Value]) -> Result<usize, Thrown> {
        for values in records {
            let key = collection.primary_key.as_deref().map(|key| values.member(key)).unwrap_or_default();
            if !key.is_truthy() {
                return Err(Thrown::error("filterByTk invalid"));
            }
            let change = Change { values: values.clone(), filter_by_tk: key, ..Change::default() };
            Box::pin(self.update(collection, &change)).await?;
        }
        Ok(records.len())
    }

    /// Values as they go into the record: without what may not be written, and past the first setters.
    fn prepared(&self, collection: &Collection, guard: &Guard, values: &Value) -> Result<Object, Thrown> {
        let mut prepared = Object::new();
        for (name, given) in guard.sanitize(&value::members(values))?.iter() {
            let given = match collection.field(name).filter(|field| field.is_declared) {
                Some(field) => value::with_zone(field, given.clone(), self.codec),
                None => given.clone(),
            };
            prepared.insert(name.clone(), given);
        }
        Ok(prepared)
    }

    /// Sets values of a record that exists, and saves it.
    async fn change(&self, instance: &mut Instance, values: &Object) -> Result<(), Thrown> {
        for (name, value) in values.iter().filter(|(_, value)| !value.is_undefined()) {
            instance.set(name, value.clone(), self.codec)?;
        }
        self.save(instance, Save::default()).await
    }

    /// Reads in the same transaction.
    pub fn reader(&self) -> Reader<'_, C> {
        let now = self.system.now().to_utc();
        Reader { schema: self.schema, codec: self.codec, db: self.db, now, files: self.files }
    }

    /// The records that a filter and keys find, by their keys in ascending order.
    async fn find(&self, collection: &Arc<Collection>, change: &Change) -> Result<Vec<Instance>, Thrown> {
        let Some(key) = collection.key_field() else {
            return Err(Thrown::error(format!(
                "the records of {} cannot be told apart: it has no primary key",
                collection.name
            )));
        };
        let filter = change.found_by(&key.name);
        let find = Find { filter, fields: Some(vec![key.name.to_string()]), ..Find::default() };
        let records = self.reader().find(collection, &find).await?;
        let keys: Vec<Value> = records.iter().map(|record| record.get(&key.name)).collect();
        self.load(collection, &key.name, &keys).await
    }

    /// The records that have one of these values, by their keys in ascending order.
    async fn load(
        &self,
        collection: &Arc<Collection>,
        attribute: &str,
        values: &[Value],
    ) -> Result<Vec<Instance>, Thrown> {
        let mut found = Vec::new();
        for values in values.chunks(KEYS) {
            let condition = self.is_in(collection, attribute, values)?;
            found.extend(self.select(collection, condition).await?);
        }
        Ok(found)
    }

    /// One record by an attribute.
    async fn load_one(
        &self,
        collection: &Arc<Collection>,
        attribute: &str,
        value: &Value,
    ) -> Result<Option<Instance>, Thrown> {
        Ok(self.load(collection, attribute, std::slice::from_ref(value)).await?.into_iter().next())
    }

    async fn select(
        &self,
        collection: &Arc<Collection>,
        condition: Condition,
    ) -> Result<Vec<Instance>, Thrown> {
        let mut select = Query::select();
        select
            .columns(collection.fields().map(|field| Alias::new(&*field.column)))
            .from(collection.table.table_ref())
            .cond_where(condition);
        for key in collection.key_attributes().iter().filter_map(|key| collection.field(key)) {
            select.order_by(Alias::new(&*key.column), Order::Asc);
        }
        let rows = self.query(&select).await?;
        rows.iter().map(|row| Ok(Instance::existing(collection, self.row_values(collection, row)?))).collect()
    }

    fn is_in(&self, collection: &Collection, attribute: &str, values: &[Value]) -> Result<Condition, Thrown> {
        let field = collection.field(attribute).ok_or_else(|| no_field(collection, attribute))?;
        let column = Expr::col(Alias::new(&*field.column));
        let operands: Vec<Expr> =
            values.iter().map(|value| operand(value, Some(field), self.codec)).collect::<Result<_, _>>()?;
        Ok(Condition::all().add(column.is_in(operands)))
    }

    /// A collection that this one refers to.
    fn collection(&self, name: &str) -> Result<Arc<Collection>, Thrown> {
        let found = self.schema.get(name).cloned();
        found.ok_or_else(|| Thrown::error(format!("collection {name} not found")))
    }

    fn now(&self) -> Date {
        Date(self.system.now().timestamp_millis() as f64)
    }

    /// Lets nobody else count records of this collection until the transaction ends: its row in `collections` is
    /// locked. NocoBase has a lock in memory for this, which does not reach here.
    async fn lock_collection(&self, name: &str) -> Result<(), Thrown> {
        if self.codec.backend() == DbBackend::Sqlite {
            return Ok(());
        }
        let column = Alias::new(self.names.column_name("name"));
        let mut select = Query::select();
        select
            .column(column.clone())
            .from(self.names.table(Table::Collections))
            .and_where(Expr::col(column).eq(name))
            .lock_exclusive();
        self.query(&select).await.map(drop)
    }

    async fn execute<S: StatementBuilder>(&self, statement: &S) -> Result<ExecResult, Thrown> {
        let statement: Statement = self.codec.backend().build(statement);
        let sql = statement.sql.clone();
        self.db.execute_raw(statement).await.map_err(|err| thrown(&err, &sql))
    }

    async fn query(&self, select: &SelectStatement) -> Result<Vec<QueryResult>, Thrown> {
        let statement: Statement = self.codec.backend().build(select);
        let sql = statement.sql.clone();
        self.db.query_all_raw(statement).await.map_err(|err| thrown(&err, &sql))
    }

    /// The number in the first column of the first row.
    async fn number(&self, select: &SelectStatement) -> Result<Option<f64>, Thrown> {
        let rows = self.query(select).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let value = row::value(first, 0, self.codec).map_err(|err| thrown(&err, ""))?;
        if value.is_nullish() { Ok(None) } else { to_number(&value).map(Some) }
    }
}

/// How many keys one statement asks for.
const KEYS: usize = 10_000;

fn no_field(collection: &Collection, attribute: &str) -> Thrown {
    Thrown::error(format!("the collection {} has no field {attribute}", collection.name))
}
