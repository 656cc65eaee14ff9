//! What scripts with modules may cost, what they reach, and what is told of their console.

use std::time::Duration;

use serde_json::json;
use sidehook::script::{Limits, ModuleSetting, Pool, Script};

use super::{packages, pool, run};

const ALL: [&str; 8] = ["crypto", "buffer", "zlib", "util", "url", "timers", "fs", "./secret.js"];

#[tokio::test(flavor = "multi_thread")]
async fn no_call_costs_more_than_a_script_may() {
    let pool = pool(&ALL);
    let crypto = "const crypto = require('crypto'); const { Buffer } = require('buffer');";
    let refused = [
        ("return crypto.pbkdf2Sync('a', 'b', 2147483647, 64, 'sha512')", "pbkdf2 may take"),
        ("return crypto.pbkdf2Sync('a', 'b', 1000, 1e6, 'md5')", "pbkdf2 may take"),
        (
            "return crypto.scryptSync('a', 'b', 64, { N: 2 ** 20, r: 8, p: 1, maxmem: 2 ** 31 })",
            "scrypt may take",
        ),
        ("return crypto.scryptSync('a', 'b', 64, { N: 2 ** 14, r: 8, p: 1000 })", "scrypt may take"),
        ("return crypto.scryptSync('a', 'b', 64, { N: 2 ** 17 })", "memory limit exceeded"),
        ("return crypto.randomBytes(2 ** 30)", "out of range"),
        ("return crypto.createHash('md5').update(Buffer.alloc(33 << 20)).digest('hex')", "more than 32 MiB"),
        ("const keep = []; for (;;) keep.push(crypto.randomBytes(1 << 24))", "out of memory"),
        ("const { setTimeout } = require('timers'); for (;;) setTimeout(() => {}, 1e6)", "10,000 timers"),
    ];
    for (source, text) in refused {
        let outcome = run(&pool, &format!("{crypto} {source}")).await;
        assert!(outcome.as_ref().is_err_and(|told| told.contains(text)), "{source}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_small_is_not_unpacked_without_a_limit() {
    let pool = pool(&ALL);
    let bomb = "const zlib = require('zlib'); const { Buffer } = require('buffer');
        let packed = zlib.gzipSync(Buffer.alloc(20 << 20)); packed = Buffer.concat([packed, packed]);";
    let outcome = run(&pool, &format!("{bomb} return zlib.gunzipSync(packed).length")).await;
    assert_eq!(outcome, Err("Cannot create a Buffer larger than 33554432 bytes".to_owned()));
    let caught = format!("{bomb} try {{ zlib.gunzipSync(packed) }} catch (e) {{ return [e.name, e.code] }}");
    assert_eq!(run(&pool, &caught).await, Ok(json!(["RangeError", "ERR_BUFFER_TOO_LARGE"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_reach_nothing_outside() {
    let pool = pool(&ALL);
    let outcome = run(&pool, "return require('fs')").await;
    assert!(outcome.as_ref().is_err_and(|text| text.contains("module \"fs\" is not there")), "{outcome:?}");
    for source in
        ["require('./secret.js')", "require('net')", "require('/etc/hostname')", "require('node:crypto')"]
    {
        assert!(run(&pool, source).await.is_err(), "{source}");
    }
    // What modules are made of stays with them.
    let seen = "const reached = []; const crypto = require('crypto');
        for (const f of [require, crypto.createHash, console.log]) {
          const it = f.constructor('return [typeof native, typeof process, typeof Buffer]')();
          reached.push(it.join());
        }
        return reached";
    let nothing = "undefined,undefined,undefined";
    assert_eq!(run(&pool, seen).await, Ok(json!([nothing, nothing, nothing])));
    // Nothing is left for the next script.
    run(&pool, "require('buffer').Buffer.prototype.toString = () => 'leak'; Object.prototype.leak = 1")
        .await
        .ok();
    let next = "return [require('buffer').Buffer.from('x').toString(), typeof ({}).leak]";
    assert_eq!(run(&pool, next).await, Ok(json!(["x", "undefined"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_to_stop_stops_in_modules_too() {
    let modules = ModuleSetting { names: ALL.map(str::to_owned).to_vec(), folders: vec![packages()] };
    let pool = Pool::new(Limits {
        scripts: 1,
        script_time: Duration::from_millis(500),
        modules,
        ..Limits::default()
    });
    for source in [
        "const c = require('crypto'); for (;;) c.createHash('sha512').update('x').digest()",
        "const z = require('zlib'); const b = require('buffer').Buffer.alloc(1 << 20); for (;;) z.deflateSync(b)",
        "const { setTimeout } = require('timers'); await new Promise((done) => setTimeout(done, 1e9))",
        "const { setInterval } = require('timers'); await new Promise(() => setInterval(() => {}, 0))",
    ] {
        let script = Script {
            source: source.to_owned(),
            arguments: "{}".to_owned(),
            timeout: None,
            run: String::new(),
        };
        let text = "Script execution timed out after 500ms";
        assert_eq!(pool.run(script).await.err().as_deref(), Some(text), "{source}");
    }
}
