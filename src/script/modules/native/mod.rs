//! Functions in Rust that modules of scripts are made of. Bytes come in as texts with a character for each (the
//! engine hands out its memory in no other way that is safe) and leave as arrays. What a call may cost is bounded,
//! because the engine cannot stop it: by the size of what comes in, by counts, by what comes out.

mod cipher;
mod derive;
mod hash;
mod key;
mod sign;
mod text;
mod url;
mod zip;

use std::sync::Arc;

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Exception, FromJs, Function, IntoJs, Object, TypedArray, Value};

use super::{Console, Modules};
use crate::script::crew::Watch;

/// The most bytes that come in or go out with a call.
const LARGEST: usize = 32 << 20;
/// The most a script may load.
const MOST_FILES: usize = 2_000;
const MOST_TEXT: usize = 16 << 20;

/// Bytes on their way between the engine and Rust.
struct Bytes(Vec<u8>);

impl<'js> FromJs<'js> for Bytes {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Self> {
        let text: String = String::from_js(ctx, value)?;
        // Each character is a byte: `bytesOf` of buffer.js.
        let bytes: Vec<u8> = text.chars().filter_map(|one| u8::try_from(u32::from(one)).ok()).collect();
        if bytes.len() > LARGEST {
            return Err(Exception::throw_range(ctx, "more than 32 MiB at once are not taken here"));
        }
        Ok(Self(bytes))
    }
}

impl<'js> IntoJs<'js> for Bytes {
    fn into_js(self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        // A copy in the engine's own memory, which its limit counts.
        Ok(TypedArray::<u8>::new_copy(ctx.clone(), self.0)?.into_value())
    }
}

/// What a function has come to, its fault thrown as an `Error`.
fn or_throw<T>(ctx: &Ctx<'_>, outcome: Result<T, impl AsRef<str>>) -> rquickjs::Result<T> {
    outcome.map_err(|text| Exception::throw_message(ctx, text.as_ref()))
}

/// The object that `js/modules/require.js` works with.
pub(in crate::script) fn object<'js>(
    ctx: &Ctx<'js>,
    modules: &Arc<Modules>,
    console: Console,
    watch: &Arc<Watch>,
) -> rquickjs::Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    let set = |name: &str, function: rquickjs::Result<Function<'js>>| native.set(name, function?);
    let known = modules.clone();
    set(
        "enter",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, request: String| {
            or_throw(&ctx, known.enter(&request))
        }),
    )?;
    let known = modules.clone();
    set(
        "resolve",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, from: String, request: String| {
            or_throw(&ctx, known.resolve(&from, &request))
        }),
    )?;
    let (known, files, size) = (modules.clone(), std::cell::Cell::new(0), std::cell::Cell::new(0));
    set(
        "text",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, id: String| {
            let text = or_throw(&ctx, known.text(&id))?;
            files.set(files.get() + 1);
            size.set(size.get() + text.len());
            let is_much = files.get() > MOST_FILES || size.get() > MOST_TEXT;
            let refusal = "a script may load 2,000 files of 16 MiB in all: take a smaller package";
            or_throw(&ctx, if is_much { Err(refusal) } else { Ok(text.to_string()) })
        }),
    )?;
    set("compile", Function::new(ctx.clone(), compile))?;
    set(
        "open",
        Function::new(ctx.clone(), |ctx: Ctx<'js>| -> rquickjs::Result<Value<'js>> {
            ctx.eval_with_options(include_str!("../../js/modules/require.js"), named("require.js"))
        }),
    )?;
    set(
        "tell",
        Function::new(ctx.clone(), move |method: String, text: String| console.tell(&method, &text)),
    )?;
    hash::add(ctx, &native)?;
    derive::add(ctx, &native)?;
    cipher::add(ctx, &native)?;
    sign::add(ctx, &native)?;
    text::add(ctx, &native)?;
    url::add(ctx, &native)?;
    zip::add(ctx, &native, watch)?;
    Ok(native)
}

/// The value of a script, which errors name by its id.
fn compile<'js>(ctx: Ctx<'js>, id: String, source: String) -> rquickjs::Result<Value<'js>> {
    ctx.eval_with_options(source, named(&id))
}

fn named(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    options
}
