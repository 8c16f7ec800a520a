//! Streamed bodies keep their pieces in a cassette.

use std::fs;
use std::time::Duration;

use http_body_util::BodyExt as _;
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Body, Outbound};

use super::super::fixture::{get, temp_dir};
use super::proxy;

const PIECES: [&str; 3] = ["data: one\n\n", "data: two\n\n", "data: three\n\n"];

async fn next(body: &mut Body) -> Option<String> {
    let piece = body.frame().await?.unwrap().into_data().unwrap();
    Some(String::from_utf8(piece.into()).unwrap())
}

#[tokio::test]
async fn a_streamed_body_is_replayed_in_its_pieces_and_on_request_with_its_pauses() {
    let path = temp_dir().join("pieces.toml");
    let reply = Reply::ok().pieces(PIECES).pause(Duration::from_millis(2));
    let mock = Outbound::mock().reply(Call::any().times(..), reply);
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    app.request(get("/")).await.into_body().bytes().await.unwrap();
    app.idle().await;
    let text = fs::read_to_string(&path).unwrap();
    let mut cassette: toml::Table = text.parse().unwrap();
    let response = &mut cassette["call"][0]["response"];
    assert_eq!(response["pieces"], toml::Value::from(vec![11, 11, 13]), "{text}");
    assert_eq!(response["pauses-ms"].as_array().unwrap().len(), 3, "{text}");

    // A pause that a test cannot sit out.
    response["pauses-ms"] = vec![0, 3_600_000, 0].into();
    fs::write(&path, cassette.to_string()).unwrap();
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    let mut body = app.request(get("/")).await.into_body();
    for piece in PIECES {
        assert_eq!(next(&mut body).await.as_deref(), Some(piece));
    }
    assert_eq!(next(&mut body).await, None);

    let app = proxy(Outbound::replay_with_pauses(&path).unwrap()).await;
    let mut body = app.request(get("/")).await.into_body();
    assert_eq!(next(&mut body).await.as_deref(), Some(PIECES[0]));
    let second = tokio::time::timeout(Duration::from_millis(100), next(&mut body));
    assert!(second.await.is_err());
}

#[tokio::test]
async fn a_body_of_declared_length_is_one_piece() {
    let path = temp_dir().join("whole.toml");
    let mock = Outbound::mock().reply(Call::any().times(..), "x".repeat(300_000));
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    app.request(get("/")).await.into_body().bytes().await.unwrap();
    app.idle().await;
    assert!(!fs::read_to_string(&path).unwrap().contains("pieces"));
}
