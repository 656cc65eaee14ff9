//! Time per evaluation of each engine, beside Node.js running the same library on the same machine in the same run: of one
//! expression, and of all that the conformance corpus has. In sidehook that is the whole way: to a thread, into JavaScript and
//! back. Node.js makes everything anew each time, as NocoBase does. With the name of an engine, or `script`, only that is
//! evaluated, for profiles.

mod corpus;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sidehook::expr::evaluator::Evaluate;
use sidehook::expr::expression::{Language, Task};
use sidehook::expr::{Object, Value, json};
use sidehook::script::{Limits, Pool, Query, QueryEngine, Script};

use corpus::Work;

const ROUNDS: u32 = 2_000;
const CORPUS_ROUNDS: u32 = 40;
/// How often both sides take turns over the corpus.
const TURNS: u32 = 3;
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
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let is_whole = only.is_none();
    let data = json::parse(DATA.as_bytes())?;

    println!("{:<24}{:>12}{:>12}{:>8}", "one expression", "sidehook", "node.js", "ratio");
    for (name, function, expression) in TASKS.into_iter().filter(|task| is_wanted(task.0)) {
        let data = if is_query(function) { data.clone() } else { Value::object([("$$0", data.clone())]) };
        let works = [Work { function, expression: expression.to_owned(), data }];
        let rounds = if is_whole { ROUNDS } else { 20 * ROUNDS };
        let here = measure(&pool, &works, rounds).await[0];
        let there = if is_whole { node(&works, rounds)?.map(|times| times[0]) } else { None };
        print(name, here, there);
    }
    if is_wanted("script") {
        script(&pool, if is_whole { ROUNDS / 10 } else { 2 * ROUNDS }).await?;
    }
    if is_wanted("corpus") { corpus(&pool).await } else { Ok(()) }
}

fn print(name: &str, here: f64, there: Option<f64>) {
    let time = |time: f64| format!("{:.0} µs", time / 1e3);
    let (node, ratio) = there.map_or_else(
        || ("not there".to_owned(), String::new()),
        |there| (time(there), format!("{:.2}", here / there)),
    );
    println!("{name:<24}{:>12}{node:>12}{ratio:>8}", time(here));
}

/// Scripts one after the other, and with a pause before each.
async fn script(pool: &Pool, rounds: u32) -> anyhow::Result<()> {
    for (name, pause) in [("a script", None), ("a script now and then", Some(Duration::from_millis(3)))] {
        let mut took = Duration::ZERO;
        for round in 0..rounds.min(if pause.is_some() { 200 } else { u32::MAX }) + 10 {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let arguments = format!("{{\"rows\":{DATA}}}");
            let source = "return rows.filter(row => row.n > 1).length".to_owned();
            let begun = Instant::now();
            let script = Script { source, arguments, timeout: None, run: String::new() };
            pool.run(script).await.map_err(anyhow::Error::msg)?;
            // The first ones make their threads.
            took = if round < 10 { Duration::ZERO } else { took + begun.elapsed() };
        }
        let rounds = rounds.min(if pause.is_some() { 200 } else { u32::MAX });
        println!("{name:<24}{:>12}", format!("{:.0} µs", took.as_secs_f64() * 1e6 / f64::from(rounds)));
    }
    Ok(())
}

/// Both sides in turns, per engine the mean of all expressions.
async fn corpus(pool: &Pool) -> anyhow::Result<()> {
    let works = corpus::works()?;
    let (mut here, mut there) = (vec![0.0; works.len()], vec![0.0; works.len()]);
    let mut has_node = true;
    for _ in 0..TURNS {
        let add = |sums: &mut Vec<f64>, times: Vec<f64>| {
            sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time / f64::from(TURNS));
        };
        add(&mut here, measure(pool, &works, CORPUS_ROUNDS).await);
        match node(&works, CORPUS_ROUNDS)? {
            Some(times) => add(&mut there, times),
            None => has_node = false,
        }
    }
    println!("\n{:<24}{:>12}{:>12}{:>8}", "the corpus, mean", "sidehook", "node.js", "ratio");
    for (name, function, _) in TASKS {
        let of_engine = |times: &[f64]| {
            let own = works.iter().zip(times).filter(|(work, _)| work.function == function);
            let (count, sum) = own.fold((0, 0.0), |(count, sum), (_, time)| (count + 1, sum + time));
            (count, sum / f64::from(count.max(1)))
        };
        let (count, here) = of_engine(&here);
        let there = has_node.then(|| of_engine(&there).1);
        print(&format!("{name} ({count})"), here, there);
    }
    Ok(())
}

/// Nanoseconds per evaluation.
async fn measure(pool: &Pool, works: &[Work], rounds: u32) -> Vec<f64> {
    let mut times = Vec::new();
    for work in works {
        for _ in 0..rounds / 10 {
            evaluate(pool, work).await;
        }
        let begun = Instant::now();
        for _ in 0..rounds {
            evaluate(pool, work).await;
        }
        times.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(rounds));
    }
    times
}

fn is_query(function: &str) -> bool {
    !matches!(function, "math" | "formula")
}

/// Evaluates; what throws takes its time, too.
async fn evaluate(pool: &Pool, work: &Work) {
    let query =
        |engine| Query { engine, expression: work.expression.as_str().into(), data: work.data.clone() };
    let task = |language| Task {
        language,
        expression: work.expression.clone(),
        variables: work
            .data
            .as_object()
            .into_iter()
            .flat_map(Object::iter)
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        has_columns: false,
    };
    let _ = match work.function {
        "math" => pool.evaluate(task(Language::Math)).await,
        "formula" => pool.evaluate(task(Language::Formula)).await,
        "jmespath" => pool.query(query(QueryEngine::JmesPath)).await.map_err(|fault| fault.thrown),
        "jsonpathplus" => pool.query(query(QueryEngine::JsonPathPlus)).await.map_err(|fault| fault.thrown),
        _ => pool.query(query(QueryEngine::Jsonata)).await.map_err(|fault| fault.thrown),
    };
}

/// Nanoseconds per evaluation in Node.js; nothing where there is none.
fn node(works: &[Work], rounds: u32) -> anyhow::Result<Option<Vec<f64>>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let packages = std::env::var_os("SIDEHOOK_JS_BUNDLE")
        .map_or_else(|| PathBuf::from(concat!(env!("OUT_DIR"), "/npm")), PathBuf::from);
    let child = Command::new("node")
        .arg(root.join("benches/expr/node.js"))
        .args([packages, root.join("src/script/js")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return Ok(None) };
    let works: Vec<Value> = works
        .iter()
        .map(|work| {
            Value::array(vec![work.function.into(), work.expression.as_str().into(), work.data.clone()])
        })
        .collect();
    let task =
        json::stringify_or_null(&Value::array(vec![Value::Number(rounds.into()), Value::array(works)]));
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(task.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    anyhow::ensure!(output.status.success(), "Node.js failed");
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}
