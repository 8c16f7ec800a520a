//! Bodies of all sizes, streamed.

use std::time::{Duration, UNIX_EPOCH};

use http_body_util::{BodyExt as _, StreamBody};
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{HeaderMap, Request, Response};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, Clock, Harness, Limits, Outbound};

use super::fixture::{eventually, example, get, guests, post};

const MIB: usize = 1024 * 1024;

/// Sizes of bodies in bytes, some of them around the limits of the host's buffers.
const SIZES: [usize; 8] = [0, 1, 4095, 4096, 4097, MIB, 2 * MIB + 1, 64 * MIB];

fn bytes_of(size: usize) -> Bytes {
    (0..size).map(|index| (index * 31 + index / 251) as u8).collect()
}

#[tokio::test]
async fn an_echo_returns_every_byte_at_every_size() {
    let app = example("echo").await.unwrap();
    for size in SIZES {
        let sent = bytes_of(size);
        let response = app.request(post("/x", sent.clone())).await;
        let received = response.into_body().bytes().await.unwrap();
        assert!(received == sent, "{size} bytes came back as {} others", received.len());
    }
}

#[tokio::test]
async fn an_echo_over_a_socket_returns_every_byte() {
    let app = example("echo").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Full<Bytes>>();
    for size in SIZES {
        let sent = bytes_of(size);
        let request = Request::post(server.url("/x")).body(sent.clone().into()).unwrap();
        let received = client.request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert!(received == sent, "{size} bytes came back as {} others", received.len());
    }
}

/// A body of this many mebibytes, in pieces of 64 KiB.
fn mebibytes(count: usize) -> Body {
    let piece = bytes_of(64 * 1024);
    let pieces = (0..count * 16).map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone())));
    Body::new(StreamBody::new(futures_util::stream::iter(pieces)))
}

async fn length_of(mut body: Body) -> usize {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    length
}

/// Returns the peak memory of the component.
async fn memory_of(app: &Harness) -> usize {
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    app.memory()
}

#[tokio::test]
async fn a_gibibyte_streams_through_an_echo_in_little_memory() {
    let app = example("echo").await.unwrap();
    let body = app.request(post("/", mebibytes(1024))).await.into_body();
    assert_eq!(length_of(body).await, 1024 * MIB);
    let memory = memory_of(&app).await;
    assert!(memory < 4 * MIB, "the component took {memory} bytes");
}

#[tokio::test]
async fn a_gibibyte_streams_through_a_proxy_in_little_memory() {
    let upstream = Outbound::from_fn(async |request| Ok(Response::new(request.into_body())));
    let app = example("proxy").env("UPSTREAM", "http://upstream.test").outbound(upstream).await.unwrap();
    let body = app.request(post("/", mebibytes(1024))).await.into_body();
    assert_eq!(length_of(body).await, 1024 * MIB);
    let memory = memory_of(&app).await;
    assert!(memory < 4 * MIB, "the component took {memory} bytes");
}

#[tokio::test]
async fn a_gibibyte_is_uploaded_in_little_memory() {
    // The head of the response comes after the whole upload, which takes long on a busy machine.
    let limits = Limits::default().timeout(Duration::from_secs(600));
    let app = example("upload").limits(limits).await.unwrap();
    let response = app.request(post("/", mebibytes(1024))).await;
    assert_eq!(response.into_body().text().await.unwrap(), "1073741824 bytes\n");
    let memory = memory_of(&app).await;
    assert!(memory < 4 * MIB, "the component took {memory} bytes");
}

#[tokio::test]
async fn a_gibibyte_is_written_in_little_memory() {
    let app = guests().await.unwrap();
    let mut body = app.request(get("/endless")).await.into_body();
    let mut received = 0;
    while received < 1024 * MIB {
        received += body.frame().await.unwrap().unwrap().data_ref().map_or(0, Bytes::len);
    }
    drop(body);
    let memory = memory_of(&app).await;
    assert!(memory < 4 * MIB, "the component took {memory} bytes");
}

#[tokio::test]
async fn what_a_body_costs_grows_with_its_length_and_no_faster() {
    let app = example("upload").count_fuel().await.unwrap();
    let mut fuel = Vec::new();
    for count in [8, 16, 32] {
        app.request(post("/", mebibytes(count))).await.into_body().bytes().await.unwrap();
        app.idle().await;
        fuel.push(app.fuel().unwrap());
    }
    // A cost that grows with the length gives a factor of 2. A factor below 3 is allowed, because the number of waits
    // differs between runs.
    assert!(fuel[2] - fuel[1] < (fuel[1] - fuel[0]) * 3, "{fuel:?} for 8, 16 and 32 MiB");
}

#[tokio::test]
async fn a_response_streams_while_the_request_still_comes() {
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(1);
    let app = example("echo").await.unwrap();
    let mut answer = app.request(post("/", Body::new(body))).await.into_body();
    for number in 0..3 {
        let piece = Bytes::from(format!("piece {number}"));
        sender.send_data(piece.clone()).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn an_upload_is_read_piece_by_piece() {
    let app = guests().await.unwrap();
    let text = async |body: Bytes| app.request(post("/chunks", body)).await.into_body().text().await.unwrap();
    assert_eq!(text(bytes_of(MIB)).await, "1048576 bytes in several pieces\n");
    assert_eq!(text(Bytes::new()).await, "0 bytes in at most one pieces\n");
}

#[tokio::test]
async fn a_body_read_whole_is_the_body_that_was_sent() {
    let app = guests().await.unwrap();
    for size in [0, 1, 65536, 65537, MIB + 1] {
        let sent = bytes_of(size);
        let received = app.request(post("/whole", sent.clone())).await.into_body().bytes().await.unwrap();
        assert!(received == sent, "{size} bytes came back as {} others", received.len());
    }
}

#[tokio::test]
async fn tasks_talk_over_channels_of_other_crates() {
    let app = guests().await.unwrap();
    let response = app.request(get("/tasks")).await;
    assert_eq!(response.into_body().text().await.unwrap(), "the sum is 20\n");
}

#[tokio::test]
async fn a_future_that_wakes_itself_is_polled_again() {
    let app = guests().await.unwrap();
    let response = app.request(get("/self-waking")).await;
    assert_eq!(response.into_body().text().await.unwrap(), "1000 polls\n");
}

#[tokio::test]
async fn what_a_spawned_future_spawns_runs() {
    let app = guests().await.unwrap();
    assert_eq!(app.request(get("/spawned/nested")).await.into_body().text().await.unwrap(), "from within");
}

#[tokio::test]
async fn what_is_spawned_goes_on_while_the_body_of_the_request_goes_back() {
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, std::io::Error>::new(1);
    let app = guests().await.unwrap();
    let mut answer = app.request(post("/spawned/beside-echo", Body::new(body))).await.into_body();
    sender.send_data("first".into()).await.unwrap();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    eventually("the task goes on", || app.log_text().contains("still there")).await;
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn what_is_left_of_a_body_that_was_read_from_goes_back_whole() {
    let app = guests().await.unwrap();
    // Pieces larger than one read of a component, so that the host buffers the rest.
    let sent = bytes_of(600_000);
    let pieces = [sent.slice(..200_000), sent.slice(200_000..400_000), sent.slice(400_000..)];
    let pieces = futures_util::stream::iter(pieces.map(|piece| Ok::<_, std::io::Error>(Frame::data(piece))));
    let response = app.request(post("/rest-of-body/first", Body::new(StreamBody::new(pieces)))).await;
    let read: usize = response.headers()["x-read"].to_str().unwrap().parse().unwrap();
    let rest = response.into_body().bytes().await.unwrap();
    assert!(read > 0 && rest == sent[read..], "{read} bytes read, {} came back", rest.len());
}

#[tokio::test]
async fn the_trailers_of_a_body_that_was_read_go_back() {
    let app = guests().await.unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-digest", "abc".parse().unwrap());
    let frames = [Frame::data(bytes_of(1000)), Frame::trailers(trailers.clone())];
    let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>)));
    let response = app.request(post("/rest-of-body/all", Body::new(body))).await;
    assert_eq!(response.headers()["x-read"], "1000");
    assert!(!response.headers().contains_key("content-length"), "{:?}", response.headers());
    let (bytes, received) = response.into_body().bytes_and_trailers().await.unwrap();
    assert_eq!((bytes.len(), received), (0, Some(trailers)));
}

#[tokio::test]
async fn a_waker_may_own_what_waits() {
    let app = guests().await.unwrap();
    let response = app.request(get("/nested-waker")).await;
    assert_eq!(response.into_body().text().await.unwrap(), "both were given up\n", "{}", app.log_text());
}

#[tokio::test]
async fn a_component_sees_the_environment_that_it_is_given_and_no_threads() {
    let app = guests().env("B", "2").env("A", "1").await.unwrap();
    let response = app.request(get("/surroundings")).await;
    assert_eq!(response.into_body().text().await.unwrap(), "A=1 B=2; no threads\n");
}

#[tokio::test]
async fn sleeps_run_beside_each_other() {
    let clock = Clock::stopped_at(UNIX_EPOCH);
    let app = guests().clock(&clock).await.unwrap();
    let moves = async { [clock.advance_to_next().await, clock.advance_to_next().await] };
    let (response, moves) = tokio::join!(app.request(get("/sleep")), moves);
    assert_eq!(response.into_body().text().await.unwrap(), "quick slow ");
    assert_eq!(moves, [5, 55].map(Duration::from_millis));
}
