//! What large runs cost: loops of many rounds, chains of many nodes, a context of megabytes, and values in memory. For
//! each the size grows, and what a round, a node or a byte costs beside the smallest size shows whether the cost
//! grows with it. Time is that of the processor that sidehook takes; the database has its own.
//!
//! `cargo bench --bench large` (needs PostgreSQL); `BENCH_BIN` names another sidehook to measure.

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a bench fails by panicking")]
#![expect(unreachable_pub, reason = "nobody is outside of this program")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/databases/mod.rs"]
mod databases;
#[path = "../../tests/it/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/mod.rs"]
mod ground;
mod served;
mod values;

use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use databases::{Kind, Server, TestDatabase};
use fixture::{node, workflow};
use served::{Cost, Served};

/// Values are measured as the program keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: [usize; 3] = [1_000, 10_000, 100_000];
const NODES: [usize; 3] = [500, 1_000, 5_000];
const MEGABYTES: [usize; 3] = [1, 3, 9];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(values::SHAPE) {
        values::measure(&arguments.next().expect("a shape"));
        return;
    }
    values::print();
    let server = Server::start(Kind::Postgres, true).await.expect("PostgreSQL starts; install it first");
    let database = server.create_database().await.expect("a database");
    prepare(&database).await;
    println!(
        "\n{:<44} {:>9} {:>9} {:>12} {:>9} {:>12}",
        "", "CPU s", "µs each", "× smallest", "peak MB", "MB at rest"
    );
    print(
        "rounds of a loop",
        &database,
        (&ROUNDS, 1),
        |_| "rounds".to_owned(),
        |size| json!({"rounds": size}),
    )
    .await;
    print("nodes of a chain", &database, (&NODES, 20), |size| format!("chain-{size}"), |_| json!({"n": 1}))
        .await;
    for (title, key) in [
        ("MB of context, ten nodes read it", "reads"),
        ("MB of context, ten nodes keep it", "keeps"),
        ("MB of context, read before and after a wait", "waits"),
    ] {
        print(title, &database, (&MEGABYTES, 2), |_| key.to_owned(), megabytes).await;
    }
}

/// Measures the sizes one after the other, each on a sidehook of its own: the largest one so many times, and the smaller
/// ones so much more often that each comes to the same.
async fn print(
    title: &str,
    database: &TestDatabase,
    (sizes, repeats): (&[usize], usize),
    key: impl Fn(usize) -> String,
    body: impl Fn(usize) -> Value,
) {
    let mut smallest = None;
    for &size in sizes {
        let mut served = Served::start(database).await;
        // Connections, threads and catalog are there by then.
        served.post(&key(sizes[0]), &body(sizes[0])).await;
        let times = repeats * sizes.iter().copied().max().unwrap_or(size) / size;
        let Cost { seconds, peak, rest } = served.cost(&key(size), &body(size), times).await;
        served.stop().await;
        let each = seconds / (times * size) as f64 * 1e6;
        let factor = each / *smallest.get_or_insert(each);
        let name = format!("{size} {title}");
        println!("{name:<44} {seconds:>9.2} {each:>9.1} {factor:>12.2} {peak:>9.0} {rest:>12.0}");
    }
}

fn megabytes(count: usize) -> Value {
    let item =
        json!({"id": 1_000_001, "name": "A thing with a name", "tags": ["red", "green"], "price": 12.5});
    let items = vec![item.clone(); (count << 20) / (item.to_string().len() + 1)];
    json!({"n": 1, "items": items})
}

async fn prepare(database: &TestDatabase) {
    let store = ground::stand_alone(database).await;
    for workflow in workflows() {
        store.insert_workflow(&workflow, chrono::DateTime::UNIX_EPOCH).await.expect("a workflow");
    }
}

fn workflows() -> Vec<NewWorkflow> {
    let keys = |keys: &[&str]| {
        let keys: Vec<Value> = keys.iter().map(|key| json!({"key": key})).collect();
        json!({"request": {"body": keys}})
    };
    let variable = |key: &str, value: &str| node(key, "variable", json!({"value": value}));
    let is_even = json!({"engine": "basic", "calculation": {"group": {"type": "and", "calculations": [
        {"calculator": "gte", "operands": ["{{$scopes.loop.index}}", 0]},
    ]}}});
    let round = node("condition", "condition", is_even)
        .branch(1, vec![variable("round", "{{$scopes.loop.sequence}}")]);
    let target = json!({"target": "{{$context.body.rounds}}"});
    let rounds = node("loop", "loop", target).branch(0, vec![round]);
    let mut workflows = vec![workflow("rounds", true, &keys(&["rounds"]), &[rounds])];
    for count in NODES {
        let before = |i: usize| match i {
            0 => "{{$context.body.n}}".to_owned(),
            i => format!("{{{{$jobsMapByNodeKey.n{}}}}}", i - 1),
        };
        let chain: Vec<_> = (0..count).map(|i| variable(&format!("n{i}"), &before(i))).collect();
        workflows.push(workflow(&format!("chain-{count}"), true, &keys(&["n"]), &chain));
    }
    let ten = |value: &str| -> Vec<_> { (0..10).map(|i| variable(&format!("n{i}"), value)).collect() };
    let items = keys(&["n", "items"]);
    workflows.push(workflow("reads", true, &items, &ten("{{$context.body.items.length}}")));
    workflows.push(workflow("keeps", true, &items, &ten("{{$context.body.items}}")));
    let delay = node("delay", "delay", json!({"duration": 1, "unit": 1000}));
    let mut waits = ten("{{$context.body.items.length}}");
    waits.insert(5, delay);
    workflows.push(workflow("waits", true, &items, &waits));
    workflows
}
