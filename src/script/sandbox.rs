//! Runs the content of a script node: in a runtime of its own, with nothing but what JavaScript itself has and a
//! console, as NocoBase runs it (`QuickJs.js` of `plugin-workflow-javascript`).

use std::sync::Arc;
use std::time::Duration;

use rquickjs::context::EvalOptions;
use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Error, Function, Object, Runtime};

use super::Script;
use super::crew::Watch;
use crate::expr::convert::text_to_number;
use crate::expr::{Value, json};

/// NocoBase's own limits.
const MEMORY: usize = 128 << 20;
const STACK: usize = 1 << 20;
pub(super) const THREAD_STACK: usize = STACK + (4 << 20);

/// What a script gets when it is stopped.
const INTERRUPTED: &str = "InternalError: interrupted";

/// Runs a script until `watch` is over. The result is what JSON keeps of the value that it returns; the error is
/// the text that the job records.
pub(super) fn run(script: &Script, watch: &Arc<Watch>, limit: Duration) -> Result<Value, String> {
    let runtime = Runtime::new().map_err(|err| err.to_string())?;
    runtime.set_memory_limit(MEMORY);
    runtime.set_max_stack_size(STACK);
    let handler = watch.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || handler.is_over())));
    let context = Context::full(&runtime).map_err(|err| err.to_string())?;
    watch.begin(limit);
    context.with(|ctx| {
        let outcome = settle(&ctx, script, watch);
        if watch.is_over() {
            return Err(INTERRUPTED.to_owned());
        }
        outcome.unwrap_or_else(|_| Err("InternalError: out of memory".to_owned()))
    })
}

fn settle(ctx: &Ctx<'_>, script: &Script, watch: &Watch) -> rquickjs::Result<Result<Value, String>> {
    let host: Object = ctx.eval_with_options(include_str!("js/sandbox.js"), sloppy())?;
    let dump: Function = host.get("dump")?;
    let fault: Function = host.get("fault")?;
    host.get::<_, Function>("prepare")?.call::<_, ()>((script.arguments.as_str(),))?;
    // On lines of its own: the content may end in a comment.
    let source = format!("(async function __main() {{\n{}\n}})()", script.source);
    let begin: Function = host.get("evaluate")?;
    let promise: rquickjs::Value = match begin.call((source,)) {
        Ok(value) => value,
        // A text that does not parse: NocoBase records the message without the class.
        Err(Error::Exception) => {
            let text: String = host.get::<_, Function>("syntaxFault")?.call((ctx.catch(),))?;
            return Ok(Err(text));
        }
        Err(err) => return Err(err),
    };
    let Some(promise) = promise.into_promise() else {
        return Ok(Err("Script promise did not settle".to_owned()));
    };
    while promise.state() == PromiseState::Pending && !watch.is_over() && ctx.execute_pending_job() {}
    match promise.result::<rquickjs::Value>() {
        None => Ok(Err("Script promise did not settle".to_owned())),
        Some(Ok(value)) => {
            let dumped: rquickjs::Array = dump.call((value,))?;
            read(&dumped)
        }
        Some(Err(Error::Exception)) => Ok(Err(fault.call((ctx.catch(),))?)),
        Some(Err(err)) => Err(err),
    }
}

/// `[kind, text]` of the dumped result.
fn read(dumped: &rquickjs::Array<'_>) -> rquickjs::Result<Result<Value, String>> {
    let text: String = dumped.get(1)?;
    Ok(match dumped.get::<i32>(0)? {
        0 => Ok(Value::Undefined),
        1 => Ok(Value::from(text)),
        // More levels than JSON from the database may have.
        2 => json::parse(text.as_bytes()).map_err(|err| format!("RangeError: {err}")),
        3 => Ok(Value::Number(text_to_number(&text))),
        _ => Err(text),
    })
}

fn sloppy() -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some("script.js".to_owned());
    options
}
