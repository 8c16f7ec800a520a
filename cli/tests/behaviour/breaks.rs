//! Response bodies that fail at each possible point. The head arrives, and then the message breaks off.

use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{Request, StatusCode};
use wayside_harness::http_body::{Body as HttpBody, Frame};
use wayside_harness::{Body, BodyEnd, Event, Harness, HarnessBuilder, Server, cargo, compose};

use super::FEATURES;
use super::fixture::{Wire, example, get, guests, is_wasip3, root, temp_dir};

/// The ways in which a body fails while its component goes on.
const ERRORS: [&str; 3] = ["error", "dropped", "trailers"];
/// The ways in which a component fails as a whole while it writes a body.
const CRASHES: [&str; 2] = ["panic", "trap"];
/// The points of the failure, each with the bytes of the body before it. At `last` all ten bytes exist. If the head
/// declares their number, the last byte must not be sent, because it would complete the message.
const PLACES: [(&str, &str); 4] = [("first", ""), ("middle", "01234"), ("short", "012345678"), ("last", "0123456789")];

fn paths(faults: &[&str]) -> Vec<String> {
    let places = PLACES.iter().flat_map(|(place, _)| [place.to_string(), format!("{place}?length")]);
    places.flat_map(|place| faults.iter().map(move |how| format!("/body-faults/{how}/{place}"))).collect()
}

/// What a client received of a response that broke off.
#[derive(Debug)]
struct Broken {
    status: u16,
    text: String,
}

async fn broken<B: HttpBody<Data = Bytes> + Unpin>(status: StatusCode, mut body: B, what: &str) -> Broken {
    let mut text = String::new();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
            Some(Err(_)) => return Broken { status: status.as_u16(), text },
            None => panic!("{what}: a broken body passes for whole: {status} `{text}`"),
        }
    }
}

async fn in_process(app: &Harness, path: &str) -> Broken {
    let (head, body) = app.request(get(path)).await.into_parts();
    broken(head.status, body, path).await
}

async fn over_http1(server: &Server, path: &str) -> Broken {
    let wire = Wire::get(server, path).await;
    Broken { status: wire.status, text: wire.cut_text() }
}

fn http2() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

async fn over_http2(client: &Client<HttpConnector, Body>, server: &Server, path: &str) -> Broken {
    let request = Request::get(server.url(path)).body(Body::empty()).unwrap();
    let response = client.request(request).await.unwrap_or_else(|error| panic!("no head of {path}: {error:?}"));
    let (head, body) = response.into_parts();
    broken(head.status, body, path).await
}

async fn serve(app: HarnessBuilder) -> (Harness, Server) {
    let app = app.await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    (app, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_that_fails_before_its_first_byte_is_broken_off_behind_its_head() {
    let (_app, server) = serve(guests()).await;
    let client = http2();
    for how in ["error", "dropped"] {
        let path = format!("/body-faults/{how}/first");
        for _ in 0..30 {
            for broken in [over_http1(&server, &path).await, over_http2(&client, &server, &path).await] {
                assert_eq!((broken.status, broken.text.as_str()), (200, ""), "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_bodies_that_fail_at_once_are_all_broken_off_behind_their_heads() {
    let (_app, server) = serve(guests()).await;
    let (server, client) = (&server, &http2());
    let one = async move |number: usize| {
        let path = format!("/body-faults/error/{}", PLACES[number % 3].0);
        let expected =
            if number % 6 < 3 { over_http1(server, &path).await } else { over_http2(client, server, &path).await };
        assert_eq!((expected.status, expected.text.as_str()), (200, PLACES[number % 3].1), "{path}");
    };
    use futures_util::StreamExt as _;
    futures_util::stream::iter(0..300).map(one).buffer_unordered(32).for_each(async |()| {}).await;
}

#[tokio::test]
async fn a_body_that_fails_is_broken_off_wherever_it_does_over_http1() {
    let (app, server) = serve(guests()).await;
    for path in paths(&ERRORS) {
        assert_eq!(over_http1(&server, &path).await.status, 200, "{path}");
    }
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_body_that_fails_is_broken_off_wherever_it_does_over_http2() {
    let (app, server) = serve(guests()).await;
    let client = http2();
    for path in paths(&ERRORS) {
        assert_eq!(over_http2(&client, &server, &path).await.status, 200, "{path}");
    }
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_body_that_fails_is_broken_off_wherever_it_does_in_process() {
    let app = guests().await.unwrap();
    for path in paths(&ERRORS) {
        assert_eq!(in_process(&app, &path).await.status, 200, "{path}");
    }
}

/// In WASI 0.3 the host gets a response when the component's task returns to it. A crash before that makes the response
/// a 500.
#[tokio::test]
async fn a_component_that_crashes_in_its_body_leaves_no_whole_success() {
    let (_app, server) = serve(guests()).await;
    let client = http2();
    for path in paths(&CRASHES) {
        let wire = Wire::get(&server, &path).await;
        assert!(!wire.body().1 || wire.status == 500, "{path}: {wire:?}");
        let response = client.request(Request::get(server.url(&path)).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        assert!(response.into_body().collect().await.is_err() || status == 500, "{path}");
    }
}

/// Everything that the component sent before the failure arrives, although the failure follows at once.
#[tokio::test]
async fn what_came_before_the_failure_arrives() {
    let (_app, server) = serve(guests()).await;
    let client = http2();
    for (place, text) in PLACES {
        for how in ["error", "dropped"] {
            let path = format!("/body-faults/{how}/{place}");
            assert_eq!(over_http1(&server, &path).await.text, text, "{path}");
            assert_eq!(over_http2(&client, &server, &path).await.text, text, "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_that_fails_is_on_record_as_broken_off() {
    let (app, server) = serve(guests()).await;
    let client = http2();
    for (number, path) in paths(&ERRORS).into_iter().enumerate() {
        let mut events = app.events();
        match number % 3 {
            0 => drop(over_http1(&server, &path).await),
            1 => drop(over_http2(&client, &server, &path).await),
            _ => drop(in_process(&app, &path).await),
        }
        let end = loop {
            if let Event::Finished(exchange) = events.recv().await.unwrap() {
                break exchange.end;
            }
        };
        let Some(BodyEnd::Broken(reason)) = end else { panic!("{path}: {end:?}") };
        assert!(is_wasip3() || reason == "the component did not finish its response", "{path}: {reason}");
        app.idle().await;
        let target = path.split('?').next().unwrap();
        assert!(app.log_text().contains(&format!("GET {target}")), "{path}: {}", app.log_text());
    }
}

#[tokio::test]
async fn a_body_that_fails_is_broken_off_behind_middleware_in_the_host() {
    let log = root().join("examples/log");
    let copy = root().join("host-harness/tests/raw-middleware");
    let (_app, server) = serve(guests().middleware(log).middleware(copy)).await;
    let client = http2();
    for path in paths(&ERRORS) {
        for _ in 0..3 {
            assert_eq!(over_http1(&server, &path).await.status, 200, "{path}");
            assert_eq!(over_http2(&client, &server, &path).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_that_fails_is_broken_off_behind_composed_middleware() {
    if !is_wasip3() {
        // Components of WASI 0.2 cannot be composed with middleware.
        return;
    }
    let built = async |dir: &str, features: &[&str]| {
        let features: Vec<String> = features.iter().map(|feature| (*feature).to_owned()).collect();
        cargo::build_once(&root().join(dir), &features, cargo::Progress::Hidden).await.unwrap()
    };
    let app = built("host-harness/tests/guests", FEATURES).await;
    let middleware = [built("examples/log", &[]).await, built("host-harness/tests/raw-middleware", &[]).await];
    let composed = temp_dir().join("composed.wasm");
    std::fs::write(&composed, compose(&app, &middleware).unwrap()).unwrap();
    let (_app, server) = serve(Harness::load(composed)).await;
    let client = http2();
    for path in paths(&ERRORS) {
        for _ in 0..3 {
            assert_eq!(over_http1(&server, &path).await.status, 200, "{path}");
            assert_eq!(over_http2(&client, &server, &path).await.status, 200, "{path}");
        }
    }
}

/// A client of HTTP/1.0 takes a closed connection for the end of a body without a length, so the server must reset the
/// connection.
#[tokio::test]
async fn a_client_of_http_1_0_sees_a_reset_where_a_body_without_a_length_fails() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (_app, server) = serve(guests()).await;
    for (place, text) in PLACES {
        let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
        let request = format!("GET /body-faults/error/{place} HTTP/1.0\r\nhost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all).await;
        let wire = Wire::parse(&all);
        assert_eq!((wire.status, wire.rest.as_slice()), (200, text.as_bytes()), "{place}");
        assert!(end.is_err(), "{place}: the connection was closed as after a whole body");
    }
}

#[tokio::test]
async fn an_error_of_the_request_body_breaks_off_an_echo_at_once() {
    let app = example("echo").await.unwrap();
    for place in 0..3 {
        let frames = (0..place).map(|_| Ok(Frame::data(Bytes::from_static(b"part"))));
        let frames = frames.chain([Err(std::io::Error::other("the client gave up"))]).collect::<Vec<_>>();
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let (head, body) = app.request(Request::post("/").body(body).unwrap()).await.into_parts();
        assert_eq!(broken(head.status, body, "echo").await.status, 200);
    }
}

#[tokio::test]
async fn a_head_request_has_no_body_that_could_fail() {
    let (app, server) = serve(guests()).await;
    let client = http2();
    for path in paths(&["error", "dropped"]) {
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        let wire = Wire::exchange(&server, &request).await;
        assert_eq!((wire.status, wire.rest.len()), (200, 0), "{path}");
        let request = Request::head(server.url(&path)).body(Body::empty()).unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
    }
    app.idle().await;
    assert_eq!(app.log_text(), "");
}
