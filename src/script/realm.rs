//! A JavaScript runtime with libraries loaded, which are locked down so that no evaluation leaves anything
//! for the next one. A realm that may have been damaged says so and is thrown away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rquickjs::context::EvalOptions;
use rquickjs::function::Args;
use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Error, Function, Object, Persistent, Runtime};

use super::crew::{Watch, Worker};
use super::value::{Reader, Writer};
use super::words;
use super::{Library, QueryFault};
use crate::expr::{Date, Thrown, Value};

/// What `build.rs` has packed.
const CALCULATION: &str = include_str!(concat!(env!("OUT_DIR"), "/calculation.js"));
const QUERY: &str = include_str!(concat!(env!("OUT_DIR"), "/query.js"));
const LOCKDOWN: &str = include_str!(concat!(env!("OUT_DIR"), "/lockdown.js"));

/// How much an evaluation may allocate, what the libraries need included: what a script of NocoBase may.
const MEMORY: usize = 128 << 20;
const STACK: usize = 4 << 20;
/// How much may be left behind before it is collected for the first time, which takes longer than a thousand evaluations: it
/// looks at all that the libraries are. Most of what is left is freed without. Later on it is half of what is in use.
const LEFTOVERS: usize = 8 << 20;
/// How long it may take to find out whether libraries work.
const CHECK_TIME: Duration = Duration::from_secs(2);
/// The stack of a thread: that of its JavaScript and some for what reads the result.
pub(super) const THREAD_STACK: usize = STACK + (12 << 20);

pub(super) struct Realm {
    // Dropped in this order: the runtime has to outlive what belongs to it.
    api: Persistent<Object<'static>>,
    host: Persistent<Object<'static>>,
    context: Context,
    runtime: Runtime,
    library: Library,
}

/// What an evaluation has come to.
pub(super) struct Outcome {
    pub result: Result<Value, QueryFault>,
    /// Whether the realm can no longer be relied on.
    pub is_spoiled: bool,
}

impl Realm {
    /// Loads libraries into a new runtime. An error tells what they threw, which is a defect of the build.
    pub(super) fn load(library: Library) -> Result<Self, String> {
        let runtime = Runtime::new().map_err(|err| err.to_string())?;
        runtime.set_memory_limit(MEMORY);
        runtime.set_max_stack_size(STACK);
        let context = Context::full(&runtime).map_err(|err| err.to_string())?;
        let loaded = context.with(|ctx| {
            Self::set_up(&ctx, library).map_err(|err| match err {
                Error::Exception => format!("{:?}", ctx.catch()),
                err => err.to_string(),
            })
        });
        let (api, host) = loaded?;
        runtime.run_gc();
        let in_use = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or(0);
        runtime.set_gc_threshold(in_use + LEFTOVERS);
        Ok(Self { api, host, context, runtime, library })
    }

    fn set_up(
        ctx: &Ctx<'_>,
        library: Library,
    ) -> rquickjs::Result<(Persistent<Object<'static>>, Persistent<Object<'static>>)> {
        let (pack, harness) = match library {
            Library::Calculation => (CALCULATION, include_str!("js/calculation.js")),
            Library::Query => (QUERY, include_str!("js/query.js")),
        };
        let host: Object = ctx.eval_with_options(include_str!("js/host.js"), script("host.js"))?;
        let write_date = Function::new(ctx.clone(), |time: f64| Date(time).to_local_text())?;
        host.get::<_, Function>("writeDatesWith")?.call::<_, ()>((write_date,))?;
        let pack: rquickjs::Value = ctx.eval_with_options(pack, script(pack_name(library)))?;
        let require: Function = host.get::<_, Function>("loader")?.call((pack,))?;
        let () = ctx.eval_with_options(LOCKDOWN, script("lockdown.js"))?;
        let start: Function = ctx.eval_with_options(harness, script("harness.js"))?;
        let keep: Function = ctx.eval_with_options(include_str!("js/keep.js"), script("keep.js"))?;
        let api: Object = start.call((require, keep))?;
        Ok((Persistent::save(ctx, api), Persistent::save(ctx, host)))
    }

    /// Calls a function of the libraries: with the arguments that `arguments` makes, until `watch` is over. A
    /// promise is waited for. `source` is the text in which callers are looked up, for V8's way of naming them.
    pub(super) fn call(
        &self,
        watch: &Arc<Watch>,
        name: &str,
        source: &str,
        arguments: impl for<'js> Fn(&Writer<'js>) -> rquickjs::Result<Vec<rquickjs::Value<'js>>>,
    ) -> Outcome {
        let was_interrupted = Arc::new(AtomicBool::new(false));
        let (handler, interrupted) = (watch.clone(), was_interrupted.clone());
        self.runtime.set_interrupt_handler(Some(Box::new(move || {
            let is_over = handler.is_over();
            interrupted.fetch_or(is_over, Ordering::Relaxed);
            is_over
        })));
        let outcome = self.context.with(|ctx| {
            let host = self.host.clone().restore(&ctx);
            let result = host.and_then(|host| {
                let result = self.result_of(&ctx, &host, watch, name, arguments);
                result.or_else(|err| self.fault(&ctx, &host, err, source))
            });
            // What an evaluation has left to be done later is done now, or never.
            while !watch.is_over() && ctx.execute_pending_job() {}
            let is_over = was_interrupted.load(Ordering::Relaxed) || watch.is_over();
            let result = match result {
                Ok(result) if !is_over => result,
                _ if is_over => Err(Thrown::named("InternalError", "interrupted").into()),
                _ => Err(Thrown::named("InternalError", "out of memory").into()),
            };
            let was_cut_off = is_over || result.as_ref().is_err_and(QueryFault::is_of_the_engine);
            (result, was_cut_off)
        });
        let (result, was_cut_off) = outcome;
        Outcome { is_spoiled: !self.is_usable(was_cut_off), result }
    }

    fn result_of<'js>(
        &self,
        ctx: &Ctx<'js>,
        host: &Object<'js>,
        watch: &Watch,
        name: &str,
        arguments: impl Fn(&Writer<'js>) -> rquickjs::Result<Vec<rquickjs::Value<'js>>>,
    ) -> rquickjs::Result<Result<Value, QueryFault>> {
        let api = self.api.clone().restore(ctx)?;
        let run = |name: &str| -> rquickjs::Result<rquickjs::Value<'js>> {
            let function: Function = api.get(name)?;
            let arguments = arguments(&Writer::new(ctx)?)?;
            let mut args = Args::new(ctx.clone(), arguments.len());
            args.push_args(arguments)?;
            function.call_arg(args)
        };
        let kept = if name == "formula" { run("keptFormula")?.into_array() } else { None };
        let mut result = match kept {
            Some(kept) => kept.get(0)?,
            None => run(name)?,
        };
        // Of the libraries only jsonata is asynchronous; a promise that a formula gives is a value like any other.
        if self.library == Library::Query
            && let Some(promise) = result.as_promise().cloned()
        {
            while promise.state() == PromiseState::Pending && !watch.is_over() && ctx.execute_pending_job() {}
            result = match promise.result() {
                Some(settled) => settled?,
                None => return Ok(Err(Thrown::error("The query did not settle").into())),
            };
        }
        Ok(Reader::new(ctx, host)?.read(&result)?.map_err(QueryFault::from))
    }

    /// What was thrown, in V8's words.
    fn fault<'js>(
        &self,
        ctx: &Ctx<'js>,
        host: &Object<'js>,
        err: Error,
        source: &str,
    ) -> rquickjs::Result<Result<Value, QueryFault>> {
        if !matches!(err, Error::Exception) {
            return Ok(Err(Thrown::named("InternalError", err.to_string()).into()));
        }
        let thrown = ctx.catch();
        // Where it has no memory left for an error of its own, the engine throws null, as a formula can.
        if thrown.is_null() && !source.contains("throw") && !source.contains("reject") {
            return Ok(Err(Thrown::named("InternalError", "out of memory").into()));
        }
        let mut fault = describe(ctx, host, thrown)?;
        let text_of = |file: &str| match file {
            file if file == pack_name(self.library) => Some(self.pack()),
            "<input>" | "<eval>" => Some(source),
            _ => None,
        };
        words::translate(&mut fault, &text_of);
        Ok(Err(fault))
    }

    fn pack(&self) -> &'static str {
        match self.library {
            Library::Calculation => CALCULATION,
            Library::Query => QUERY,
        }
    }

    /// Whether the next evaluation may run here: the libraries are as they were, nothing is left to be done, and,
    /// after an evaluation that was cut off somewhere inside of them, they still work.
    fn is_usable(&self, was_cut_off: bool) -> bool {
        let watch = Watch::default();
        watch.begin(CHECK_TIME);
        self.runtime.set_interrupt_handler(Some(Box::new(move || watch.is_over())));
        if was_cut_off {
            self.runtime.run_gc();
        }
        let is_usable = !self.runtime.is_job_pending()
            && self
                .context
                .with(|ctx| {
                    let api = self.api.clone().restore(&ctx)?;
                    let ask = |name| api.get::<_, Function>(name)?.call::<_, bool>(());
                    Ok::<_, Error>(ask("isUnchanged")? && (!was_cut_off || ask("isSound")?))
                })
                .unwrap_or(false);
        self.runtime.set_interrupt_handler(None);
        is_usable
    }
}

/// What was thrown, as JavaScript tells it.
fn describe<'js>(
    ctx: &Ctx<'js>,
    host: &Object<'js>,
    thrown: rquickjs::Value<'js>,
) -> rquickjs::Result<QueryFault> {
    let parts: rquickjs::Array = host.get::<_, Function>("describe")?.call((thrown,))?;
    let reader = Reader::new(ctx, host)?;
    let text = |i| reader.text(&parts.get::<rquickjs::Value>(i)?);
    let value = reader.read(&parts.get(4)?)?.unwrap_or_default();
    if !parts.get::<bool>(0)? {
        return Ok(QueryFault { thrown: Thrown::value(value, text(1)?), stack: String::new() });
    }
    let mut thrown = Thrown::named(text(2)?, text(3)?);
    thrown.value = value.as_object().filter(|own| !own.is_empty()).map(|_| Box::new(value.clone()));
    Ok(QueryFault { thrown, stack: text(5)? })
}

fn script(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    options
}

fn pack_name(library: Library) -> &'static str {
    match library {
        Library::Calculation => "calculation.pack.js",
        Library::Query => "query.pack.js",
    }
}

impl QueryFault {
    /// Whether the engine's own limits were hit, wherever that was.
    fn is_of_the_engine(&self) -> bool {
        let Thrown { name, message, .. } = &self.thrown;
        name == "InternalError" || (name == "RangeError" && message == "Maximum call stack size exceeded")
    }
}

/// Which libraries are wanted, because a workflow needs them.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    calculation: AtomicBool,
    query: AtomicBool,
}

impl Wanted {
    fn flag(&self, library: Library) -> &AtomicBool {
        match library {
            Library::Calculation => &self.calculation,
            Library::Query => &self.query,
        }
    }

    /// Notes that a library is wanted; whether that is news.
    pub(super) fn add(&self, library: Library) -> bool {
        !self.flag(library).swap(true, Ordering::Relaxed)
    }
}

/// The realms of one thread.
pub(super) struct Realms {
    wanted: Arc<Wanted>,
    calculation: Option<Realm>,
    query: Option<Realm>,
}

impl Realms {
    /// A realm with these libraries, loaded now if need be.
    pub(super) fn get(&mut self, library: Library) -> Result<&Realm, Thrown> {
        let slot = self.slot(library);
        if slot.is_none() {
            let realm = Realm::load(library).map_err(|text| {
                Thrown::error(format!("the JavaScript libraries cannot be loaded: {text}"))
            })?;
            *slot = Some(realm);
        }
        slot.as_ref().ok_or_else(|| Thrown::error("the JavaScript libraries are not loaded"))
    }

    /// Throws a realm away.
    pub(super) fn discard(&mut self, library: Library) {
        *self.slot(library) = None;
    }

    fn slot(&mut self, library: Library) -> &mut Option<Realm> {
        match library {
            Library::Calculation => &mut self.calculation,
            Library::Query => &mut self.query,
        }
    }
}

impl Worker for Realms {
    type Plan = Arc<Wanted>;

    fn new(wanted: &Arc<Wanted>) -> Self {
        Self { wanted: wanted.clone(), calculation: None, query: None }
    }

    fn is_tidy(&self) -> bool {
        let is_missing = |library, slot: &Option<Realm>| {
            self.wanted.flag(library).load(Ordering::Relaxed) && slot.is_none()
        };
        !is_missing(Library::Calculation, &self.calculation) && !is_missing(Library::Query, &self.query)
    }

    fn tidy(&mut self) {
        for library in [Library::Calculation, Library::Query] {
            if self.wanted.flag(library).load(Ordering::Relaxed)
                && let Err(thrown) = self.get(library)
            {
                tracing::error!(?library, reason = %thrown, "JavaScript libraries cannot be loaded");
            }
        }
    }
}
