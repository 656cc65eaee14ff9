//! Loads associated records, each association with one statement for all records (`eager-loading-tree.ts`).

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, JoinType, Query, SelectStatement};
use sea_orm::{ConnectionTrait, Order, QueryResult};

use super::association::{Association, AssociationKind};
use super::bind::operand;
use super::error::thrown;
use super::field::Field;
use super::reader::Reader;
use super::record::{Linked, Record};
use super::schema::Schema;
use super::selection::Selection;
use super::shape::Collection;
use crate::expr::convert::to_text;
use crate::expr::{Str, Thrown, Value};

/// How many keys one statement asks for.
const KEYS: usize = 10_000;
/// How far up a tree `recursively` goes.
const ANCESTORS: usize = 100;

/// An association to load.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Include {
    pub association: String,
    /// Only these attributes; all when not given.
    pub attributes: Option<Vec<Str>>,
    pub children: Vec<Include>,
    /// Load the same association of what it leads to, and so on, up a tree.
    pub recursively: bool,
}

/// The tree of associations that `appends` asks for. What does not exist is left out, as in NocoBase.
pub(super) fn includes(schema: &Schema, collection: &Collection, appends: &[String]) -> Vec<Include> {
    let mut sorted: Vec<&String> = appends.iter().filter(|append| !append.is_empty()).collect();
    sorted.sort_by_key(|append| append.split('.').count());
    let mut includes = Vec::new();
    for append in sorted {
        if add(schema, collection, &mut includes, append).is_none() {
            tracing::warn!(
                collection.name = &*collection.name,
                append,
                "an association that is to be appended does not exist"
            );
        }
    }
    includes
}

/// Adds one path; `None` when it leads nowhere. What is there up to that point stays.
fn add(schema: &Schema, collection: &Collection, includes: &mut Vec<Include>, append: &str) -> Option<()> {
    // `parent(recursively=true)`
    let (path, options) = append.split_once('(').unwrap_or((append, ""));
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let association = collection.association(first)?;
    let target = schema.get(&association.target)?;
    let place = includes.iter().position(|include| include.association == first);
    let is_new = place.is_none();
    let place = place.unwrap_or_else(|| {
        includes.push(Include { association: first.to_owned(), ..Include::default() });
        includes.len() - 1
    });
    let include = &mut includes[place];
    match rest {
        None => {
            include.recursively |= options.contains("recursively=true");
            Some(())
        }
        Some(rest) if !rest.contains('.') && target.field(rest).is_some() => {
            // A single attribute; unless all are asked for already.
            if is_new || include.attributes.is_some() {
                include.attributes.get_or_insert_default().push(rest.into());
            }
            Some(())
        }
        Some(rest) => {
            let rest = if options.is_empty() { rest.to_owned() } else { format!("{rest}({options}") };
            add(schema, target, &mut include.children, &rest)
        }
    }
}

impl<C: ConnectionTrait> Reader<'_, C> {
    /// The attributes that associations are loaded by.
    pub(super) fn require_keys(
        &self,
        collection: &Collection,
        includes: &[Include],
        selection: &mut Selection,
    ) {
        if includes.is_empty() {
            return;
        }
        if let Some(key) = &collection.primary_key {
            selection.require(collection, key);
        }
        for include in includes {
            if let Some(association) = collection.association(&include.association) {
                selection.require(collection, &association.foreign_key);
                selection.require(collection, &association.source_key);
            }
        }
    }
    /// Loads associations of records of one collection.
    pub(super) fn load<'f>(
        &'f self,
        records: &'f mut [Record],
        collection: &'f Arc<Collection>,
        includes: &'f [Include],
    ) -> BoxFuture<'f, Result<(), Thrown>> {
        Box::pin(async move {
            for include in includes {
                let Some(association) = collection.association(&include.association) else { continue };
                let Some(target) = self.schema.get(&association.target) else { continue };
                let Some(loading) = Loading::new(self.schema, collection, association, target, include)
                else {
                    continue;
                };
                self.load_one(records, &loading, 0).await?;
            }
            Ok(())
        })
    }

    async fn load_one(
        &self,
        records: &mut [Record],
        loading: &Loading<'_>,
        depth: usize,
    ) -> Result<(), Thrown> {
        let keys = keys_of(records, loading.own_key());
        let mut selection = Selection::of(loading.target, loading.include.attributes.as_deref());
        self.require_keys(loading.target, &loading.include.children, &mut selection);
        selection.require(loading.target, loading.target_key());
        let mut children = Vec::new();
        for keys in keys.chunks(KEYS) {
            children.extend(self.children(loading, keys, &selection).await?);
        }
        let mut loaded: Vec<Record> = children.iter().map(|(_, record)| record.clone()).collect();
        self.link_appended_files(&mut loaded).await?;
        if loading.include.recursively && depth < ANCESTORS && !loaded.is_empty() {
            Box::pin(self.load_one(&mut loaded, loading, depth + 1)).await?;
        }
        self.load(&mut loaded, loading.target, &loading.include.children).await?;
        selection.hide(&mut loaded);
        let keys = children.into_iter().map(|(key, _)| key);
        loading.attach(records, keys.zip(loaded).collect());
        Ok(())
    }

    /// The associated records, each with the key of the record that it belongs to.
    async fn children(
        &self,
        loading: &Loading<'_>,
        keys: &[Value],
        selection: &Selection,
    ) -> Result<Vec<(String, Record)>, Thrown> {
        let keys: Result<Vec<Expr>, Thrown> =
            keys.iter().map(|key| operand(key, Some(loading.key_field), self.codec)).collect();
        let pivot = loading.through.map(|through| (through, Selection::of(through, None)));
        let select = loading.statement(keys?, selection, pivot.as_ref(), self.codec.backend());
        let rows = self.query(&select).await?;
        let record = |row: &QueryResult| {
            let values = selection.read(row, 0, self.codec)?;
            let mut record = Record { collection: loading.target.clone(), values, linked: Vec::new() };
            self.set_collection(&mut record);
            let Some((through, pivot)) = &pivot else {
                return Ok((record.get(loading.target_key()), record));
            };
            let values = pivot.read(row, selection.columns.len(), self.codec)?;
            let between = Record { collection: (*through).clone(), values, linked: Vec::new() };
            let key = between.get(&loading.association.foreign_key);
            record.set_linked(&through.name, Linked::One(Some(Box::new(between))));
            Ok((key, record))
        };
        let mut children = Vec::with_capacity(rows.len());
        for row in &rows {
            let (key, record) = record(row).map_err(|err: sea_orm::DbErr| thrown(&err, ""))?;
            children.push((to_text(&key)?, record));
        }
        Ok(children)
    }
}

/// An association that is being loaded.
struct Loading<'a> {
    association: &'a Association,
    target: &'a Arc<Collection>,
    through: Option<&'a Arc<Collection>>,
    include: &'a Include,
    /// The field that the keys are looked for in.
    key_field: &'a Field,
}

impl<'a> Loading<'a> {
    /// `None` when a key that the association needs does not exist.
    fn new(
        schema: &'a Schema,
        collection: &'a Arc<Collection>,
        association: &'a Association,
        target: &'a Arc<Collection>,
        include: &'a Include,
    ) -> Option<Self> {
        let through = match &association.through {
            Some(through) => Some(schema.get(&through.collection)?),
            None => None,
        };
        let key_field = match association.kind {
            AssociationKind::BelongsTo | AssociationKind::BelongsToArray => {
                target.field(&association.target_key)?
            }
            AssociationKind::HasOne | AssociationKind::HasMany => target.field(&association.foreign_key)?,
            AssociationKind::BelongsToMany => through?.field(&association.foreign_key)?,
        };
        let loading = Self { association, target, through, include, key_field };
        collection.field(loading.own_key())?;
        Some(loading)
    }

    /// The attribute of the own records that leads to the others.
    fn own_key(&self) -> &'a str {
        match self.association.kind {
            AssociationKind::BelongsTo | AssociationKind::BelongsToArray => &self.association.foreign_key,
            _ => &self.association.source_key,
        }
    }

    /// The attribute of the target that must be read.
    fn target_key(&self) -> &'a str {
        match self.association.kind {
            AssociationKind::HasOne | AssociationKind::HasMany => &self.association.foreign_key,
            _ => &self.association.target_key,
        }
    }

    fn statement(
        &self,
        keys: Vec<Expr>,
        selection: &Selection,
        pivot: Option<&(&Arc<Collection>, Selection)>,
        backend: sea_orm::DbBackend,
    ) -> SelectStatement {
        let table = Alias::new(&*self.target.name);
        let mut select = Query::select();
        selection.select(&mut select, pivot.map(|_| &*self.target.name), backend);
        select.from(self.target.table.read_as(&self.target.name));
        let mut key_table = table.clone();
        if let (Some((through, columns)), Some(between)) = (pivot, &self.association.through) {
            key_table = Alias::new(PIVOT);
            columns.select(&mut select, Some(PIVOT), backend);
            let column = |collection: &Collection, name: &str| {
                collection.field(name).map_or_else(|| name.to_owned(), |field| field.column.to_string())
            };
            let other = Alias::new(column(through, &between.other_key));
            let own = Alias::new(column(self.target, &self.association.target_key));
            let on = Expr::col((key_table.clone(), other)).eq(Expr::col((table.clone(), own)));
            select.join(JoinType::InnerJoin, through.table.read_as(PIVOT), on);
        }
        select.and_where(Expr::col((key_table, Alias::new(&*self.key_field.column))).is_in(keys));
        let is_ordered = self.association.kind != AssociationKind::BelongsTo;
        if let Some(key) = self.target.key_field().filter(|key| is_ordered && key.is_auto_increment()) {
            select.order_by((table, Alias::new(&*key.column)), Order::Asc);
        }
        select
    }

    fn attach(&self, records: &mut [Record], children: Vec<(String, Record)>) {
        let name = &self.association.name;
        let key_of = |record: &Record| record.get(self.own_key());
        if self.association.kind == AssociationKind::BelongsToArray {
            let by_key: HashMap<String, Record> = children.into_iter().collect();
            for record in records {
                let Value::Array(keys, _) = key_of(record) else { continue };
                let found = keys.items().iter().filter_map(|key| by_key.get(&to_text(key).ok()?).cloned());
                record.set_linked(name, Linked::Many(found.collect()));
            }
            return;
        }
        if self.association.kind == AssociationKind::BelongsTo {
            let by_key: HashMap<String, Record> = children.into_iter().collect();
            for record in records {
                let key = key_of(record);
                let found =
                    if key.is_nullish() { None } else { to_text(&key).ok().and_then(|key| by_key.get(&key)) };
                record.set_linked(name, Linked::One(found.cloned().map(Box::new)));
            }
            return;
        }
        // The first record with a key gets what belongs to it.
        let mut owners: HashMap<String, usize> = HashMap::new();
        for (place, record) in records.iter_mut().enumerate() {
            let is_single = self.association.kind.is_single();
            record.set_linked(name, if is_single { Linked::One(None) } else { Linked::Many(Vec::new()) });
            if let Ok(key) = to_text(&key_of(record)) {
                owners.entry(key).or_insert(place);
            }
        }
        for (key, child) in children {
            let Some(owner) = owners.get(&key).and_then(|place| records.get_mut(*place)) else { continue };
            match owner.linked.iter_mut().find(|(other, _)| other == name).map(|(_, linked)| linked) {
                Some(Linked::Many(list)) => list.push(child),
                Some(Linked::One(one)) => *one = Some(Box::new(child)),
                None => {}
            }
        }
    }
}

/// The alias of the table between two that belong to many of each other.
const PIVOT: &str = "_pivot_";

/// The distinct keys of records, flattened where a record has an array of them.
fn keys_of(records: &[Record], attribute: &str) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    let mut keys = Vec::new();
    for record in records {
        let value = record.get(attribute);
        let many = match &value {
            Value::Array(array, _) => array.items(),
            one => std::slice::from_ref(one),
        };
        for key in many.iter().filter(|key| !key.is_nullish()) {
            if to_text(key).is_ok_and(|text| seen.insert(text)) {
                keys.push(key.clone());
            }
        }
    }
    keys
}
