//! The framing of requests: a `content-length`, chunks, or neither.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{Request, Response};
use wayside_harness::http_body::Frame;
use wayside_harness::{Harness, HarnessBuilder, Outbound};

use super::fixture::{Upstream, Wire, eventually, example, get, guests, read_head, root};

/// A server that records the head and the framed body of each request, and always sends the same response.
struct Recording {
    upstream: Upstream,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Recording {
    async fn answering(answer: &'static str) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let upstream = Upstream::with(move |mut stream| {
            let seen = Arc::clone(&seen);
            async move {
                let head = read_head(&mut stream).await.to_ascii_lowercase();
                let mut body = Vec::new();
                if head.contains("transfer-encoding: chunked") {
                    while !body.ends_with(b"0\r\n\r\n") {
                        body.push(stream.read_u8().await.unwrap());
                    }
                } else if let [length] = values(&head, "content-length")[..] {
                    body.resize(length.parse().unwrap(), 0);
                    stream.read_exact(&mut body).await.unwrap();
                }
                seen.lock().unwrap().push(head + std::str::from_utf8(&body).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        })
        .await;
        Self { upstream, requests }
    }

    async fn behind(&self, app: HarnessBuilder) -> Harness {
        behind(&self.upstream, app).await
    }

    /// Returns the only recorded request.
    fn request(&self) -> String {
        let mut requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// Returns the values of a header in a raw request whose head is in lower case.
fn values<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap();
    let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| *field == name).map(|(_, value)| value).collect()
}

#[track_caller]
fn assert_unframed(request: &str) {
    assert!(values(request, "content-length").is_empty(), "{request}");
    assert!(values(request, "transfer-encoding").is_empty(), "{request}");
}

/// Returns the raw request that the upstream of a component gets when a client sends this one to the component.
async fn passed_on(app: HarnessBuilder, request: &str) -> String {
    let recording = Recording::answering(OK).await;
    let app = recording.behind(app).await;
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.status, 200, "{wire:?} {}", app.log_text());
    recording.request()
}

fn bare(method: &str) -> String {
    format!("{method} / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
}

/// Two middleware components in front of a proxy. One of them rewrites the bodies of requests and responses.
pub(super) fn chain() -> HarnessBuilder {
    let middleware = |name: &str| root().join("examples").join(name);
    example("proxy").middleware(middleware("log")).middleware(middleware("rewrite"))
}

/// The methods whose requests usually have no content.
const WITHOUT_CONTENT: [&str; 4] = ["GET", "HEAD", "DELETE", "OPTIONS"];
const WITH_CONTENT: [&str; 3] = ["POST", "PUT", "PATCH"];

#[tokio::test]
async fn a_request_without_content_is_passed_on_without_framing() {
    for method in WITHOUT_CONTENT {
        assert_unframed(&passed_on(example("proxy"), &bare(method)).await);
    }
}

#[tokio::test]
async fn a_request_without_content_is_passed_on_without_framing_behind_middleware() {
    for method in WITHOUT_CONTENT {
        assert_unframed(&passed_on(chain(), &bare(method)).await);
    }
}

#[tokio::test]
async fn a_request_without_content_in_process_is_passed_on_without_framing() {
    for method in WITHOUT_CONTENT {
        let recording = Recording::answering(OK).await;
        let app = recording.behind(example("proxy")).await;
        let request = Request::builder().method(method).uri("/").body(()).unwrap();
        assert_eq!(app.request(request).await.status(), 200);
        assert_unframed(&recording.request());
    }
}

#[tokio::test]
async fn a_request_without_content_of_http2_is_passed_on_without_framing() {
    for method in WITHOUT_CONTENT {
        let recording = Recording::answering(OK).await;
        let app = recording.behind(example("proxy")).await;
        assert_eq!(over_http2(&app, method, "/").await.status(), 200);
        assert_unframed(&recording.request());
    }
}

#[tokio::test]
async fn a_request_of_the_component_without_content_has_no_framing() {
    for method in WITHOUT_CONTENT {
        let recording = Recording::answering(OK).await;
        let app = recording.behind(guests()).await;
        let wire = Wire::exchange(
            &app.serve("127.0.0.1:0").await.unwrap(),
            &format!("GET /own-request/{method} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(wire.status, 200, "{wire:?}");
        assert_unframed(&recording.request());
    }
}

#[tokio::test]
async fn a_request_of_the_component_with_an_empty_stream_has_no_framing() {
    for method in WITHOUT_CONTENT {
        let recording = Recording::answering(OK).await;
        let app = recording.behind(guests()).await;
        assert_eq!(app.request(get(&format!("/own-request/{method}?stream"))).await.status(), 200);
        assert_unframed(&recording.request());
    }
}

#[tokio::test]
async fn a_post_without_content_has_content_length_zero() {
    for method in WITH_CONTENT {
        let request = passed_on(example("proxy"), &bare(method)).await;
        assert_eq!(values(&request, "content-length"), ["0"], "{request}");
        assert!(values(&request, "transfer-encoding").is_empty(), "{request}");
        let recording = Recording::answering(OK).await;
        let app = recording.behind(guests()).await;
        assert_eq!(app.request(get(&format!("/own-request/{method}"))).await.status(), 200);
        assert_eq!(values(&recording.request(), "content-length"), ["0"], "{method}");
    }
}

#[tokio::test]
async fn a_chunked_request_stays_chunked_when_it_is_passed_on() {
    for method in ["GET", "DELETE", "OPTIONS", "POST", "PUT"] {
        let request = passed_on(
            example("proxy"),
            &format!(
                "{method} / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
                 transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            ),
        )
        .await;
        assert_eq!(values(&request, "transfer-encoding"), ["chunked"], "{request}");
        assert!(values(&request, "content-length").is_empty(), "{request}");
        assert!(request.contains("hello"), "{request}");
    }
}

#[tokio::test]
async fn a_request_of_known_length_keeps_it_when_it_is_passed_on() {
    for method in ["GET", "DELETE", "POST"] {
        let request =
            format!("{method} / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello");
        let request = passed_on(example("proxy"), &request).await;
        assert_eq!(values(&request, "content-length"), ["5"], "{request}");
        assert!(values(&request, "transfer-encoding").is_empty(), "{request}");
        assert!(request.ends_with("\r\n\r\nhello"), "{request}");
    }
}

#[tokio::test]
async fn a_content_length_of_zero_is_passed_on_as_it_is() {
    for method in ["GET", "DELETE", "POST"] {
        let request = format!("{method} / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let request = passed_on(example("proxy"), &request).await;
        assert_eq!(values(&request, "content-length"), ["0"], "{request}");
        assert!(values(&request, "transfer-encoding").is_empty(), "{request}");
    }
}

#[tokio::test]
async fn a_request_of_trailers_alone_keeps_them_when_it_is_passed_on() {
    for method in ["DELETE", "POST"] {
        let request = format!(
            "{method} / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntrailer: x-sum\r\n\
             transfer-encoding: chunked\r\n\r\n0\r\nx-sum: 7\r\n\r\n"
        );
        let (upstream, seen) = hearing_all().await;
        let app = behind(&upstream, example("proxy")).await;
        let server = app.serve("127.0.0.1:0").await.unwrap();
        assert_eq!(Wire::exchange(&server, &request).await.status, 200, "{}", app.log_text());
        eventually("the upstream has heard all", || !seen.lock().unwrap().is_empty()).await;
        let seen = seen.lock().unwrap().remove(0);
        assert_eq!(values(&seen, "transfer-encoding"), ["chunked"], "{seen}");
        assert!(seen.ends_with("\r\n\r\n0\r\nx-sum: 7\r\n\r\n"), "{seen}");
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_before_its_first_byte_is_no_request_without_content() {
    for method in ["DELETE", "POST"] {
        let request = format!("{method} / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n");
        let (upstream, seen) = hearing_all().await;
        let app = behind(&upstream, example("proxy")).await;
        let server = app.serve("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(server.addr()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
        app.idle().await;
        for seen in seen.lock().unwrap().iter() {
            assert_eq!(values(seen, "transfer-encoding"), ["chunked"], "{seen}");
            assert!(!seen.contains("\r\n0\r\n"), "the upload passes for whole: {seen}");
        }
    }
}

/// A server that responds after the head, and records everything up to the end of the connection or of the chunks.
async fn hearing_all() -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let upstream = Upstream::with(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut request = read_head(&mut stream).await.to_ascii_lowercase();
            stream.write_all(OK.as_bytes()).await.unwrap();
            let is_chunked = request.contains("transfer-encoding: chunked");
            while is_chunked && !(request.contains("\r\n0\r\n") && request.ends_with("\r\n\r\n")) {
                let Ok(byte) = stream.read_u8().await else { break };
                request.push(char::from(byte));
            }
            seen.lock().unwrap().push(request);
        }
    })
    .await;
    (upstream, requests)
}

/// Opens a component with this server as its `UPSTREAM`, and allows it to call no other server.
async fn behind(upstream: &Upstream, app: HarnessBuilder) -> Harness {
    let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
    app.env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap()
}

/// Sends a request over HTTP/1.1 to a component whose upstream responds with raw text. Returns the response and the
/// component.
pub(super) async fn proxied(app: HarnessBuilder, method: &str, answer: &str) -> (Wire, Harness) {
    let upstream = Upstream::answering(answer).await;
    let app = behind(&upstream, app).await;
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, &bare(method)).await;
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    (wire, app)
}

/// An empty body whose length hyper does not know, so that hyper adds no `content-length` over HTTP/2.
struct NoContent;

impl wayside_harness::http_body::Body for NoContent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

pub(super) async fn over_http2(app: &Harness, method: &str, path: &str) -> Response<hyper::body::Incoming> {
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    let server = app.serve("127.0.0.1:0").await.unwrap();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<NoContent>();
    let request = Request::builder().method(method).uri(server.url(path)).body(NoContent).unwrap();
    let response = client.request(request).await.unwrap();
    server.shutdown().await;
    response
}

/// Returns the values of a response header, in order.
pub(super) fn header<'a, B>(response: &'a Response<B>, name: &str) -> Vec<&'a str> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_signed_length_of_a_request_is_400() {
    let app = example("echo").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for length in ["+5", "-5", "5, 6", "0x5", ""] {
        let wire = Wire::exchange(
            &server,
            &format!("POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\nhello"),
        )
        .await;
        assert_eq!(wire.status, 400, "{length}");
        let request = Request::post("/").header("content-length", length).body("hello").unwrap();
        assert_eq!(app.request(request).await.status(), 400, "{length}");
    }
    assert_eq!(app.requests(), 5, "the component did not see those in process");
}

#[tokio::test]
async fn equal_lengths_of_a_request_are_one() {
    let recording = Recording::answering(OK).await;
    let app = recording.behind(example("proxy")).await;
    let request = Request::post("/").header("content-length", "5").header("content-length", "5").body("hello").unwrap();
    assert_eq!(app.request(request).await.status(), 200);
    assert_eq!(values(&recording.request(), "content-length"), ["5"]);
}
