//! The published advisories about the libraries, which stay at NocoBase's versions: what they describe does no harm
//! in QuickJS within `ses`. The payloads are our own, of the kinds that the advisories name.

use std::time::Duration;

use sidehook::expr::json;
use sidehook::script::{Limits, Pool, Query, QueryEngine};

/// What code that has got out of a query would put into the result.
const ESCAPED: &str = "ESCAPED";

async fn ask(pool: &Pool, engine: QueryEngine, expression: &str) -> String {
    let data = json::parse(br#"{"a":[{"b":"x"}],"f":"text","__proto__":{"c":1}}"#).expect("JSON");
    match pool.query(Query { engine, expression: expression.into(), data }).await {
        Ok(value) => json::stringify(&value).unwrap_or_else(|| "undefined".to_owned()),
        Err(fault) => format!("! {}", fault.thrown),
    }
}

fn pool() -> Pool {
    let time = Duration::from_secs(20);
    Pool::new(Limits {
        evaluators: 1,
        scripts: 1,
        expression_time: time,
        script_time: time,
        ..Limits::default()
    })
}

/// CVE-2026-77415, CVE-2026-77413 and CVE-2026-12208 of jsonata 2.1.0: functions of the host and prototypes are
/// reached through members of values.
const JSONATA: [&str; 18] = [
    r#"$sum.constructor("return 'ESC' + 'APED'")()"#,
    r#"$map.constructor.constructor("return 'ESC' + 'APED'")()"#,
    r#"(function($x) { $x }).constructor("return 'ESC' + 'APED'")()"#,
    r#"$lookup($sum, "constructor")("return 'ESC' + 'APED'")"#,
    r#"($f := $lookup($lookup($string, "constructor"), "constructor"); $f("return 'ESC' + 'APED'")())"#,
    r#"f.constructor.constructor("return 'ESC' + 'APED'")()"#,
    r#"$lookup(a, "constructor")"#,
    r#"$lookup({}, "__proto__").constructor"#,
    r#"$merge([{"__proto__": {"polluted": "x"}}]).polluted"#,
    r#"{"__proto__": {"polluted": "x"}}.polluted"#,
    r#"$ ~> |$|{"__proto__": {"polluted": "x"}}|"#,
    r#"($spread($sum); $keys($sum))"#,
    r#"$each($sum, function($v, $k) { $v.constructor("return 'ESC' + 'APED'")() })"#,
    r#"$sift($map, function($v) { true }).implementation.constructor("return 'ESC' + 'APED'")()"#,
    r#"$sum.implementation.constructor("return 'ESC' + 'APED'")()"#,
    r#"$eval("$sum.implementation.constructor('return 1')()")"#,
    r#"$string($sum.environment)"#,
    r#"$exists($process) or $exists($require) or $exists($globalThis)"#,
];

/// CVE-2024-21534, CVE-2025-1302 and the later fault in `eval: "safe"` of jsonpath-plus 10.3.0: filters run code.
const JSON_PATH: [&str; 16] = [
    "$..[?(@.constructor.constructor(\"return 'ESC' + 'APED'\")())]",
    "$[?(@root.constructor.constructor(\"throw 'ESC' + 'APED'\")())]",
    "$[(@.constructor.constructor(\"return 'ESC' + 'APED'\")())]",
    "$[?(this.constructor.constructor(\"throw 'ESC' + 'APED'\")())]",
    "$[?(({}).constructor.constructor(\"throw 'ESC' + 'APED'\")())]",
    "$[?([].flat.constructor(\"throw 'ESC' + 'APED'\")())]",
    "$[?('x'.at.constructor(\"throw 'ESC' + 'APED'\")())]",
    "$[?(@.a.map.constructor(\"throw 'ESC' + 'APED'\")())]",
    "$[?(x = [].at.constructor(\"throw 'ESC' + 'APED'\"), x())]",
    "$[?(@.__proto__.polluted = 'x')]",
    "$[?(@.constructor.prototype.polluted = 'x')]",
    "$[?(process.exit())]",
    "$[?(require('child_process').execSync('id'))]",
    "$[?(globalThis.process)]",
    "$[?((() => 1)())]",
    "$..*[?(@['constr' + 'uctor']['constr' + 'uctor'](\"throw 'ESC' + 'APED'\")())]",
];

#[tokio::test]
async fn code_in_queries_reaches_nothing() {
    let pool = pool();
    let kinds = [(QueryEngine::Jsonata, &JSONATA[..]), (QueryEngine::JsonPathPlus, &JSON_PATH[..])];
    for (engine, payloads) in kinds {
        for payload in payloads {
            let outcome = ask(&pool, engine, payload).await;
            assert!(!outcome.contains(ESCAPED), "{payload}: {outcome}");
        }
        // Nothing of it is left for the next query.
        assert_eq!(ask(&pool, QueryEngine::Jsonata, "{}.polluted").await, "undefined");
        assert_eq!(ask(&pool, QueryEngine::JsonPathPlus, "$.a[0].polluted").await, "undefined");
        assert_eq!(ask(&pool, QueryEngine::JsonPathPlus, "$.f").await, r#""text""#);
    }
}

/// CVE-2026-52746 of jsonata 2.1.0: patterns of `$toMillis` that backtrack. They cost their own job, within its limit.
#[tokio::test]
async fn patterns_that_backtrack_are_cut_off() {
    let time = Duration::from_secs(1);
    let pool = Pool::new(Limits {
        evaluators: 1,
        scripts: 1,
        expression_time: time,
        script_time: time,
        ..Limits::default()
    });
    let digits = "1".repeat(5_000);
    let patterns =
        ["[Y][M][D][d][H][h][m][s][f]", "[FNn] [MNn] [D1o] [YI]", "[Y1,*-*][M1,*-*][D1,*-*][H1,*-*]"];
    for pattern in patterns {
        for text in [format!("{digits}x"), "Mon".repeat(2_000), "M".repeat(5_000) + "!"] {
            let expression = format!(r#"$toMillis("{text}", "{pattern}")"#);
            let outcome = ask(&pool, QueryEngine::Jsonata, &expression).await;
            assert!(
                outcome.starts_with("! ") || outcome == "undefined" || outcome.parse::<f64>().is_ok(),
                "{outcome}"
            );
            assert_eq!(ask(&pool, QueryEngine::Jsonata, "f").await, r#""text""#, "after {pattern}");
        }
    }
}
