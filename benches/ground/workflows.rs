//! The workflows that are measured, each in a synchronous and an asynchronous form.

use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::fixture::{self, Node, node};

/// The collection that [`Workflow::Create`] writes to, as `collections:create` takes it.
pub const COLLECTION: &str = r#"{"name":"bench_orders","autoGenId":true,"fields":[
    {"name":"title","type":"string"},{"name":"amount","type":"double"},{"name":"paid","type":"boolean"}]}"#;

/// What a workflow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workflow {
    /// A value, and the answer or the result.
    Two,
    /// Ten nodes: math.js twice, formula.js, JMESPath, a condition, texts and values.
    Ten,
    /// Creates a record, and answers with it.
    Create,
    /// Calls an HTTP server, and answers with what that has said.
    Request,
}

impl Workflow {
    pub const ALL: [Self; 4] = [Self::Two, Self::Ten, Self::Create, Self::Request];

    /// As variables of the environment name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Two => "two",
            Self::Ten => "ten",
            Self::Create => "create",
            Self::Request => "request",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Two => "two nodes",
            Self::Ten => "ten nodes with expressions",
            Self::Create => "create a record",
            Self::Request => "call an HTTP server",
        }
    }

    pub fn key(self, is_sync: bool) -> String {
        format!("bench-{}-{}", self.name(), if is_sync { "sync" } else { "async" })
    }

    /// What is sent to it.
    pub fn body(self) -> &'static str {
        match self {
            Self::Two => r#"{"amount":150}"#,
            _ => {
                r#"{"amount":150,"title":"An order","items":[{"n":1,"price":2.5},{"n":3,"price":4.25},{"n":2,"price":10}]}"#
            }
        }
    }

    /// The workflow as it is inserted; `target` is the URL that it may call.
    pub fn row(self, is_sync: bool, target: &str) -> NewWorkflow {
        let trigger = json!({"request": {"body": [{"key": "amount"}, {"key": "title"}, {"key": "items"}]}});
        let mut nodes = self.nodes(target);
        let result = match self {
            Self::Two => json!("{{$context.body.amount}}"),
            Self::Ten => {
                json!({"total": "{{$jobsMapByNodeKey.total}}", "text": "{{$jobsMapByNodeKey.text}}"})
            }
            Self::Create => json!({"id": "{{$jobsMapByNodeKey.record.id}}"}),
            Self::Request => json!({"said": "{{$jobsMapByNodeKey.call.data}}"}),
        };
        nodes.push(match is_sync {
            true => node("end", "response", json!({"statusCode": 200, "body": result})),
            false => node("end", "output", json!({"value": result})),
        });
        fixture::workflow(&self.key(is_sync), is_sync, &trigger, &nodes)
    }

    /// All but the last one.
    fn nodes(self, target: &str) -> Vec<Node> {
        match self {
            Self::Two => vec![variable("v", json!({"amount": "{{$context.body.amount}}"}))],
            Self::Ten => ten(),
            Self::Create => {
                let values = json!({"title": "{{$context.body.title}}", "amount": "{{$context.body.amount}}", "paid": true});
                vec![node(
                    "record",
                    "create",
                    json!({"collection": "bench_orders", "params": {"values": values}}),
                )]
            }
            Self::Request => {
                let data = json!({"amount": "{{$context.body.amount}}"});
                let headers = json!([{"name": "X-Title", "value": "{{$context.body.title}}"}]);
                let config = json!({"method": "POST", "url": target, "headers": headers,
                    "contentType": "application/json", "data": data, "timeout": 5000});
                vec![node("call", "request", config)]
            }
        }
    }
}

fn ten() -> Vec<Node> {
    let calculation = |key: &str, engine: &str, expression: &str| {
        node(key, "calculation", json!({"engine": engine, "expression": expression}))
    };
    let calculations = json!([{"calculator": "gt", "operands": ["{{$jobsMapByNodeKey.total}}", 10]}]);
    let condition = json!({"engine": "basic", "rejectOnFalse": true,
        "calculation": {"group": {"type": "and", "calculations": calculations}}});
    let query =
        json!({"engine": "jmespath", "source": "{{$context.body.items}}", "expression": "[?n > `1`].price"});
    vec![
        variable("amount", json!("{{$context.body.amount}}")),
        calculation("gross", "math.js", "{{$jobsMapByNodeKey.amount}} * 1.19 + 2"),
        calculation("sum", "formula.js", "SUM({{$context.body.items.price}})"),
        calculation("total", "math.js", "round({{$jobsMapByNodeKey.gross}} + {{$jobsMapByNodeKey.sum}}, 2)"),
        node("enough", "condition", condition),
        node("prices", "json-query", query),
        variable("first", json!("{{$jobsMapByNodeKey.prices.0}}")),
        calculation("text", "string", "{{$context.body.title}}: {{$jobsMapByNodeKey.total}}"),
        variable(
            "kept",
            json!({"text": "{{$jobsMapByNodeKey.text}}", "prices": "{{$jobsMapByNodeKey.prices}}"}),
        ),
    ]
}

fn variable(key: &str, value: Value) -> Node {
    node(key, "variable", json!({"value": value}))
}
