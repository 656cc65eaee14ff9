//! Scripts with modules beside NocoBase's own node in Node.js: what `record.js` has recorded of it comes out the same.

mod limits;
mod node;

use std::path::PathBuf;

use serde_json::Value as Json;
use sidehook::expr::{Value, json};
use sidehook::script::{Limits, ModuleSetting, Pool, Script};

/// What is recorded: the names of the modules, and each `{config, status, result}`.
fn recorded() -> (Vec<String>, Vec<Json>) {
    let recorded: Json = serde_json::from_str(include_str!("recorded.json")).expect("the cases are JSON");
    let names = recorded["modules"].as_str().expect("names").split(',').map(str::to_owned).collect();
    (names, recorded["cases"].as_array().expect("a list").clone())
}

/// The packages that were compiled in, with those that only the tests need.
fn packages() -> PathBuf {
    let folder = std::env::var_os("SIDEHOOK_JS_BUNDLE")
        .map_or_else(|| PathBuf::from(concat!(env!("OUT_DIR"), "/npm")), PathBuf::from);
    folder.join("node_modules")
}

fn pool(names: &[&str]) -> Pool {
    let modules = ModuleSetting {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        folders: vec![packages()],
    };
    Pool::new(Limits { scripts: 2, modules, ..Limits::default() })
}

/// A script's result, or the text of what it threw.
async fn run(pool: &Pool, source: &str) -> Result<Json, String> {
    let script = Script {
        source: source.to_owned(),
        arguments: "{}".to_owned(),
        timeout: None,
        run: "1:n:1".to_owned(),
    };
    pool.run(script).await.map(|value| to_json(&value))
}

fn to_json(value: &Value) -> Json {
    serde_json::from_str(&json::stringify_or_null(value)).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_with_modules_do_what_they_do_in_nocobase() {
    let (names, cases) = recorded();
    let pool = pool(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut differences = Vec::new();
    assert!(cases.len() > 90, "{}", cases.len());
    for case in &cases {
        let config = &case["config"];
        let source = config["content"].as_str().expect("a text");
        let arguments = config["arguments"].as_array().cloned().unwrap_or_default();
        let named = |one: Json| (one["name"].as_str().unwrap_or_default().to_owned(), one["value"].clone());
        let arguments: serde_json::Map<String, Json> = arguments.into_iter().map(named).collect();
        let timeout = config["timeout"].as_u64().map(std::time::Duration::from_millis);
        let script = Script {
            source: source.to_owned(),
            arguments: Json::Object(arguments).to_string(),
            timeout,
            run: String::new(),
        };
        let (status, result) = match pool.run(script).await {
            Ok(value) => (1, to_json(&value)),
            Err(text) => (if config["continue"] == true { 1 } else { -2 }, Json::from(text)),
        };
        // NocoBase loses the reason of what its worker cannot hand over.
        let is_told_here = case["result"].is_null() && status == -2;
        let is_same = match is_told_here {
            true => result.as_str().is_some_and(|text| text.ends_with("could not be cloned.")),
            false => result == case["result"],
        };
        if case["status"] != status || !is_same {
            differences.push(format!(
                "{source}\n  NocoBase: {} {}\n  here: {status} {result}",
                case["status"], case["result"]
            ));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
