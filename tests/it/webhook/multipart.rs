//! Forms with files, from the request to what is recorded.

use serde_json::{Value, json};

use crate::fixture::{node, workflow};
use crate::server::{TestServer, on_every_database};

const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nReport ✓\r\n\
    --b\r\nContent-Disposition: form-data; name=\"tags[]\"\r\n\r\nx\r\n\
    --b\r\nContent-Disposition: form-data; name=\"tags[]\"\r\n\r\ny\r\n\
    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
    Content-Type: text/plain\r\n\r\ncontent\n\r\n--b--\r\n";

#[tokio::test]
async fn fields_and_files_reach_the_context_on_every_database() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let answer = node("answer", "response", json!({"body": "{{$context.body}}"}));
        let keys = ["title", "tags[]", "file", "file.size"];
        let trigger = json!({"request": {"body": keys.map(|key| json!({"key": key}))}});
        let hook = workflow("form", true, &trigger, &[answer]);
        server.add(&hook).await;
        let expected = json!({
            "title": "Report ✓",
            "tags[]": ["x", "y"],
            "file": {"filename": "a.txt", "contentType": "text/plain", "size": 8, "base64": "Y29udGVudAo="},
            "file.size": 8,
        });
        let response = post(&server, "multipart/form-data; boundary=b", FORM).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.json::<Value>().await.expect("JSON"), expected);
        assert_eq!(server.executions(hook.id).await[0]["context"]["body"], expected);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn broken_and_large_forms_are_refused() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("REQUEST_BODY_LIMIT", "1kb")]).await;
        let hook = workflow("form", true, &json!({}), &[]);
        server.add(&hook).await;
        let large = FORM.replace("content", &"x".repeat(1024));
        let cases = [
            ("multipart/form-data", FORM, 400),
            ("multipart/form-data; boundary=other", FORM, 400),
            ("multipart/form-data; boundary=b", &FORM[..FORM.len() - 4], 400),
            ("multipart/form-data; boundary=b", &*large, 413),
        ];
        for (content_type, body, expected) in cases {
            let response = post(&server, content_type, body).await;
            assert_eq!(response.status(), expected, "{content_type}");
            let body: Value = response.json().await.expect("JSON");
            assert!(body["errors"][0]["message"].is_string(), "{body}");
        }
        assert!(server.executions(hook.id).await.is_empty());
        server.stop().await;
    })
    .await;
}

async fn post(server: &TestServer, content_type: &str, body: &str) -> reqwest::Response {
    let request = server.client.post(server.trigger_url("form")).header("content-type", content_type);
    request.body(body.to_owned()).send().await.expect("the server answers")
}
