//! Scripts, expressions and queries that try to stop, fill or change the server. Each may cost its own job.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, prepare};
use crate::wait::until;

/// Unless `SIDEHOOK_HOSTILE_ATTEMPTS` says how many.
const ATTEMPTS: usize = 500;
const AT_A_TIME: usize = 8;
/// After so many attempts, memory is what it is to be.
const SETTLED: usize = 100;
/// What memory may grow by from then on, in bytes, however many attempts follow: what one runtime of JavaScript
/// may take (`src/script/realm.rs`). Heaps of threads come to their full size one by one, and are torn into pieces.
const ALLOWED: u64 = 128 << 20;

/// Half of them give up by themselves or fail at once, the others have to be stopped.
const SCRIPTS: [&str; 18] = [
    "for (;;) {}",
    "let n = 0; while (n < N) n++; return n",
    "for (;;) await null",
    "const f = () => f() + N; f()",
    "let a = []; for (;;) a.push(new Array(N).fill(N))",
    "let s = 'N'; for (;;) s += s",
    "await new Promise(() => {})",
    "return 'a'.repeat(30) .match(/(a+)+b/)",
    "const b = []; b.length = N * 1000; return b.join('').length",
    "Object.prototype.x = N; Array.prototype.push = null; return [].push",
    "globalThis.JSON = null; return N",
    "throw {toString() { for (;;) {} }}",
    "return {toJSON() { for (;;) {} }}",
    "return new Proxy({}, {ownKeys() { return ['a', 'b', 'N'] }})",
    "let o = {}; for (let i = 0; i < 500; i++) o = {o}; return o",
    "let a = [N]; for (let i = 0; i < 30; i++) a = [a, a]; return a",
    "return eval('N+'.repeat(1000) + '1')",
    "new Function('return this')().constructor.constructor('for (;;) {}')()",
];
const FORMULAS: [&str; 18] = [
    "while (true) {}",
    "for (let i = 0; i < N; i++) {} N",
    "(function f() { return f() })()",
    "let a = []; while (true) a.push(a.slice(), N)",
    "let s = 'N'; while (true) s += s",
    "Object.prototype.leak = N",
    "SUM.leak = N; SUM(N, 1)",
    "globalThis.constructor.constructor('return 1')()",
    "[].constructor.constructor('return this')().leak = N",
    "(async () => { for (let i = 0; i < N; i++) await i })()",
    "REPT('N', N)",
    "new Array(N).fill(new Array(N).fill(N))",
    "let a = [N]; for (let i = 0; i < 30; i++) a = [a, a]; a",
    "({get x() { throw N }})",
    "new Proxy({}, {get() { while (true) {} }})",
    "FACT(N)",
    "{{$context.body}}.x.y.z",
    "`${'x'.repeat(N)}`.split('').sort().reverse().join('').length",
];
const MATH: [&str; 14] = [
    "ones(N, N)",
    "1:N",
    "factorial(N)",
    "f(x) = f(x) + N; f(1)",
    "createUnit(\"leakN\")",
    "config({number: \"BigNumber\"})",
    "evaluate(\"1 + N\")",
    "bignumber(2) ^ N",
    "simplify(\"x + x * N\")",
    "inv(random([30, 30]))",
    "map(1:N, f(x) = x ^ 2)",
    "{a: {b: {c: N}}}.a.b.c",
    "(((((((((N)))))))))",
    "sqrt = N; sqrt",
];
const QUERIES: [(&str, &str); 10] = [
    ("jsonata", "($f := function() { $f() + N }; $f())"),
    ("jsonata", "($f := function($n) { $n = 0 ? 0 : $f($n - 1) }; $f(N))"),
    ("jsonata", "[1..N]"),
    ("jsonata", "$map([1..100], function($v) { $v * N })"),
    ("jmespath", "[?`N` == `N`] | [0:N]"),
    ("jmespath", "@.@.@.@[N]"),
    ("jsonpathplus", "$..[?(@.constructor.constructor('return N')())]"),
    ("jsonpathplus", "$[?(@.a = N)]"),
    ("jsonpathplus", "$..*.N"),
    ("jsonpathplus", "$[(N)]"),
];

/// The workflow and the body of one attempt.
fn attempt(random: &mut StdRng) -> (&'static str, Value) {
    // Mostly small, so that most of them end by themselves.
    let number = 10_u32.pow(random.random_range(1..6)) + random.random_range(0..10);
    let filled = |text: &str| text.replace('N', &number.to_string());
    match random.random_range(0..4) {
        0 => ("script", json!({"code": filled(SCRIPTS[random.random_range(0..SCRIPTS.len())])})),
        1 => {
            let expression = filled(FORMULAS[random.random_range(0..FORMULAS.len())]);
            ("dynamic", json!({"engine": "formula.js", "expression": expression}))
        }
        2 => {
            let expression = filled(MATH[random.random_range(0..MATH.len())]);
            ("dynamic", json!({"engine": "math.js", "expression": expression}))
        }
        _ => {
            let (engine, expression) = QUERIES[random.random_range(0..QUERIES.len())];
            (engine, json!({"q": filled(expression)}))
        }
    }
}

async fn start(database: &TestDatabase) -> Process {
    let rows = Rows { store: prepare(database, &[]).await };
    let trigger = json!({"request": {"body": [{"key": "code"}, {"key": "engine"}, {"key": "expression"}, {"key": "q"}]}});
    let source = "return await eval('(async () => {' + code + '})()')";
    let script = json!({"content": source, "timeout": 50,
        "arguments": [{"name": "code", "value": "{{$context.body.code}}"}]});
    let dynamic = json!({"expression": "{{$context.body}}", "scope": {"$context": "{{$context}}"}});
    let mut nodes =
        vec![("script", node("s", "script", script)), ("dynamic", node("d", "dynamic-calculation", dynamic))];
    for engine in ["jmespath", "jsonata", "jsonpathplus"] {
        let source = json!({"a": [1, {"b": 2}], "c": "text"});
        let config = json!({"engine": engine, "source": source, "expression": "{{$context.body.q}}"});
        nodes.push((engine, node("q", "json-query", config)));
    }
    for (key, node) in nodes {
        rows.add(&workflow(key, true, &trigger, &[node])).await;
    }
    let sum = json!({"engine": "formula.js", "expression": "SUM({{$context.body.q}}) + LEN('ab') + ({}.leak ?? 0)"});
    let answer = json!({"body": "{{$jobsMapByNodeKey.c}}"});
    let probe =
        workflow("probe", true, &trigger, &[node("c", "calculation", sum), node("r", "response", answer)]);
    rows.add(&probe).await;
    let settings = [("SIDEHOOK_EXPRESSION_TIMEOUT", "50ms"), ("SIDEHOOK_LOG", "info,sidehook::script=error")];
    Process::serve(database, &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_code_leaves_the_server_serving() {
    let Some(database) = TestDatabase::create(Kind::Sqlite).await else { return };
    let server = start(&database).await;
    let client = client();
    let all = std::env::var("SIDEHOOK_HOSTILE_ATTEMPTS").ok().and_then(|text| text.parse().ok());
    let all = all.unwrap_or(ATTEMPTS);
    let mut random = StdRng::seed_from_u64(7);
    let attempts: Vec<_> = (0..all).map(|_| attempt(&mut random)).collect();
    let send = async |(key, body): &(&str, Value)| {
        let answered = client.post(server.trigger_url(key)).json(body).send().await;
        answered.map(|answer| answer.status().as_u16()).map_err(|err| format!("{key} {body}: {err}"))
    };
    let mut settled = 0;
    for (from, to) in [(0, SETTLED), (SETTLED, all)] {
        let answers: Vec<_> =
            stream::iter(&attempts[from..to]).map(send).buffer_unordered(AT_A_TIME).collect().await;
        for answer in answers {
            // 200 where the job has resolved, 500 where it has failed.
            assert!(matches!(answer, Ok(200 | 500)), "{answer:?}");
        }
        if to == SETTLED {
            settled = least_memory(&server).await;
        }
    }
    let probed = client.post(server.trigger_url("probe")).json(&json!({"q": [1, 2]})).send().await;
    assert_eq!(probed.expect("an answer").text().await.expect("a body"), "5");
    // What had to be given up comes to its end, and its memory goes back.
    let limit = settled + ALLOWED;
    until(async || server.resident_memory() <= limit, || format!("{settled} bytes grew, beyond {limit}"))
        .await;
    let after = least_memory(&server).await;
    eprintln!("memory: {} MB after {SETTLED} attempts, {} MB after {all}", settled >> 20, after >> 20);
    assert!(after <= limit, "{settled} bytes grew to {after}");
}

/// The least that the server takes within two seconds: what ends by its limit of time goes up and down.
async fn least_memory(server: &Process) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..20 {
        least = least.min(server.resident_memory());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    least
}
