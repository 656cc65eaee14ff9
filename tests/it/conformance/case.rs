//! Case files of the conformance suite, as its README describes them: the model, loading, and what a case needs.
//! Running a case and comparing its result is not done here.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Names the folder with the case files where it is not the default one.
const FOLDER_VARIABLE: &str = "SIDEHOOK_CONFORMANCE";
const DEFAULT_FOLDER: &str = "../shared/conformance";

/// Engines that evaluate an expression; anything else is evaluated without one.
const EVALUATORS: [&str; 3] = ["math.js", "formula.js", "string"];

/// One webhook workflow, the requests sent to it and what NocoBase recorded for them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// The stem of the file's name.
    pub name: String,
    /// One sentence: the behaviour that the case pins.
    pub about: String,
    /// `workflows.sync`.
    pub sync: bool,
    /// `workflows.options`.
    #[serde(default = "default_options")]
    pub options: Value,
    /// Seconds to wait for executions that are still pending.
    #[serde(default = "default_wait")]
    pub wait: u64,
    /// A difference whose path contains one of these does not count.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Payloads of NocoBase's `collections:create`, in order.
    #[serde(default)]
    pub collections: Vec<Value>,
    /// SQL to run once the collections exist, written for PostgreSQL.
    #[serde(default)]
    pub seed: Vec<String>,
    /// SELECT statements whose rows are recorded after the last execution, written for PostgreSQL.
    #[serde(default)]
    pub inspect: Vec<String>,
    /// `workflows.config`.
    pub trigger: Value,
    /// The nodes of the main line, in order.
    pub nodes: Vec<Node>,
    pub requests: Vec<Request>,
    /// What NocoBase made of the collections: `{"collections", "fields", "tables"}`.
    pub metadata: Option<Value>,
    /// Why other rows are recorded on purpose; they are not compared.
    pub differs: Option<String>,
    /// Why only the answer differs on purpose.
    #[expect(dead_code, reason = "tells people; the runner goes by `ignore`")]
    pub differs_in_reply: Option<String>,
    /// `{"responses", "rows", "stats"}`.
    pub expected: Value,
}

/// A row of `flow_nodes` with the nodes of its branches.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub key: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub config: Value,
    #[expect(dead_code, reason = "has no effect on a run")]
    pub title: Option<String>,
    #[serde(default, deserialize_with = "branches_in_order")]
    pub branches: Vec<Branch>,
}

/// The nodes of one branch, in order; there may be none.
#[derive(Debug, Clone)]
pub struct Branch {
    /// `flow_nodes.branchIndex` of the branch's first node.
    pub index: i64,
    pub nodes: Vec<Node>,
}

/// One request to the trigger.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(default = "default_method")]
    pub method: String,
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// Already encoded, without `?`.
    pub query: Option<String>,
    /// Absent is no body at all, which is not the same as the JSON value null.
    #[serde(default, deserialize_with = "present")]
    pub body: Option<Value>,
    /// Overrides the case's `wait`, in seconds.
    pub wait: Option<u64>,
}

/// All cases, by name, with the echo server's URL put in. `None` where the default folder does not exist, as in
/// a checkout without the recorded cases; a folder that is named has to exist.
pub fn load(echo_url: &str) -> Result<Option<Vec<Case>>> {
    let named = env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty());
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_FOLDER);
    if named.is_none() && !default.exists() {
        eprintln!("no recorded cases are run: {FOLDER_VARIABLE} does not name their folder");
        return Ok(None);
    }
    let folder = named.map_or(default, PathBuf::from);
    let (mut folders, mut cases) = (vec![folder.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| {
            format!(
                "cannot read the conformance cases in {}; {FOLDER_VARIABLE} names the folder that holds them",
                folder.display()
            )
        })?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                cases.push(Case::read(&path, echo_url).with_context(|| path.display().to_string())?);
            }
        }
    }
    ensure!(!cases.is_empty(), "there are no conformance cases in {}", folder.display());
    cases.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Some(cases))
}

impl Case {
    fn read(path: &Path, echo_url: &str) -> Result<Self> {
        let case = Self::parse(&fs::read_to_string(path)?, echo_url)?;
        ensure!(path.file_stem().is_some_and(|stem| stem == case.name.as_str()), "its name is {}", case.name);
        Ok(case)
    }

    /// `$ECHO` is replaced in the text, and so in the whole case, `expected` included: a URL needs no escaping
    /// in JSON.
    fn parse(text: &str, echo_url: &str) -> Result<Self> {
        let mut case: Self = serde_json::from_str(&text.replace("$ECHO", echo_url))?;
        case.complete_collections();
        Ok(case)
    }

    /// Adds the options that NocoBase itself has given to the collections.
    fn complete_collections(&mut self) {
        let Some(made) = self.metadata.as_ref().and_then(|made| made["collections"].as_array()) else {
            return;
        };
        for payload in self.collections.iter_mut().filter_map(Value::as_object_mut) {
            let own = made.iter().find(|one| Some(&one["name"]) == payload.get("name"));
            for (name, value) in own.and_then(|one| one["options"].as_object()).into_iter().flatten() {
                payload.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }

    /// The types of all nodes, those in branches included. An evaluator that a `condition`, `multi-conditions` or
    /// `loop` node uses beside its own logic is listed as, for example, `condition:math.js`.
    pub fn node_types(&self) -> BTreeSet<String> {
        let mut types = BTreeSet::new();
        collect_types(&self.nodes, &mut types);
        types
    }
}

fn collect_types(nodes: &[Node], types: &mut BTreeSet<String>) {
    for node in nodes {
        types.insert(node.kind.clone());
        types.extend(node.evaluators().map(|engine| format!("{}:{engine}", node.kind)));
        for branch in &node.branches {
            collect_types(&branch.nodes, types);
        }
    }
}

impl Node {
    fn evaluators(&self) -> impl Iterator<Item = &str> {
        let conditions = match self.kind.as_str() {
            "condition" => vec![&self.config],
            "multi-conditions" => self.config["conditions"].as_array().into_iter().flatten().collect(),
            "loop" => vec![&self.config["condition"]],
            _ => Vec::new(),
        };
        conditions
            .into_iter()
            .filter_map(|condition| condition["engine"].as_str())
            .filter(|engine| EVALUATORS.contains(engine))
    }
}

fn default_options() -> Value {
    serde_json::json!({"timeout": 0})
}

fn default_wait() -> u64 {
    10
}

fn default_method() -> String {
    "POST".to_owned()
}

/// Keeps a null that serde would take for an absent value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Keeps the order of the file and makes numbers of the keys.
fn branches_in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Branch>, D::Error> {
    let branches = Map::deserialize(deserializer)?;
    let branch = |(index, nodes): (String, Value)| {
        Ok(Branch {
            index: index.parse().map_err(D::Error::custom)?,
            nodes: serde_json::from_value(nodes).map_err(D::Error::custom)?,
        })
    };
    branches.into_iter().map(branch).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(nodes: Value, requests: Value) -> Case {
        let text = json!({
            "name": "x", "about": "x", "sync": true, "trigger": {}, "nodes": nodes, "requests": requests,
            "expected": {"responses": [{"body": "$ECHO/text"}], "rows": [], "stats": "1,1"},
        });
        Case::parse(&text.to_string(), "http://127.0.0.1:7").unwrap()
    }

    #[test]
    fn absent_parts_have_their_defaults() {
        let case = case(json!([]), json!([{}]));
        assert_eq!((case.options, case.wait), (json!({"timeout": 0}), 10));
        assert_eq!(case.requests[0].method, "POST");
    }

    #[test]
    fn null_body_is_a_body() {
        let case = case(json!([]), json!([{"body": null}, {}]));
        assert_eq!(case.requests[0].body, Some(Value::Null));
        assert_eq!(case.requests[1].body, None);
    }

    #[test]
    fn echo_url_is_put_in_everywhere() {
        let case = case(json!([{"key": "r", "type": "request", "config": {"url": "$ECHO/a"}}]), json!([]));
        assert_eq!(case.nodes[0].config["url"], "http://127.0.0.1:7/a");
        assert_eq!(case.expected["responses"][0]["body"], "http://127.0.0.1:7/text");
    }

    #[test]
    fn node_types_are_found_in_branches_with_their_evaluators() {
        let condition = |key: &str, config: Value| json!({"key": key, "type": "condition", "config": config});
        let conditions = json!({"conditions": [{"engine": "basic"}, {"engine": "formula.js"}]});
        let nodes = json!([{
            "key": "l", "type": "loop", "config": {"condition": {"engine": "math.js"}},
            "branches": {"2": [], "0": [
                condition("c", json!({"engine": "string"})),
                condition("d", json!({"engine": "nosuch"})),
                {"key": "m", "type": "multi-conditions", "config": conditions},
                {"key": "n", "type": "calculation", "config": {"engine": "math.js"}},
            ]},
        }]);
        let case = case(nodes, json!([]));
        let types = case.node_types().into_iter().collect::<Vec<_>>();
        assert_eq!(
            types,
            [
                "calculation",
                "condition",
                "condition:string",
                "loop",
                "loop:math.js",
                "multi-conditions",
                "multi-conditions:formula.js"
            ]
        );
        let order = case.nodes[0].branches.iter().map(|branch| branch.index).collect::<Vec<_>>();
        assert_eq!(order, [2, 0]);
    }
}
