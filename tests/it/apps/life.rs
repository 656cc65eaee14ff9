//! Applications come, change, break and go while others are served.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{TOKEN, World, answering, answers, asked, end, in_every_world, in_files, told};
use crate::process::Process;
use crate::server::client;
use crate::wait::until;

async fn status(process: &Process) -> Value {
    let request = client().request(Method::GET, format!("{}/health/status", process.url)).bearer_auth(TOKEN);
    request.send().await.expect("an answer").json().await.expect("JSON")
}

fn state<'a>(status: &'a Value, name: &str) -> &'a Value {
    let apps = status["apps"].as_array().expect("a list");
    apps.iter().find(|app| app["name"] == name).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn an_application_is_followed_from_its_creation_to_its_end() {
    in_every_world(async |world| {
        world.main.add(&answering("k", json!("of main"))).await;
        let process = world.serve().await;
        let one = world.add(None).await;
        one.rows.add(&answering("k", json!("of one"))).await;
        answers(&process, &one.name, "k", (200, "of one")).await;
        let two = world.add(None).await;
        two.rows.add(&answering("k", json!("of two"))).await;
        answers(&process, &two.name, "k", (200, "of two")).await;
        // Its row says that it is somewhere else now.
        world.set_options(&one.name, &world.options_of(&two.name)).await;
        answers(&process, &one.name, "k", (200, "of two")).await;
        world.set_options(&one.name, &json!({})).await;
        answers(&process, &one.name, "k", (200, "of one")).await;
        world.set_options(&one.name, &json!({"standaloneDeployment": true})).await;
        answers(&process, &one.name, "k", (404, "not found")).await;
        world.set_options(&one.name, &json!({})).await;
        answers(&process, &one.name, "k", (200, "of one")).await;
        world.remove_row(&one.name).await;
        answers(&process, &one.name, "k", (404, "not found")).await;
        assert_eq!(asked(&process, &two.name, "k").await, (200, "of two".to_owned()));
        assert_eq!(asked(&process, "main", "k").await, (200, "of main".to_owned()));
        end(process).await;
    })
    .await;
}

#[tokio::test]
async fn a_broken_application_does_not_disturb_the_others_and_is_tried_again() {
    in_every_world(async |world| {
        world.main.add(&answering("k", json!("of main"))).await;
        let good = world.add(None).await;
        good.rows.add(&answering("k", json!("of good"))).await;
        let empty = world.place().await;
        world.add_row(&empty, None, &json!({})).await;
        world.add_row("nowhere", None, &json!({"database": {"dialect": "kingbase"}})).await;
        let process = world.serve_with(&[("SIDEHOOK_METRICS_LISTEN", "main")]).await;
        for name in [empty.as_str(), "nowhere"] {
            answers(&process, name, "k", (503, "APP_ERROR")).await;
            assert!(process.printed().contains(&format!("\"app\":\"{name}\"")), "{}", process.printed());
        }
        answers(&process, &good.name, "k", (200, "of good")).await;
        assert_eq!(asked(&process, "main", "k").await, (200, "of main".to_owned()));
        assert_eq!(told(client().get(format!("{}/health/ready", process.url))).await.0, 200);
        let found = status(&process).await;
        assert_eq!(state(&found, &good.name)["state"], "served", "{found}");
        assert_eq!(state(&found, &empty)["state"], "broken", "{found}");
        let reason = state(&found, "nowhere")["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("kingbase"), "{found}");
        let (_, metrics) = told(client().get(format!("{}/metrics", process.url))).await;
        for line in [
            "sidehook_app_up{app=\"main\"} 1".to_owned(),
            format!("sidehook_app_up{{app=\"{}\"}} 1", good.name),
            format!("sidehook_app_up{{app=\"{empty}\"}} 0"),
            format!("sidehook_workflows{{app=\"{}\"}} 1", good.name),
        ] {
            assert!(metrics.lines().any(|known| known == line), "{line} is missing in\n{metrics}");
        }
        // NocoBase has set it up in the meantime.
        world.fill(&empty).await;
        answers(&process, &empty, "k", (404, "No enabled webhook workflow")).await;
        assert_eq!(state(&status(&process).await, &empty)["state"], "served");
        end(process).await;
    })
    .await;
}

#[tokio::test]
async fn there_are_no_more_applications_than_the_bound() {
    let world = in_files().await;
    let (one, two) = (world.add(None).await, world.add(None).await);
    for sub in [&one, &two] {
        sub.rows.add(&answering("k", json!("served"))).await;
    }
    let process = world.serve_with(&[("SIDEHOOK_APPS_MAX", "1")]).await;
    let mut names = [&one.name, &two.name];
    names.sort();
    answers(&process, names[0], "k", (200, "served")).await;
    assert_eq!(asked(&process, names[1], "k").await.0, 503);
    assert!(process.printed().contains("SIDEHOOK_APPS_MAX"), "{}", process.printed());
    let reason = state(&status(&process).await, names[1])["reason"].to_string();
    assert!(reason.contains("SIDEHOOK_APPS_MAX"), "{reason}");
    world.remove_row(names[0]).await;
    answers(&process, names[1], "k", (200, "served")).await;
    end(process).await;
}

/// The number of an instance in the database of an application is given back when it is not served any more.
#[tokio::test]
async fn nothing_is_left_in_a_database_that_is_not_served_any_more() {
    let world: World = in_files().await;
    let sub = world.add(None).await;
    sub.rows.add(&answering("k", json!("served"))).await;
    let process = world.serve().await;
    answers(&process, &sub.name, "k", (200, "served")).await;
    world.remove_row(&sub.name).await;
    let is_free = async || {
        let alive = sub.rows.store.standing(sidehook::clock::Clock::now(&sidehook::clock::SystemClock)).await;
        alive.expect("its tables").instances.is_empty()
    };
    until(is_free, || format!("an instance is left:\n{}", process.printed())).await;
    end(process).await;
}
