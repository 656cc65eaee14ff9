//! URLs by the standard that Node.js's `URL` follows.

use rquickjs::{Ctx, Exception, Function, Object};
use url::{Url, quirks};

pub(super) fn add<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> rquickjs::Result<()> {
    native.set(
        "url",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, text: String, base: Option<String>| {
            parsed(&text, base.as_deref())
                .map(|url| parts(&url))
                .ok_or_else(|| Exception::throw_type(&ctx, "Invalid URL"))
        })?,
    )?;
    native.set(
        "urlWith",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, href: String, name: String, value: String| {
            let changed = parsed(&href, None).map(|url| parts(&changed(url, &name, &value)));
            changed.ok_or_else(|| Exception::throw_type(&ctx, "Invalid URL"))
        })?,
    )
}

fn parsed(text: &str, base: Option<&str>) -> Option<Url> {
    match base {
        Some(base) => Url::parse(base).ok()?.join(text).ok(),
        None => Url::parse(text).ok(),
    }
}

/// `href`, `origin`, `protocol`, `username`, `password`, `host`, `hostname`, `port`, `pathname`, `search`, `hash`
fn parts(url: &Url) -> Vec<String> {
    let origin = quirks::origin(url);
    [
        quirks::href(url),
        &origin,
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ]
    .map(str::to_owned)
    .into()
}

/// With another part; a value that it cannot have changes nothing.
fn changed(mut url: Url, name: &str, value: &str) -> Url {
    let is_set = match name {
        "protocol" => quirks::set_protocol(&mut url, value),
        "username" => quirks::set_username(&mut url, value),
        "password" => quirks::set_password(&mut url, value),
        "host" => quirks::set_host(&mut url, value),
        "hostname" => quirks::set_hostname(&mut url, value),
        "port" => quirks::set_port(&mut url, value),
        "pathname" => {
            quirks::set_pathname(&mut url, value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, value);
            Ok(())
        }
        _ => {
            quirks::set_hash(&mut url, value);
            Ok(())
        }
    };
    // By the standard a wrong value is passed over.
    let _ = is_set;
    url
}
