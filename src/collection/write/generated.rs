//! What fields fill in and change when a record is saved: the listeners of NocoBase's fields
//! (`packages/core/database/src/fields`, `plugin-field-sort`).

use rand::Rng;
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};

use super::super::field::{Field, FieldType};
use super::instance::Instance;
use super::value::equal;
use super::writer::Writer;
use super::{column, json_text, password, pattern};
use crate::expr::compare::loosely_equal;
use crate::expr::convert::to_text;
use crate::expr::{Array, Thrown, Value};

/// The characters of `uid` fields.
const UID: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// The alphabet of the library that NocoBase uses.
const NANOID: &str = "useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict";

/// So many characters of an alphabet, drawn at random.
pub(super) fn random_text(alphabet: &[char], length: usize) -> String {
    let mut random = rand::rng();
    (0..length).filter_map(|_| alphabet.get(random.random_range(0..alphabet.len().max(1)))).collect()
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Fills in what has to be there for the checks.
    pub(super) fn before_validate(&self, instance: &mut Instance) -> Result<(), Thrown> {
        let collection = instance.collection.clone();
        for field in collection.fields() {
            match field.kind {
                FieldType::SnowflakeId | FieldType::Uuid | FieldType::Nanoid => {
                    self.fill_in(instance, field)?
                }
                FieldType::Sequence => self.check_sequence(instance, field)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Fills in and changes the rest, just before the record is written.
    pub(super) async fn before_save(&self, instance: &mut Instance) -> Result<(), Thrown> {
        let collection = instance.collection.clone();
        for field in collection.fields() {
            match field.kind {
                FieldType::SnowflakeId => self.fill_in(instance, field)?,
                FieldType::Uuid | FieldType::Nanoid if instance.is_new => self.fill_in(instance, field)?,
                FieldType::Uid => self.uid(instance, field)?,
                FieldType::Password => self.password(instance, field).await?,
                FieldType::Radio => self.radio(instance, field).await?,
                FieldType::Sequence if instance.is_new => self.sequence(instance, field).await?,
                FieldType::Sort => self.sort(instance, field).await?,
                FieldType::Formula => self.formula(instance, field).await?,
                FieldType::Date | FieldType::DatetimeNoTz | FieldType::UnixTimestamp => {
                    self.current_time(instance, field)?;
                }
                FieldType::Array | FieldType::Set => self.array(instance, field)?,
                _ => {}
            }
            if is_from_request(instance, field) {
                self.forget_user(instance, field);
            }
        }
        Ok(())
    }

    fn set(&self, instance: &mut Instance, field: &Field, value: Value) -> Result<(), Thrown> {
        instance.set(&field.name, value, self.codec)
    }

    fn fill_in(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        let is_off = matches!(field.option("autoFill"), Value::Bool(false));
        if is_off || instance.raw(&field.name).is_truthy() {
            return Ok(());
        }
        let value = match field.kind {
            FieldType::SnowflakeId => match self.system.snowflake_id() {
                0 => return Err(Thrown::error("no ids are left that this instance has reserved")),
                id => Value::Number(id as f64),
            },
            FieldType::Uuid => Value::text(uuid::Uuid::new_v4().to_string()),
            _ => nanoid(field),
        };
        self.set(instance, field, value)
    }

    fn uid(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        let value = instance.raw(&field.name);
        if !value.is_truthy() {
            let prefix = to_text_or_empty(&field.option("prefix"))?;
            let alphabet: Vec<char> = UID.iter().map(|byte| char::from(*byte)).collect();
            return self.set(instance, field, Value::text(prefix + &random_text(&alphabet, 11)));
        }
        let text = to_text(&value)?;
        let pattern = match field.option("pattern") {
            Value::Text(pattern) if !pattern.is_empty() => pattern,
            _ => "^[A-Za-z0-9_][A-Za-z0-9_-]*$".into(),
        };
        if pattern::is_match(&pattern, &text)? {
            return Ok(());
        }
        Err(Thrown::error(format!(
            "{}.{} can only include A-Z, a-z, 0-9, _-*$, '{text}' is invalid",
            instance.collection.name, field.name
        )))
    }

    async fn password(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        if !instance.is_changed(&field.name) {
            return Ok(());
        }
        let value = instance.raw(&field.name);
        if value.is_nullish() || value.as_str() == Some("") {
            let previous = instance.previous(&field.name);
            return self.set(instance, field, previous);
        }
        let hash = password::hash(&to_text(&value)?, field).await?;
        self.set(instance, field, Value::text(hash))
    }

    /// Only one record of the collection is the chosen one.
    async fn radio(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        if !instance.is_changed(&field.name) || !instance.raw(&field.name).is_truthy() {
            return Ok(());
        }
        let collection = &instance.collection;
        let column = Alias::new(&*field.column);
        let flag = |flag: bool| column::written(&Value::Bool(flag), field, self.codec);
        let mut update = Query::update();
        update
            .table(collection.table.table_ref())
            .value(column.clone(), flag(false)?)
            .and_where(Expr::col(column).eq(flag(true)?));
        if let Some(time) = collection.updated_at.as_deref().and_then(|name| collection.field(name)) {
            let now = column::written(&Value::Date(self.now()), time, self.codec)?;
            update.value(Alias::new(&*time.column), now);
        }
        self.execute(&update).await.map(drop)
    }

    fn current_time(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        let is_missing = || instance.is_new && !instance.raw(&field.name).is_truthy();
        let is_wanted = (field.option("defaultToCurrentTime").is_truthy() && is_missing())
            || field.option("onUpdateToCurrentTime").is_truthy();
        if is_wanted { self.set(instance, field, Value::Date(self.now())) } else { Ok(()) }
    }

    /// Arrays are sorted as JavaScript sorts them, in place: the list in the context or in another job's result is
    /// sorted, too. In sets, which are lists of their own, every value is there once.
    fn array(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        let value = match instance.raw(&field.name) {
            value if !value.is_truthy() => return Ok(()),
            Value::Text(text) => json_text::parse(&text)?,
            value => value,
        };
        let Value::Array(array, _) = &value else {
            return Err(Thrown::type_error("oldValue.sort is not a function"));
        };
        sort_in_place(array)?;
        self.set(instance, field, value.clone())?;
        if field.kind != FieldType::Set {
            return Ok(());
        }
        let mut unique: Vec<Value> = Vec::with_capacity(array.items().len());
        for item in array.items() {
            let is_plain =
                matches!(item, Value::Bool(_) | Value::Number(_) | Value::Text(_)) || item.is_nullish();
            if !is_plain || !unique.iter().any(|other| equal(other, item)) {
                unique.push(item.clone());
            }
        }
        self.set(instance, field, Value::array(unique))
    }

    /// The user of the request, whom a workflow does not have.
    fn forget_user(&self, instance: &mut Instance, field: &Field) {
        let applies_if_undefined = field.option("applyIfUndefined").is_truthy();
        if applies_if_undefined && !instance.raw(&field.name).is_undefined() {
            return;
        }
        instance.set_raw(&field.name, Value::Undefined);
        instance.mark_changed(&field.name);
    }

    /// The next number of the collection, or of those with the same value of `scopeKey`.
    async fn sort(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        let is_number = matches!(instance.raw(&field.name), Value::Number(_));
        let scope = match field.option("scopeKey") {
            Value::Text(scope) => instance.collection.field(&scope).cloned(),
            _ => None,
        };
        if instance.is_new {
            if is_number {
                return Ok(());
            }
        } else {
            let Some(scope) = &scope else { return Ok(()) };
            if loosely_equal(&instance.previous(&scope.name), &instance.raw(&scope.name))? {
                return Ok(());
            }
        }
        self.lock_collection(&instance.collection.name).await?;
        let scope_value = scope.as_ref().map(|scope| (scope, instance.raw(&scope.name)));
        let mut select = Query::select();
        select.expr(Expr::col(Alias::new(&*field.column)).max()).from(instance.collection.table.table_ref());
        if let Some((scope, value)) = scope_value.filter(|(_, value)| !value.is_nullish()) {
            let value = column::written(&value, scope, self.codec)?;
            select.and_where(Expr::col(Alias::new(&*scope.column)).eq(value));
        }
        let greatest = self.number(&select).await?.unwrap_or_default();
        self.set(instance, field, Value::Number(greatest + 1.0))
    }
}

/// Whether NocoBase takes the value from the request: creator and last editor, and fields of the type `context`.
fn is_from_request(instance: &Instance, field: &Field) -> bool {
    let collection = &instance.collection;
    let is_author = |flag: &str| matches!(collection.option(flag), Value::Bool(true));
    match &*field.name {
        "createdById" if is_author("createdBy") => instance.is_new,
        "updatedById" if is_author("updatedBy") => true,
        _ if field.kind == FieldType::Context => instance.is_new || !field.option("createOnly").is_truthy(),
        _ => false,
    }
}

/// `Array.prototype.sort`: by the texts of the items, what is undefined last.
fn sort_in_place(array: &Array) -> Result<(), Thrown> {
    let mut texts = Vec::with_capacity(array.items().len());
    for item in array.items() {
        texts.push((to_text(item)?, item.clone()));
    }
    texts.sort_by(|(a, left), (b, right)| {
        let by_text = || a.encode_utf16().cmp(b.encode_utf16());
        left.is_undefined().cmp(&right.is_undefined()).then_with(by_text)
    });
    array.set_sorted(texts.into_iter().map(|(_, item)| item).collect());
    Ok(())
}

fn nanoid(field: &Field) -> Value {
    let alphabet: Vec<char> = match field.option("customAlphabet") {
        Value::Text(alphabet) if !alphabet.is_empty() => alphabet.chars().collect(),
        _ => NANOID.chars().collect(),
    };
    let length = match field.option("size").as_number() {
        Some(size) if size >= 1.0 => size.min(4096.0) as usize,
        _ => 12,
    };
    Value::text(random_text(&alphabet, length))
}

fn to_text_or_empty(value: &Value) -> Result<String, Thrown> {
    if value.is_nullish() { Ok(String::new()) } else { to_text(value) }
}
