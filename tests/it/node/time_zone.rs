//! Texts of dates name the server's time zone where V8 would write them; script nodes have QuickJS's own in NocoBase.

use serde_json::json;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, prepare};

#[tokio::test]
async fn dates_as_texts_name_the_zone_of_the_server() {
    let Some(database) = TestDatabase::create(Kind::Sqlite).await else { return };
    let rows = Rows { store: prepare(&database, &[]).await };
    let calculation = |key: &str, engine: &str, expression: &str| {
        node(key, "calculation", json!({"engine": engine, "expression": expression}))
    };
    let answer = json!({"body": {
        "string": "{{$jobsMapByNodeKey.s}}", "formula": "{{$jobsMapByNodeKey.f}}",
        "time": "{{$jobsMapByNodeKey.t}}", "script": "{{$jobsMapByNodeKey.js}}",
    }});
    let nodes = [
        calculation("s", "string", "{{$system.now}}"),
        calculation("f", "formula.js", "new Date(0).toString() + new Date(620000000000)"),
        calculation("t", "formula.js", "new Date(253402300800000).toTimeString()"),
        node("js", "script", json!({"content": "return new Date(0).toString()"})),
        node("r", "response", answer),
    ];
    let trigger = json!({"basicAuthentication": false, "request": {}});
    rows.add(&workflow("zone", true, &trigger, &nodes)).await;
    let process = Process::serve(&database, &[("TZ", "Asia/Shanghai")]).await;
    let answered =
        client().post(process.trigger_url("zone")).json(&json!({})).send().await.expect("an answer");
    let said: serde_json::Value = answered.json().await.expect("JSON");
    let name = "GMT+0800 (China Standard Time)";
    assert!(said["string"].as_str().is_some_and(|text| text.ends_with(name)), "{said}");
    let formula =
        format!("Thu Jan 01 1970 08:00:00 {name}Fri Aug 25 1989 07:13:20 GMT+0900 (China Daylight Time)");
    assert_eq!(said["formula"], json!(formula));
    assert_eq!(said["time"], json!(format!("08:00:00 {name}")));
    assert_eq!(said["script"], "Thu Jan 01 1970 08:00:00 GMT+0800");
}
