//! Texts and their bytes in UTF-8, which would be slow in JavaScript.

use rquickjs::{Ctx, Function, Object};

use super::Bytes;

pub(super) fn add<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> rquickjs::Result<()> {
    native.set("utf8", Function::new(ctx.clone(), |text: String| Bytes(text.into_bytes()))?)?;
    native.set(
        "fromUtf8",
        Function::new(ctx.clone(), |bytes: Bytes| String::from_utf8_lossy(&bytes.0).into_owned())?,
    )
}
