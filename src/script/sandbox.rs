//! Runs the content of a script node: in a runtime of its own, with nothing but what JavaScript itself has and a
//! console, as NocoBase runs it (`QuickJs.js` of `plugin-workflow-javascript`). Where `WORKFLOW_SCRIPT_MODULES` names
//! modules there is `require` besides, and outcomes are those of NocoBase's other engine (`Vm.js`).

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rquickjs::context::EvalOptions;
use rquickjs::loader::Loader;
use rquickjs::loader::bundle::Bundle;
use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Error, Function, Module, Object, Persistent, Runtime, WriteOptions};

use super::crew::{Watch, Worker};
use super::modules::{Console, Modules, native};
use super::{QueryFault, Script, words};
use crate::expr::convert::text_to_number;
use crate::expr::{Thrown, Value, json};

/// NocoBase's own limits.
const MEMORY: usize = 128 << 20;
const STACK: usize = 1 << 20;
pub(super) const THREAD_STACK: usize = STACK + (4 << 20);
/// How much a script may have allocated before garbage is looked for the first time.
const COLLECTED: usize = 4 << 20;

/// How long a script that waits for a timer does not see that it is to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// What a script gets when it is stopped.
const INTERRUPTED: &str = "InternalError: interrupted";

/// What a thread for scripts keeps: surroundings that no script has run in yet, because making them takes longer than most
/// scripts, and those of the script before until nobody waits for its result.
#[derive(Default)]
pub(super) struct Scripts {
    ready: Option<Surroundings>,
    spent: Option<Surroundings>,
}

impl Worker for Scripts {
    type Plan = ();

    fn new((): &()) -> Self {
        Self::default()
    }

    fn is_tidy(&self) -> bool {
        self.ready.is_some() && self.spent.is_none()
    }

    fn tidy(&mut self) {
        self.spent = None;
        // A script to which it happens is told.
        self.ready = Surroundings::new().ok();
    }
}

impl Scripts {
    /// Runs a script until `watch` is over. The result is what JSON keeps of the value that it returns; the error is
    /// the text that the job records.
    pub(super) fn run(
        &mut self,
        script: &Script,
        modules: &Arc<Modules>,
        watch: &Arc<Watch>,
        limit: Duration,
    ) -> Result<Value, String> {
        let ready = self.ready.take().map_or_else(Surroundings::new, Ok);
        let surroundings = self.spent.insert(ready.map_err(|err| err.to_string())?);
        let handler = watch.clone();
        surroundings.runtime.set_interrupt_handler(Some(Box::new(move || handler.is_over())));
        watch.begin(limit);
        surroundings.context.with(|ctx| {
            let host = surroundings.host.clone().restore(&ctx);
            let opened = host.and_then(|host| Sandbox::open(&ctx, host, script, modules, watch));
            let outcome = opened.and_then(|sandbox| sandbox.settle());
            if watch.is_over() {
                return Err(match modules.are_allowed() {
                    true => format!("Script execution timed out after {}ms", limit.as_millis()),
                    false => INTERRUPTED.to_owned(),
                });
            }
            outcome.unwrap_or_else(|_| Err("InternalError: out of memory".to_owned()))
        })
    }
}

/// What stacks call `sandbox.js`.
const FILE: &str = "script.js";

/// `sandbox.js` as the engine has compiled it: parsing it takes longer than all else that the surroundings are made of.
static COMPILED: LazyLock<[(&str, &[u8]); 1]> = LazyLock::new(|| {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| compiled().unwrap_or_default());
    [(FILE, BYTES.as_slice())]
});

/// An error only where there is no memory; then nothing can be loaded of what is kept.
fn compiled() -> rquickjs::Result<Vec<u8>> {
    let runtime = Runtime::new()?;
    Context::full(&runtime)?
        .with(|ctx| Module::declare(ctx, FILE, include_str!("js/sandbox.js"))?.write(WriteOptions::default()))
}

/// A runtime for one script, with what `sandbox.js` gives.
struct Surroundings {
    // Dropped in this order: the runtime has to outlive what belongs to it.
    host: Persistent<Object<'static>>,
    context: Context,
    runtime: Runtime,
}

impl Surroundings {
    fn new() -> rquickjs::Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_memory_limit(MEMORY);
        runtime.set_max_stack_size(STACK);
        // By itself the engine would look for garbage in every other script, which ends with its runtime anyhow.
        runtime.set_gc_threshold(COLLECTED);
        let context = Context::full(&runtime)?;
        let host = context.with(|ctx| {
            Bundle(COMPILED.as_slice()).load(&ctx, FILE, None)?.eval()?;
            let host: Object = ctx.globals().get("host")?;
            // A constant of all programs, and no property of the global object.
            let () =
                ctx.eval_with_options("const { console } = host; void delete globalThis.host", sloppy())?;
            Ok::<_, Error>(Persistent::save(&ctx, host))
        })?;
        Ok(Self { host, context, runtime })
    }
}

/// One script in its surroundings.
struct Sandbox<'a, 'js> {
    ctx: &'a Ctx<'js>,
    source: String,
    watch: &'a Watch,
    /// What `sandbox.js` gives.
    host: Object<'js>,
    /// What `outcome.js` gives, where there are modules.
    outcome: Option<Object<'js>>,
    /// Runs the timer that is due first; how many milliseconds it is until there is one, -1 without timers.
    tick: Option<Function<'js>>,
}

impl<'a, 'js> Sandbox<'a, 'js> {
    fn open(
        ctx: &'a Ctx<'js>,
        host: Object<'js>,
        script: &Script,
        modules: &Arc<Modules>,
        watch: &'a Arc<Watch>,
    ) -> rquickjs::Result<Self> {
        let (has_modules, is_told) = (modules.are_allowed(), Console::is_told());
        let (mut tick, mut outcome) = (None, None);
        if has_modules || is_told {
            let native = native::object(ctx, modules, Console::new(&script.run), watch)?;
            let equip: Function = ctx.eval_with_options(include_str!("js/equip.js"), sloppy())?;
            tick = Some(equip.call((host.clone(), native, is_told, has_modules))?);
        }
        if has_modules {
            outcome = Some(ctx.eval_with_options(include_str!("js/modules/outcome.js"), sloppy())?);
        }
        host.get::<_, Function>("prepare")?.call::<_, ()>((script.arguments.as_str(),))?;
        // On lines of its own: the content may end in a comment.
        let source = format!("(async function __main() {{\n{}\n}})()", script.source);
        Ok(Self { ctx, source, watch, host, outcome, tick })
    }

    fn settle(&self) -> rquickjs::Result<Result<Value, String>> {
        let begin: Function = self.host.get("evaluate")?;
        let promise: rquickjs::Value = match begin.call((self.source.as_str(),)) {
            Ok(value) => value,
            // A text that does not parse: NocoBase records the message without the class.
            Err(Error::Exception) => {
                let text = self.host.get::<_, Function>("syntaxFault")?.call((self.ctx.catch(),))?;
                return Ok(Err(text));
            }
            Err(err) => return Err(err),
        };
        let Some(promise) = promise.into_promise() else {
            return Ok(Err("Script promise did not settle".to_owned()));
        };
        loop {
            let is_pending = || promise.state() == PromiseState::Pending && !self.watch.is_over();
            while is_pending() && self.ctx.execute_pending_job() {}
            if !is_pending() {
                break;
            }
            match self.next_timer() {
                Ok(true) => {}
                Ok(false) => break,
                Err(Error::Exception) => return self.fault().map(Err),
                Err(err) => return Err(err),
            }
        }
        match promise.result::<rquickjs::Value>() {
            // A worker of Node.js ends when nothing is left to be done.
            None if self.outcome.is_some() => Ok(Ok(Value::Undefined)),
            None => Ok(Err("Script promise did not settle".to_owned())),
            Some(Ok(value)) => {
                let side = self.outcome.as_ref().unwrap_or(&self.host);
                let dumped: rquickjs::Array = side.get::<_, Function>("dump")?.call((value,))?;
                read(&dumped)
            }
            Some(Err(Error::Exception)) => self.fault().map(Err),
            Some(Err(err)) => Err(err),
        }
    }

    /// Runs the timer that is due first, or waits for it; whether there was one.
    fn next_timer(&self) -> rquickjs::Result<bool> {
        let Some(tick) = &self.tick else { return Ok(false) };
        let wait: f64 = tick.call(())?;
        if wait > 0.0 {
            // Short enough to see that the script is to stop.
            std::thread::sleep(Duration::from_secs_f64(wait / 1000.0).min(LONGEST_SLEEP));
        }
        Ok(wait >= 0.0)
    }

    /// What the job records for what was thrown.
    fn fault(&self) -> rquickjs::Result<String> {
        let thrown = self.ctx.catch();
        let text: String = self.host.get::<_, Function>("fault")?.call((thrown.clone(),))?;
        let Some(outcome) = self.outcome.as_ref().filter(|_| !text.starts_with("InternalError: ")) else {
            return Ok(text);
        };
        // With modules, NocoBase's engine is V8, and it records the message alone.
        let (name, message, stack): (String, String, String) = {
            let parts: rquickjs::Array = outcome.get::<_, Function>("fault")?.call((thrown,))?;
            (parts.get(0)?, parts.get(1)?, parts.get(2)?)
        };
        let mut fault = QueryFault { thrown: Thrown::named(name, message), stack };
        // The files of modules have names with a colon.
        words::translate(&mut fault, &|file| (!file.contains(':')).then_some(self.source.as_str()));
        Ok(fault.thrown.message.to_string())
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
    options.filename = Some(FILE.to_owned());
    options
}
