//! gRPC calls to the example `grpc`, and their time limits.

use std::io;

use http_body_util::{BodyExt as _, Full, StreamBody};
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{Request, request};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, Harness};

use super::fixture::example;

fn call(timeout: &str) -> request::Builder {
    let request = Request::post("/hello.Greeter/SayHello").header("content-type", "application/grpc");
    request.header("te", "trailers").header("grpc-timeout", timeout)
}

/// Returns a gRPC frame that contains a message with one text field.
fn message(text: &str) -> Vec<u8> {
    let message = [&[0x0a, text.len() as u8], text.as_bytes()].concat();
    [&[0, 0, 0, 0, message.len() as u8], &message[..]].concat()
}

/// A body that sends this many bytes of a message, and then neither continues nor ends.
fn stalled(bytes: usize) -> Body {
    use futures_util::StreamExt as _;
    let begun = (bytes > 0).then(|| Ok::<_, io::Error>(Frame::data(Bytes::from(message("Ada")).slice(..bytes))));
    Body::new(StreamBody::new(futures_util::stream::iter(begun).chain(futures_util::stream::pending())))
}

/// Returns the `grpc-status` of a call, and whether it arrived in the head. Otherwise it arrived in the trailers.
async fn status(app: &Harness, request: Request<Body>) -> (String, bool) {
    let response = app.request(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let in_head = response.headers().get("grpc-status").cloned();
    let (_, trailers) = response.into_body().bytes_and_trailers().await.unwrap();
    let status = in_head.as_ref().or(trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"))).unwrap();
    (status.to_str().unwrap().to_owned(), in_head.is_some())
}

#[tokio::test]
async fn a_call_over_its_time_is_answered_with_status_4_in_the_head() {
    let app = example("grpc").await.unwrap();
    for bytes in [0, 3, 8] {
        for timeout in ["100m", "100000u", "0S"] {
            let answered = status(&app, call(timeout).body(stalled(bytes)).unwrap()).await;
            assert_eq!(answered, ("4".to_owned(), true), "{timeout} after {bytes} bytes");
        }
    }
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_call_within_its_time_is_answered_as_without_one() {
    let app = example("grpc").await.unwrap();
    // A malformed `grpc-timeout` is ignored, as tonic does.
    for timeout in ["1H", "60S", "99999999u", "123456789S", "5", "soon", "1x", "-1S", ""] {
        let answered = status(&app, call(timeout).body(message("Ada").into()).unwrap()).await;
        assert_eq!(answered, ("0".to_owned(), false), "{timeout}");
    }
}

#[tokio::test]
async fn a_call_over_its_time_ends_over_http2() {
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    let app = example("grpc").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let mut request = call("100m").body(stalled(8)).unwrap();
    *request.uri_mut() = server.url("/hello.Greeter/SayHello").parse().unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["grpc-status"].as_bytes()), (200, &b"4"[..]));
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let mut request = call("60S").body(Full::from(message("Ada"))).unwrap();
    *request.uri_mut() = server.url("/hello.Greeter/SayHello").parse().unwrap();
    let body = client.request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
}
