//! Runs JavaScript in a sandbox (`ScriptInstruction.ts` of `plugin-workflow-javascript`): an asynchronous
//! function's body, with its arguments as variables, and with `require` for the modules that
//! `WORKFLOW_SCRIPT_MODULES` names.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use entity::status::job::{ERROR, PENDING, RESOLVED};
use futures_util::FutureExt;
use serde::Deserialize;

use super::{Context, Draft, Example, Node, NodeType, Outcome, Settled, Work};
use crate::expr::convert::to_text;
use crate::expr::{Object, Template, Thrown, Value, json};
use crate::script::Script;

/// What NocoBase says of a script of an asynchronous workflow that the workflow's timeout has cut off
/// (`timeout-errors.ts`).
const TIMED_OUT: &str = "Workflow execution timed out";

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ScriptNode {
    /// The body of an asynchronous function; what it returns is the result.
    content: Value,
    /// `[{name, value}]`: variables of the script.
    arguments: Template,
    /// Milliseconds after which the script is stopped; 0 leaves that to the server.
    timeout: Value,
    /// Makes a failed script resolve, with the text of its error.
    r#continue: Value,
}

#[async_trait]
impl Node for ScriptNode {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let arguments = arguments(&cx.render(&self.arguments)?)?;
        let is_sync = cx.is_sync();
        // A job keeps its arguments as JSON, which has no undefined: in an asynchronous workflow, a missing one
        // is no variable of the script, elsewhere it is null.
        let passed = if is_sync { with_nulls(&arguments) } else { arguments.clone() };
        let script = Script {
            source: if self.content.is_nullish() { String::new() } else { to_text(&self.content)? },
            arguments: json::stringify_or_null(&passed),
            timeout: self.timeout(),
            run: cx.effect_key(),
        };
        let (scripts, goes_on) = (cx.scripts(), self.r#continue.is_truthy());
        let done = async move {
            match scripts.run(script).await {
                Ok(result) => Settled { status: RESOLVED, result },
                Err(text) => Settled { status: if goes_on { RESOLVED } else { ERROR }, result: text.into() },
            }
        };
        let pending = Draft {
            status: PENDING,
            result: Value::Null,
            meta: Value::object([("args", arguments)]),
            upstream: cx.input(),
            ..Draft::default()
        };
        Ok(Outcome::Background(Work {
            pending,
            interrupted: None,
            timed_out: Some(TIMED_OUT.into()),
            done: done.boxed(),
        }))
    }
}

impl ScriptNode {
    /// A timeout that is no number, or 0, is none; a negative one is over at once.
    fn timeout(&self) -> Option<Duration> {
        let milliseconds = self.timeout.as_number().filter(|number| *number != 0.0 && !number.is_nan())?;
        Some(Duration::try_from_secs_f64(milliseconds.max(0.0) / 1000.0).unwrap_or(Duration::MAX))
    }
}

/// The arguments as an object; of those with one name the last one counts. Throws what NocoBase throws for a
/// list that is none.
fn arguments(list: &Value) -> Result<Value, Thrown> {
    let items = match list {
        Value::Undefined | Value::Null => &[],
        Value::Array(array, _) => array.items(),
        _ => return Err(Thrown::type_error("args.reduce is not a function")),
    };
    let mut arguments = Object::new();
    for item in items {
        if item.is_nullish() {
            return Err(Thrown::reading(item, "name"));
        }
        arguments.insert(to_text(&item.member("name"))?, item.member("value"));
    }
    Ok(Value::from(arguments))
}

fn with_nulls(arguments: &Value) -> Value {
    let members = arguments.as_object().into_iter().flat_map(Object::iter);
    Value::object(
        members.map(|(name, value)| {
            (name.clone(), if value.is_undefined() { Value::Null } else { value.clone() })
        }),
    )
}

impl ScriptNode {
    /// What the content of this configuration, as JSON, plainly asks for: `require('name')`.
    pub fn modules(config: &str) -> BTreeSet<String> {
        let content = json::parse(config.as_bytes()).unwrap_or_default().member("content");
        let calls = content.as_str().unwrap_or_default().split("require(").skip(1).filter_map(|after| {
            let quote = after.chars().next().filter(|first| matches!(first, '\'' | '"' | '`'))?;
            let (name, rest) = after[1..].split_once(quote)?;
            rest.trim_start().starts_with(')').then(|| name.to_owned())
        });
        calls.collect()
    }
}

impl NodeType for ScriptNode {
    const TYPE: &'static str = "script";
    const ABOUT: &'static str = "Runs JavaScript in a sandbox, with its arguments as variables. With `WORKFLOW_SCRIPT_MODULES` scripts can `require` the \
         modules that it names: `assert`, `buffer`, `crypto`, `events`, `path`, `querystring`, `string_decoder`, `timers`, \
         `url`, `util`, `zlib`, and npm packages from NocoBase's `node_modules` that need no others.";

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Computes with its arguments",
                config: r#"{"content": "return rows.filter(row => row.ok).length",
                    "arguments": [{"name": "rows", "value": "{{$context.body.rows}}"}]}"#,
                context: r#"{"body": {"rows": [{"ok": true}, {"ok": false}]}}"#,
                status: RESOLVED,
                result: "1",
            },
            Example {
                about: "Goes on after an error",
                config: r#"{"content": "throw new Error('boom')", "continue": true}"#,
                context: "{}",
                status: RESOLVED,
                result: r#""Error: boom""#,
            },
        ]
    }
}
