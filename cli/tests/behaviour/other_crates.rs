//! Crates that the documentation of the SDK names as working in a component.

use std::fs;

use wayside_harness::Harness;
use wayside_harness::http::Request;

use super::fixture::{get, root, text_of};

#[tokio::test]
async fn the_crates_that_the_documentation_names_work_in_a_component() {
    let app = Harness::build(root().join("host-harness/tests/other-crates")).await.unwrap();
    let documentation = fs::read_to_string(root().join("sdk/src/lib.md")).unwrap();
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let hmac = "9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b";
    for (name, expected) in [
        ("chrono", "+00:00"),
        ("eventsource-stream", "one two"),
        ("flate2", "hello"),
        ("hmac", hmac),
        ("jsonwebtoken", "ada"),
        ("log", "logged"),
        ("regex", "jello"),
        ("sha2", sha256),
        ("tracing-subscriber", "logged"),
        ("url", "http://a.test/y?q=1"),
        ("uuid", "4"),
    ] {
        assert_eq!(text_of(&app, get(&format!("/{name}"))).await, (200, expected.to_owned()), "{name}");
        assert!(documentation.contains(&format!("`{name}`")), "`{name}` is missing in sdk/src/lib.md");
    }
    let log = app.log_text();
    assert!(log.contains("INFO: through the crate log\n"), "{log}");
    assert!(log.contains(r#"{"level":"INFO","fields":{"message":"through the crate tracing","user":"ada"}"#), "{log}");

    let request = Request::get("/tower-http").header("accept-encoding", "gzip").header("origin", "http://a.test");
    let response = app.request(request.body(wayside_harness::Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["x-request-id"].len(), 36);
    let body = response.into_body().bytes().await.unwrap();
    assert!(body.starts_with(&[0x1f, 0x8b]) && body.len() < 600, "{} bytes", body.len());
    assert!(documentation.contains("`tower-http`"));
}
