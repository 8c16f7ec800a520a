//! Futures that a component of WASI 0.3 spawns with the runtime of `wit-bindgen`.

use wayside_harness::Harness;

use super::fixture::{get, root, text_of};

async fn app() -> Harness {
    Harness::build(root().join("host-harness/tests/spawn-local")).features(["wayside/wasip3"]).await.unwrap()
}

#[tokio::test]
async fn what_wit_bindgen_spawns_yields_its_output() {
    let app = app().await;
    assert_eq!(text_of(&app, get("/awaited")).await, (200, "Some(42)".to_owned()), "{}", app.log_text());
}

#[tokio::test]
async fn what_wit_bindgen_spawns_can_be_cancelled() {
    let app = app().await;
    assert_eq!(text_of(&app, get("/cancelled")).await, (200, "None".to_owned()), "{}", app.log_text());
}

#[tokio::test]
async fn what_wit_bindgen_spawns_goes_on_after_the_response() {
    let app = app().await;
    assert_eq!(text_of(&app, get("/after")).await, (200, "answered".to_owned()), "{}", app.log_text());
    app.idle().await;
    assert_eq!(app.log_text(), "the work was done\n");
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}
