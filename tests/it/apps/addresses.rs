//! How a request says which application it is for, and that nothing of one is in another.

use entity::Table;
use serde_json::json;

use super::world::{answering, answers, asked, end, in_every_world, in_files, request, told};
use crate::rows::Rows;

const NO_KEY: &str = r#"{"errors":[{"message":"No enabled webhook workflow has this key."}]}"#;

#[tokio::test]
async fn applications_answer_under_all_addresses() {
    in_every_world(async |world| {
        world.main.add(&answering("k", json!("of main"))).await;
        let (one, two) = (world.add(Some("one.example.test")).await, world.add(None).await);
        let hook = answering("k", json!("of one"));
        one.rows.add(&hook).await;
        two.rows.add(&answering("k", json!("of two"))).await;
        one.rows.add(&answering("mine", json!("mine"))).await;
        let process = world.serve().await;
        answers(&process, &one.name, "k", (200, "of one")).await;
        answers(&process, &two.name, "k", (200, "of two")).await;
        let before = one.rows.executions(hook.id).await.len();
        let plain = || request(&process, "/api/webhook:trigger/k");
        let of_one = [
            request(&process, &format!("/api/__app/{}/webhook:trigger/k", one.name)),
            request(&process, &format!("/api/__app/{}/webhook:trigger?filterByTk=k", one.name)),
            request(&process, &format!("/api/__app/{}/webhooks/k/", one.name)),
            request(&process, &format!("/api/webhook:trigger/k?__appName={}", one.name)),
            plain().header("x-app", &one.name),
            plain().header("host", "One.example.test:80"),
            plain().header("x-forwarded-host", "one.example.test, proxy"),
            plain().header("x-hostname", "one.example.test"),
            // A path says more than a header, and both more than the host.
            request(&process, &format!("/api/__app/{}/webhook:trigger/k", one.name))
                .header("x-app", &two.name),
        ];
        let count = of_one.len();
        for request in of_one {
            assert_eq!(told(request).await, (200, "of one".to_owned()));
        }
        let of_two = plain().header("x-app", &two.name).header("host", "one.example.test");
        assert_eq!(told(of_two).await, (200, "of two".to_owned()));
        for request in [plain(), plain().header("x-app", "main"), plain().header("host", "other.test")] {
            assert_eq!(told(request).await, (200, "of main".to_owned()));
        }
        assert_eq!(asked(&process, "main", "k").await, (200, "of main".to_owned()));
        for app in ["main", &two.name] {
            assert_eq!(asked(&process, app, "mine").await, (404, NO_KEY.to_owned()), "{app}");
        }
        assert_eq!(one.rows.executions(hook.id).await.len(), before + count);
        let executions = async |rows: &Rows| rows.count(Table::Executions).await;
        assert_eq!(executions(&world.main).await, 4);
        end(process).await;
    })
    .await;
}

/// Bodies as NocoBase 2.2.15 has sent them.
#[tokio::test]
async fn an_application_that_nobody_knows_gets_what_nocobase_says() {
    let world = in_files().await;
    world.main.add(&answering("k", json!("of main"))).await;
    let alone = world.add(None).await;
    world.set_options(&alone.name, &json!({"standaloneDeployment": true})).await;
    let process = world.serve().await;
    let said = |name: &str| {
        let error = json!({"status": 404, "message": format!("application {name} not found"),
            "maintaining": true, "code": "APP_NOT_FOUND"});
        (404, json!({"error": error}).to_string())
    };
    for name in ["nobody", "..%2Fmain", "sidehook"] {
        assert_eq!(asked(&process, name, "k").await, said(name));
    }
    let in_header = request(&process, "/api/webhook:trigger/k").header("x-app", "no\"body");
    assert_eq!(told(in_header).await, said("no\"body"));
    assert_eq!(asked(&process, &alone.name, "k").await, said(&alone.name), "it runs in a process of its own");
    let ready = crate::server::client().get(format!("{}/health/ready", process.url));
    assert_eq!(told(ready.header("x-app", "nobody")).await.0, 200, "health is that of the process");
    end(process).await;
}

#[tokio::test]
async fn without_the_setting_no_request_chooses() {
    let world = in_files().await;
    world.main.add(&answering("k", json!("of main"))).await;
    let sub = world.add(None).await;
    sub.rows.add(&answering("k", json!("of sub"))).await;
    let process = world.serve_with(&[("SIDEHOOK_APPS", "")]).await;
    let in_header = request(&process, "/api/webhook:trigger/k").header("x-app", &sub.name);
    assert_eq!(told(in_header).await, (200, "of main".to_owned()));
    assert_eq!(asked(&process, &sub.name, "k").await.0, 404);
    end(process).await;
    let process = world.serve_with(&[("SIDEHOOK_APPS", "main")]).await;
    let in_header = request(&process, "/api/webhook:trigger/k").header("x-app", &sub.name);
    assert_eq!(told(in_header).await.0, 404, "only main is served");
    end(process).await;
}

#[tokio::test]
async fn variables_are_those_of_the_application() {
    in_every_world(async |world| {
        let (one, two) = (world.add(None).await, world.add(None).await);
        for (sub, value) in [(&one, "eins"), (&two, "zwei")] {
            let table = sub.rows.table(Table::EnvironmentVariables);
            let columns = ["name", "type", "value", "createdAt", "updatedAt"];
            let columns = columns.map(|field| sub.rows.quoted(field)).join(", ");
            let time = "'2026-11-22 01:02:03.000'";
            let values = format!("'WHO', 'default', '{value}', {time}, {time}");
            sub.rows.execute(&format!("INSERT INTO {table} ({columns}) VALUES ({values})")).await;
            sub.rows.add(&answering("k", json!("{{$env.WHO}}"))).await;
        }
        let process = world.serve().await;
        answers(&process, &one.name, "k", (200, "eins")).await;
        answers(&process, &two.name, "k", (200, "zwei")).await;
        end(process).await;
    })
    .await;
}
