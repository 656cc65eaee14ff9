//! The expressions and queries of the conformance corpus (`SIDEHOOK_CONFORMANCE`), with the values that their variables had in
//! the recorded runs. Loops and other requests than the first are left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use sidehook::expr::expression::{Expression, Language, Variables};
use sidehook::expr::{Scope, Template, Value, json};

/// One evaluation.
pub(crate) struct Work {
    /// The function of the harness: `math`, `formula`, `jmespath`, `jsonpathplus` or `jsonata`.
    pub(crate) function: &'static str,
    pub(crate) expression: String,
    /// The data of a query; of an expression, an object of its variables.
    pub(crate) data: Value,
}

/// Everything that the cases evaluate; nothing where there is no corpus, unless one was named.
pub(crate) fn works() -> anyhow::Result<Vec<Work>> {
    let named = std::env::var_os("SIDEHOOK_CONFORMANCE").map(PathBuf::from);
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance");
    let folder = named.clone().unwrap_or_else(default).join("cases");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(_) if named.is_none() => return Ok(Vec::new()),
        Err(err) => return Err(err).with_context(|| folder.display().to_string()),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    let mut works = Vec::new();
    for path in paths {
        let text = fs::read(&path)?;
        let case = json::parse(&text).with_context(|| path.display().to_string())?;
        let scope = scope(&case);
        collect(&case.member("nodes"), &scope, &mut works);
    }
    Ok(works)
}

/// The variables of the first recorded execution, as its nodes found them after all of it.
fn scope(case: &Value) -> Scope {
    let row = item(&case.member("expected").member("rows"), 0);
    let mut scope = Scope::of_context(row.member("execution").member("context"));
    let jobs = row.member("jobs");
    let jobs = jobs.as_array().map_or(&[][..], |jobs| jobs.items());
    let results = Value::object(
        jobs.iter().filter_map(|job| Some((job.member("node").as_str()?.to_owned(), job.member("result")))),
    );
    scope.results = Arc::new(results.as_object().cloned().unwrap_or_default());
    scope
}

/// What nodes, their configurations and the nodes in their branches evaluate.
fn collect(value: &Value, scope: &Scope, works: &mut Vec<Work>) {
    let config = value.member("config");
    if value.member("type").as_str() == Some("json-query") {
        works.extend(query(&config, scope));
    }
    works.extend(expression(value, scope));
    match value {
        Value::Array(array, _) => array.items().iter().for_each(|item| collect(item, scope, works)),
        Value::Object(object, _) => object.iter().for_each(|(_, member)| collect(member, scope, works)),
        _ => {}
    }
}

fn query(config: &Value, scope: &Scope) -> Option<Work> {
    let engine = config.member("engine");
    let function = match engine.as_str().unwrap_or("jmespath") {
        "jmespath" => "jmespath",
        "jsonpathplus" => "jsonpathplus",
        "jsonata" => "jsonata",
        _ => return None,
    };
    let render = |name| Template::parse(&config.member(name)).render(scope).ok();
    let expression = render("expression")?.as_str()?.to_owned();
    Some(Work { function, expression, data: render("source")? })
}

fn expression(config: &Value, scope: &Scope) -> Option<Work> {
    let (function, language) = match config.member("engine").as_str()? {
        "math.js" => ("math", Language::Math),
        "formula.js" => ("formula", Language::Formula),
        _ => return None,
    };
    let parsed = Expression::parse(&config.member("expression")).ok()?;
    let task = parsed.with_identifiers(language, &Variables::of(scope)).ok()?;
    Some(Work { function, expression: task.expression, data: Value::object(task.variables) })
}

fn item(list: &Value, index: usize) -> Value {
    list.as_array().and_then(|array| array.items().get(index).cloned()).unwrap_or_default()
}
