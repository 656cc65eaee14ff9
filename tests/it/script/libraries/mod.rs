//! The libraries in sidehook beside the same libraries in Node.js: some thousand expressions and queries have to give
//! the same values and throw the same texts.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;
use sidehook::expr::evaluator::Evaluate;
use sidehook::expr::expression::{Language, Task};
use sidehook::expr::{Value, json};
use sidehook::script::{Limits, Pool, Query, QueryEngine};

/// Where the packages are that were compiled in.
fn packages() -> PathBuf {
    std::env::var_os("SIDEHOOK_JS_BUNDLE")
        .map_or_else(|| PathBuf::from(concat!(env!("OUT_DIR"), "/npm")), PathBuf::from)
}

/// What Node.js says: the data of the queries, and `[engine, expression, [kind, text]]` for each.
fn ask_node() -> (Value, Vec<Json>) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(root.join("tests/it/script/libraries/oracle.js"))
        .args([packages(), root.join("src/script/js")])
        .output()
        .expect("node runs: npm, which the build needs, comes with it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Json = serde_json::from_slice(&output.stdout).expect("JSON from the oracle");
    let data = json::parse(said["data"].as_str().expect("text").as_bytes()).expect("JSON");
    (data, said["out"].as_array().expect("a list").clone())
}

async fn evaluate(pool: &Pool, engine: &str, expression: &str, data: &Value) -> (bool, String) {
    let task =
        |language| Task { language, expression: expression.into(), variables: vec![], has_columns: false };
    let query = |engine| Query { engine, expression: expression.into(), data: data.clone() };
    let result = match engine {
        "math" => pool.evaluate(task(Language::Math)).await,
        "formula" => pool.evaluate(task(Language::Formula)).await,
        "jmespath" => pool.query(query(QueryEngine::JmesPath)).await.map_err(|fault| fault.thrown),
        "jsonpathplus" => pool.query(query(QueryEngine::JsonPathPlus)).await.map_err(|fault| fault.thrown),
        _ => pool.query(query(QueryEngine::Jsonata)).await.map_err(|fault| fault.thrown),
    };
    match result {
        Ok(value) => (true, json::stringify(&value).unwrap_or_else(|| "undefined".to_owned())),
        // A member that is no error: jsonata throws plain objects.
        Err(thrown) => match thrown.value.as_deref().map(|value| value.member("message")) {
            Some(Value::Text(message)) if thrown.name.is_empty() => (false, message.to_string()),
            _ => (false, thrown.to_string()),
        },
    }
}

/// The same JSON, but for the last digits of numbers: both engines compute with other mathematical functions.
fn are_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| are_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| are_same(value, other)))
        }
        (Json::Number(one), Json::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            (one - other).abs() <= 1e-9 * one.abs().max(1.0)
        }
        (one, other) => one == other,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_libraries_say_what_they_say_in_node() {
    let (data, asked) = ask_node();
    let pool = Pool::new(Limits::default());
    let mut differences = Vec::new();
    for one in &asked {
        let (engine, expression) = (one[0].as_str().unwrap_or(""), one[1].as_str().unwrap_or(""));
        let (kind, expected) = (one[2][0].as_str().unwrap_or(""), one[2][1].as_str().unwrap_or(""));
        // What was kept of an expression has to say the same as what is made anew. With two threads, each of which keeps its
        // own, one of them evaluates it twice.
        for time in 1..=3 {
            let (is_result, actual) = evaluate(&pool, engine, expression, &data).await;
            let parsed = |text| serde_json::from_str::<Json>(text).unwrap_or_else(|_| Json::from(text));
            let is_same = match (kind == "=", is_result) {
                (true, true) => are_same(&parsed(expected), &parsed(&actual)),
                (false, false) => expected == actual,
                _ => false,
            };
            if !is_same {
                differences
                    .push(format!("{engine}: {expression}\n  node: {expected}\n  here: {actual} ({time})"));
                break;
            }
        }
    }
    assert!(asked.len() > 5_000, "{} expressions", asked.len());
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
