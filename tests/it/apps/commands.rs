//! The command line and the URLs for those who manage it know applications.

use entity::Table;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{TOKEN, World, answering, answers, asked, end, in_every_world, in_files};
use crate::process::{Process, environment, run};
use crate::server::client;
use crate::wait::until;

/// What a command says, and whether it succeeds.
async fn said(world: &World, arguments: &[&str]) -> (bool, String) {
    let environment = environment(&world.database, &world.settings(&[]));
    let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let output = run(arguments, &pairs).await;
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

async fn managed(process: &Process, app: Option<&str>, method: Method, path: &str) -> (u16, Value) {
    let mut request = client().request(method, format!("{}{path}", process.url)).bearer_auth(TOKEN);
    if let Some(app) = app {
        request = request.header("x-app", app);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn commands_are_about_the_application_that_is_named() {
    in_every_world(async |world| {
        let one = world.add(None).await;
        one.rows.add(&answering("of_one", json!("of one"))).await;
        world.main.add(&answering("of_main", json!("of main"))).await;
        let process = world.serve().await;
        answers(&process, &one.name, "of_one", (200, "of one")).await;
        assert_eq!(asked(&process, "main", "of_main").await.0, 200);
        let (_, main) = said(&world, &["executions"]).await;
        assert!(main.contains("of_main") && !main.contains("of_one"), "{main}");
        let (is_good, of_one) = said(&world, &["executions", "--app", &one.name]).await;
        assert!(is_good && of_one.contains("of_one") && !of_one.contains("of_main"), "{of_one}");
        let (_, checked) = said(&world, &["check", "--app", &one.name]).await;
        let url = format!("/api/__app/{}/webhook:trigger/of_one", one.name);
        assert!(checked.contains(&url) && checked.contains(&one.name), "{checked}");
        let (is_good, status) = said(&world, &["status"]).await;
        let line = format!("application {}: 1 instance alive, 0 executions waiting", one.name);
        assert!(is_good && status.contains(&line), "{status}");
        let (is_good, unknown) = said(&world, &["executions", "--app", "nobody"]).await;
        assert!(!is_good && unknown.contains("there is no application nobody"), "{unknown}");
        end(process).await;
    })
    .await;
}

#[tokio::test]
async fn requests_of_an_application_are_logged_and_replayed_in_it() {
    let world = in_files().await;
    let one = world.add(None).await;
    let hook = answering("k", json!("of one"));
    one.rows.add(&hook).await;
    let process = world.serve_with(&[("SIDEHOOK_REQUESTS", "bodies")]).await;
    answers(&process, &one.name, "k", (200, "of one")).await;
    let table = one.rows.table(Table::Requests);
    let select = format!("SELECT CAST(id AS CHAR(20)) FROM {table} WHERE workflow_key = 'k'");
    until(async || one.rows.texts(&select).await.len() == 1, || "no row".to_owned()).await;
    assert_eq!(world.main.count(Table::Requests).await, 0);
    let id = one.rows.texts(&select).await[0].clone().expect("an id");
    let path = format!("/requests/{}/replay", id.trim());
    assert_eq!(managed(&process, None, Method::POST, &path).await.0, 404, "it is not of main");
    let (status, told) = managed(&process, Some(&one.name), Method::POST, &path).await;
    assert_eq!((status, &told["status"]), (200, &json!(200)), "{told}");
    assert_eq!(one.rows.executions(hook.id).await.len(), 2);
    let (_, told) = managed(&process, Some(&one.name), Method::GET, "/health/status").await;
    assert_eq!(told["app"], one.name.as_str(), "{told}");
    assert!(
        told["apps"].is_null() && told["instances"].as_array().is_some_and(|all| all.len() == 1),
        "{told}"
    );
    let path = "/requests/listening/k";
    assert_eq!(managed(&process, Some(&one.name), Method::PUT, path).await.0, 200);
    assert_eq!(one.rows.count(Table::Listening).await, 1);
    assert_eq!(world.main.count(Table::Listening).await, 0);
    assert_eq!(managed(&process, Some("nobody"), Method::GET, "/health/status").await.0, 404);
    end(process).await;
}
