//! The collections of a deployment, made from the rows of `collections` and `fields`
//! (`packages/core/database/src/collection.ts` and `plugin-data-source-main`). Pure: who reads the rows, and
//! when, is up to `catalog`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use entity::Names;
use indexmap::IndexMap;
use sea_orm::DbBackend;

use super::association::AssociationKind;
use super::definition::{Builder, parse_options};
use super::link::Link;
use super::shape::Collection;
use crate::expr::{Str, Value};
use crate::store::metadata::{Metadata, TableColumn};

static EMPTY: Metadata = Metadata { collections: Vec::new(), fields: Vec::new() };

/// All collections that are known at one time.
#[derive(Debug, Default)]
pub struct Schema {
    collections: HashMap<Str, Arc<Collection>>,
}

impl Schema {
    /// `tables` are those that the rows only mention: collections that plugins define in code.
    pub fn build(
        names: &Names,
        backend: DbBackend,
        metadata: &Metadata,
        tables: &HashMap<String, Vec<TableColumn>>,
    ) -> Self {
        let builder = Builder::new(names, backend, metadata);
        let mut collections: IndexMap<Str, Collection> = IndexMap::new();
        for name in builder.rows.keys() {
            collections.insert((*name).into(), builder.collection(name));
        }
        for (name, columns) in tables {
            if !collections.contains_key(name.as_str()) && !columns.is_empty() {
                collections
                    .insert(name.as_str().into(), builder.of_table(name, columns, Value::empty_object()));
            }
        }
        for name in builder.rows.keys() {
            for row in builder.own_and_inherited(name) {
                if let Some(kind) = AssociationKind::parse(row.type_name()) {
                    let link = Link { collection: name, name: &row.row.name, kind, options: &row.options };
                    link.add_to(&mut collections, backend, names);
                }
            }
        }
        for name in builder.rows.keys() {
            builder.add_authors(name, &mut collections);
        }
        // Only PostgreSQL has tables that inherit.
        let parents = builder.rows.values().filter(|_| backend == DbBackend::Postgres);
        for parent in parents.flat_map(|rows| rows.parents()) {
            if let Some(parent) = collections.get_mut(&parent) {
                parent.is_parent = true;
            }
        }
        Self { collections: collections.into_iter().map(|(name, one)| (name, one.into())).collect() }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Collection>> {
        self.collections.get(name)
    }

    /// The collection of a table.
    pub(super) fn of_table(&self, schema: &str, table: &str) -> Option<&Arc<Collection>> {
        self.collections.values().find(|one| {
            &*one.table.name == table && one.table.schema.as_deref().is_none_or(|own| own == schema)
        })
    }

    /// All collections, in no order.
    pub fn collections(&self) -> impl Iterator<Item = &Arc<Collection>> {
        self.collections.values()
    }

    /// The schema with one more collection, which has only columns and the options of whoever defines it.
    pub(super) fn with_table(
        &self,
        names: &Names,
        backend: DbBackend,
        name: &str,
        columns: &[TableColumn],
        options: Value,
    ) -> Self {
        let builder = Builder::new(names, backend, &EMPTY);
        let mut collections = self.collections.clone();
        collections.insert(name.into(), builder.of_table(name, columns, options).into());
        Self { collections }
    }
}

/// The collections that fields lead to but that have no row of their own.
pub(super) fn targets_without_rows(metadata: &Metadata) -> BTreeSet<String> {
    let known: BTreeSet<&str> = metadata.collections.iter().map(|row| row.name.as_str()).collect();
    let mut targets = BTreeSet::new();
    for row in &metadata.fields {
        let options = parse_options(row.options.as_ref());
        for key in ["target", "through"] {
            if let Some(target) = options.member(key).as_str().filter(|target| !known.contains(target)) {
                targets.insert(target.to_owned());
            }
        }
    }
    for row in &metadata.collections {
        let options = parse_options(row.options.as_ref());
        if ["createdBy", "updatedBy"].iter().any(|key| options.member(key).is_truthy()) {
            targets.insert("users".to_owned());
        }
    }
    targets.retain(|target| !known.contains(target.as_str()));
    targets
}

#[cfg(test)]
mod tests {
    use entity::JsonText;

    use super::super::field::FieldType;
    use super::*;

    fn metadata(collections: &[(&str, &str)], fields: &[(&str, &str, &str, &str)]) -> Metadata {
        let json = |text: &str| Some(JsonText(text.to_owned()));
        Metadata {
            collections: collections
                .iter()
                .map(|(name, options)| entity::collection::Model {
                    name: (*name).to_owned(),
                    options: json(options),
                })
                .collect(),
            fields: fields
                .iter()
                .map(|(collection, name, kind, options)| entity::field::Model {
                    name: (*name).to_owned(),
                    r#type: Some((*kind).to_owned()),
                    interface: None,
                    collection_name: Some((*collection).to_owned()),
                    options: json(options),
                })
                .collect(),
        }
    }

    fn build(names: &Names, metadata: &Metadata) -> Schema {
        Schema::build(names, DbBackend::Postgres, metadata, &HashMap::new())
    }

    fn columns(collection: &Collection) -> Vec<&str> {
        collection.fields().map(|field| &*field.column).collect()
    }

    #[test]
    fn names_of_tables_and_columns_follow_the_deployment_and_the_options() {
        let rows = metadata(
            &[
                ("allPosts", "{}"),
                ("own", r#"{"tableName":"someTable","underscored":false,"schema":"other"}"#),
                ("synced", r#"{"from":"dbsync","tableName":"plain"}"#),
                ("aView", r#"{"view":true,"viewName":"the_view"}"#),
            ],
            &[("allPosts", "dueAt", "date", "{}"), ("allPosts", "x", "string", r#"{"field":"theX"}"#)],
        );
        let names = Names::new(Some("nbs".into()), "nb_", true);
        let schema = build(&names, &rows);
        let table = |name: &str| {
            let table = &schema.get(name).expect("it exists").table;
            format!("{}.{}", table.schema.as_deref().unwrap_or_default(), table.name)
        };
        assert_eq!(table("allPosts"), "nbs.nb_all_posts");
        assert_eq!(table("own"), "other.nb_someTable");
        assert_eq!(table("synced"), "nbs.plain");
        assert_eq!(table("aView"), "nbs.nb_the_view");
        let posts = schema.get("allPosts").expect("it exists");
        assert_eq!(columns(posts), ["id", "created_at", "updated_at", "due_at", "the_x"]);
        let plain = build(&Names::default(), &rows);
        let posts = plain.get("allPosts").expect("it exists");
        assert_eq!(columns(posts), ["id", "createdAt", "updatedAt", "dueAt", "theX"]);
    }

    #[test]
    fn associations_add_the_keys_that_have_no_field() {
        let rows = metadata(
            &[
                ("orders", r#"{"createdAt":false,"updatedAt":false,"createdBy":true}"#),
                ("customers", "{}"),
                ("tags", "{}"),
                ("users", "{}"),
                ("orders_tags", r#"{"autoGenId":false,"isThrough":true}"#),
            ],
            &[
                ("orders", "customer", "belongsTo", r#"{"target":"customers"}"#),
                ("customers", "orders", "hasMany", r#"{"target":"orders","foreignKey":"custKey"}"#),
                ("customers", "first", "hasOne", r#"{"target":"orders"}"#),
                ("orders", "tags", "belongsToMany", r#"{"target":"tags","through":"orders_tags"}"#),
                ("orders", "nobody", "belongsTo", r#"{"target":"nowhere"}"#),
            ],
        );
        let schema = build(&Names::default(), &rows);
        let orders = schema.get("orders").expect("it exists");
        assert_eq!(columns(orders), ["id", "customerId", "custKey", "createdById"]);
        let customer = orders.association("customer").expect("it exists");
        assert_eq!((&*customer.foreign_key, &*customer.target_key), ("customerId", "id"));
        let first = schema.get("customers").and_then(|one| one.association("first")).expect("it exists");
        assert_eq!((&*first.foreign_key, &*first.source_key), ("customerId", "id"));
        let tags = orders.association("tags").expect("it exists");
        let through = tags.through.as_ref().expect("it is between");
        assert_eq!((&*tags.foreign_key, &*through.other_key), ("orderId", "tagId"));
        let between = schema.get("orders_tags").expect("it exists");
        assert_eq!(columns(between), ["createdAt", "updatedAt", "orderId", "tagId"]);
        assert!(orders.association("nobody").is_none());
        assert_eq!(orders.association("createdBy").map(|one| &*one.foreign_key), Some("createdById"));
    }

    #[test]
    fn a_collection_without_rows_is_read_from_its_table() {
        let rows = metadata(&[("posts", "{}")], &[("posts", "file", "belongsTo", r#"{"target":"files"}"#)]);
        assert_eq!(targets_without_rows(&rows).into_iter().collect::<Vec<_>>(), ["files"]);
        let column = |name: &str, type_name: &str, is_primary_key: bool| TableColumn {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            is_primary_key,
        };
        let columns = vec![
            column("id", "int8", true),
            column("created_at", "timestamptz", false),
            column("meta", "jsonb", false),
        ];
        let tables = HashMap::from([("files".to_owned(), columns)]);
        let names = Names::new(None, "", true);
        let schema = Schema::build(&names, DbBackend::Postgres, &rows, &tables);
        let files = schema.get("files").expect("it exists");
        let kinds: Vec<_> = files.fields().map(|field| (&*field.name, field.kind)).collect();
        assert_eq!(
            kinds,
            [("id", FieldType::BigInt), ("createdAt", FieldType::Date), ("meta", FieldType::Jsonb)]
        );
        assert_eq!(files.created_at.as_deref(), Some("createdAt"));
        let file = schema.get("posts").and_then(|posts| posts.association("file")).expect("it exists");
        assert_eq!(&*file.foreign_key, "fileId");
    }

    #[test]
    fn inherited_fields_come_first_and_own_ones_win() {
        let rows = metadata(
            &[("child", r#"{"inherits":["parent"]}"#), ("parent", r#"{"sortable":true}"#)],
            &[
                ("parent", "name", "string", "{}"),
                ("parent", "size", "string", "{}"),
                ("child", "size", "integer", "{}"),
            ],
        );
        let schema = build(&Names::default(), &rows);
        let child = schema.get("child").expect("it exists");
        assert_eq!(columns(child), ["id", "createdAt", "updatedAt", "name", "size"]);
        assert_eq!(child.field("size").map(|field| field.kind), Some(FieldType::Integer));
        let sort = schema.get("parent").and_then(|parent| parent.field("sort")).expect("it exists");
        assert!(sort.is_hidden());
    }
}
