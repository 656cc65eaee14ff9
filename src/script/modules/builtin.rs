//! The modules of Node.js by their names: those that there are, and those that need a host.

/// Modules of Node.js 20 that reach files, networks, processes or the engine.
const OF_A_HOST: [&str; 38] = [
    "async_hooks",
    "child_process",
    "cluster",
    "console",
    "constants",
    "dgram",
    "diagnostics_channel",
    "dns",
    "dns/promises",
    "domain",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path/win32",
    "perf_hooks",
    "process",
    "punycode",
    "readline",
    "repl",
    "stream",
    "stream/promises",
    "stream/web",
    "sys",
    "test",
    "tls",
    "trace_events",
    "tty",
    "util/types",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
];

/// The modules that there are, with their texts.
const TEXTS: [(&str, &str); 16] = [
    ("assert", "module.exports = require('pack:assert');"),
    ("assert/strict", "module.exports = require('pack:assert').strict;"),
    ("buffer", include_str!("../js/modules/buffer.js")),
    ("crypto", include_str!("../js/modules/crypto.js")),
    ("crypto/cipher", include_str!("../js/modules/cipher.js")),
    ("crypto/sign", include_str!("../js/modules/sign.js")),
    ("events", "module.exports = require('pack:events');"),
    ("path", "module.exports = require('pack:path-browserify');"),
    ("path/posix", "module.exports = require('pack:path-browserify');"),
    ("querystring", include_str!("../js/modules/querystring.js")),
    ("string_decoder", "require('buffer'); module.exports = require('pack:string_decoder');"),
    ("timers", include_str!("../js/modules/timers.js")),
    ("timers/promises", include_str!("../js/modules/timers_promises.js")),
    ("url", include_str!("../js/modules/url.js")),
    ("util", include_str!("../js/modules/util.js")),
    ("zlib", include_str!("../js/modules/zlib.js")),
];

/// The name of a module of Node.js that a request means.
pub(super) fn name(request: &str) -> Option<&str> {
    let name = request.strip_prefix("node:").unwrap_or(request);
    let is_known = OF_A_HOST.contains(&name) || text(name).is_some();
    (is_known || request.starts_with("node:")).then_some(name)
}

pub(super) fn text(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What is said of a module that there is not.
pub(super) fn needs_host(name: &str) -> String {
    format!(
        "module \"{name}\" is not there for scripts in sidehook, which reach no files, networks or processes: use a node \
         of another type for that (request, sql), or have NocoBase run this workflow"
    )
}
