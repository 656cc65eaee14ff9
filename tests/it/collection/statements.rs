//! The SQL of filters, orders and pages per database, as `statements.txt` has it. Where it is meant to change,
//! `SIDEHOOK_UPDATE_STATEMENTS=1` writes the file anew.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use entity::{JsonText, Names};
use sea_orm::{DatabaseConnection, DbBackend};
use serde_json::{Value, json};
use sidehook::collection::{Find, Reader, Schema, Sort};
use sidehook::store::Codec;
use sidehook::store::metadata::Metadata;

use crate::records::value;

const BACKENDS: [(&str, DbBackend); 3] =
    [("postgres", DbBackend::Postgres), ("mysql", DbBackend::MySql), ("sqlite", DbBackend::Sqlite)];

fn metadata() -> Metadata {
    let json = |value: &Value| Some(JsonText(value.to_string()));
    let collection = |name: &str, options: Value| entity::collection::Model {
        name: name.to_owned(),
        options: json(&options),
    };
    let field = |collection: &str, name: &str, kind: &str, options: Value| entity::field::Model {
        name: name.to_owned(),
        r#type: Some(kind.to_owned()),
        interface: None,
        collection_name: Some(collection.to_owned()),
        options: json(&options),
    };
    let bare = json!({"createdAt": false, "updatedAt": false});
    Metadata {
        collections: vec![
            collection("posts", bare.clone()),
            collection("users", bare.clone()),
            collection("tags", bare),
            collection("posts_tags", json!({"autoGenId": false, "timestamps": false})),
        ],
        fields: vec![
            field("posts", "title", "string", json!({})),
            field("posts", "likes", "integer", json!({})),
            field("posts", "at", "date", json!({})),
            field("posts", "labels", "array", json!({})),
            field("posts", "meta", "json", json!({})),
            field("posts", "author", "belongsTo", json!({"target": "users", "foreignKey": "authorId"})),
            field("posts", "comments", "hasMany", json!({"target": "posts", "foreignKey": "parentId"})),
            field(
                "posts",
                "tags",
                "belongsToMany",
                json!({"target": "tags", "through": "posts_tags", "foreignKey": "postId", "otherKey": "tagId"}),
            ),
            field("users", "name", "string", json!({})),
            field("tags", "label", "string", json!({})),
        ],
    }
}

fn finds() -> Vec<(String, Find)> {
    let filters = [
        json!({"title": "x", "likes": {"$gte": 5, "$lt": 7.5}}),
        json!({"title": {"$ne": "x"}}),
        json!({"likes": {"$in": [1, "2"]}, "title": {"$notIn": ["a"]}}),
        json!({"title": {"$includes": "50%_"}}),
        json!({"title": {"$empty": true}}),
        json!({"likes": {"$isTruly": true}}),
        json!({"at": {"$dateOn": "2024-02-29+01:00"}}),
        json!({"at": {"$gt": "2024-02-29T10:00:00Z"}}),
        json!({"labels": {"$anyOf": ["a", "b"]}}),
        json!({"labels": {"$noneOf": ["a"]}}),
        json!({"labels": {"$match": ["b", "a"]}}),
        json!({"labels": {"$arrayEmpty": true}}),
        json!({"meta": {"a": {"b": 5}}}),
        json!({"$or": [{"likes": 1}, {"$and": [{"title": null}, {"$not": {"likes": 2}}]}]}),
        json!({"author.name": {"$eq": "Ann"}}),
        json!({"comments": {"author": {"name": "Ann"}}}),
        json!({"tags.label": {"$in": ["x"]}}),
    ];
    let mut finds: Vec<(String, Find)> = filters
        .iter()
        .map(|filter| (filter.to_string(), Find { filter: value(filter), ..Find::default() }))
        .collect();
    let sort = |field: &str, is_descending| Sort { field: field.to_owned(), is_descending };
    finds.push((
        "fields title and author, sorted by -likes and title, second page of 20".to_owned(),
        Find {
            fields: Some(vec!["title".to_owned(), "author".to_owned()]),
            sort: vec![sort("likes", true), sort("title", false)],
            limit: Some(20),
            offset: Some(20),
            ..Find::default()
        },
    ));
    finds
}

fn statements() -> String {
    let mut out = String::new();
    for (about, find) in finds() {
        writeln!(out, "{about}").expect("a text grows");
        for (name, backend) in BACKENDS {
            let codec = Codec::new(backend, chrono::FixedOffset::east_opt(0).expect("an offset"));
            let schema = Schema::build(&Names::default(), backend, &metadata(), &Default::default());
            let now = "2026-11-22T20:30:00Z".parse().expect("a time");
            let reader = Reader {
                schema: &schema,
                codec: &codec,
                db: &DatabaseConnection::default(),
                now,
                files: None,
            };
            let posts = schema.get("posts").expect("it is known");
            let statement = backend.build(&reader.statement(posts, &find).expect("a statement"));
            let values = statement.values.map(|values| values.0).unwrap_or_default();
            let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            writeln!(out, "  {name}: {}\n    {}", statement.sql, values.join(", ")).expect("a text grows");
        }
    }
    out
}

#[test]
fn statements_are_those_of_the_file() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/collection/statements.txt");
    let found = statements();
    if env::var_os("SIDEHOOK_UPDATE_STATEMENTS").is_some() {
        fs::write(&file, &found).expect("the file is written");
    }
    let expected = fs::read_to_string(&file).expect("the file is there");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
fn no_value_is_in_the_text_of_a_statement() {
    let found = statements();
    let texts = found
        .lines()
        .filter(|line| BACKENDS.iter().any(|(name, _)| line.starts_with(&format!("  {name}: "))));
    for text in texts {
        for value in ["Ann", "50", "2024", "'x'", "'a'"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
}
