//! Time per evaluation of each engine, beside Node.js running the same library on the same machine in the same run. In
//! sidehook that is the whole way: to a thread, into JavaScript and back.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sidehook::expr::evaluator::Evaluate;
use sidehook::expr::expression::{Language, Task};
use sidehook::expr::{Value, json};
use sidehook::script::{Limits, Pool, Query, QueryEngine, Script};

const ROUNDS: u32 = 2_000;
const DATA: &str =
    r#"[{"name":"a","price":10.5,"n":2},{"name":"b","price":3,"n":7},{"name":"c","price":8,"n":1}]"#;

/// What is measured: a name, the function of the harness, the expression.
const TASKS: [(&str, &str, &str); 5] = [
    ("math.js", "math", "sqrt(2) * 3 + size($$0)[1] ^ 2"),
    ("formula.js", "formula", "SUM($$0.map(row => row.price * row.n)) + ROUND(2.345, 2)"),
    ("jmespath", "jmespath", "[?n > `1`].name"),
    ("jsonpath-plus", "jsonpathplus", "$[?(@.n > 1)].name"),
    ("jsonata", "jsonata", "$sum(price)"),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pool = Pool::new(Limits { script_time: Duration::from_secs(5), ..Limits::default() });
    let data = json::parse(DATA.as_bytes())?;
    let node = node()?;
    println!("{:<16}{:>14}{:>14}", "engine", "sidehook", "node.js");
    for (i, (name, function, expression)) in TASKS.iter().enumerate() {
        for _ in 0..ROUNDS / 10 {
            evaluate(&pool, function, expression, &data).await?;
        }
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            evaluate(&pool, function, expression, &data).await?;
        }
        let here = begun.elapsed() / ROUNDS;
        let there =
            node.as_ref().map_or_else(|| "not there".to_owned(), |times| microseconds(times[i] / 1e3));
        println!("{name:<16}{:>14}{there:>14}", microseconds(here.as_secs_f64() * 1e6));
    }
    let begun = Instant::now();
    for _ in 0..ROUNDS / 10 {
        let arguments = format!("{{\"rows\":{DATA}}}");
        let source = "return rows.filter(row => row.n > 1).length".to_owned();
        pool.run(Script { source, arguments, timeout: None, run: String::new() })
            .await
            .map_err(anyhow::Error::msg)?;
    }
    let here = begun.elapsed() / (ROUNDS / 10);
    println!("{:<16}{:>14}{:>14}", "a script", microseconds(here.as_secs_f64() * 1e6), "");
    Ok(())
}

fn microseconds(time: f64) -> String {
    format!("{time:.0} µs")
}

async fn evaluate(pool: &Pool, function: &str, expression: &str, data: &Value) -> anyhow::Result<()> {
    let query = |engine| Query { engine, expression: expression.into(), data: data.clone() };
    let task = |language| Task {
        language,
        expression: expression.to_owned(),
        variables: vec![("$$0".to_owned(), data.clone())],
        has_columns: false,
    };
    let result = match function {
        "math" => pool.evaluate(task(Language::Math)).await,
        "formula" => pool.evaluate(task(Language::Formula)).await,
        "jmespath" => pool.query(query(QueryEngine::JmesPath)).await.map_err(|fault| fault.thrown),
        "jsonpathplus" => pool.query(query(QueryEngine::JsonPathPlus)).await.map_err(|fault| fault.thrown),
        _ => pool.query(query(QueryEngine::Jsonata)).await.map_err(|fault| fault.thrown),
    };
    result.map(drop).context(format!("{expression} throws"))
}

/// Nanoseconds per evaluation in Node.js; nothing where there is none.
fn node() -> anyhow::Result<Option<Vec<f64>>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let packages = std::env::var_os("SIDEHOOK_JS_BUNDLE")
        .map_or_else(|| PathBuf::from(concat!(env!("OUT_DIR"), "/npm")), PathBuf::from);
    let tasks = serde_json::to_string(&TASKS)?;
    let output = Command::new("node")
        .arg(root.join("benches/expr/node.js"))
        .args([packages, root.join("src/script/js")])
        .args([tasks, DATA.to_owned(), ROUNDS.to_string()])
        .output();
    let Ok(output) = output else { return Ok(None) };
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}
