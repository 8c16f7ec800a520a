//! Components that are composed to one: they do what the chain in the host does.

use std::path::PathBuf;

use http_body_util::StreamBody;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, Harness, World, cargo};

use super::command::{assert_message, run, stderr, temporary};
use super::fixture::root;

fn dir(name: &str) -> PathBuf {
    root().join("host-harness/tests").join(name)
}

async fn built(name: &str) -> PathBuf {
    cargo::build_once(&dir(name), &[], cargo::Progress::Hidden).await.unwrap()
}

fn output(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A request as it was drawn, which can be sent more than once.
#[derive(Debug)]
struct Drawn {
    method: &'static str,
    uri: String,
    headers: HeaderMap,
    frames: Vec<usize>,
    trailers: Option<HeaderMap>,
}

impl Drawn {
    fn draw(rng: &mut StdRng) -> Self {
        let path =
            ["hello", "host", "nothing", "echo", "copy", "panic", "code", "panic-after-head"][rng.random_range(0..8)];
        let mut headers = HeaderMap::new();
        let behaviour = ["pass", "copy", "stop", "twice", "panic"][rng.random_range(0..5)];
        headers.insert("x-middleware", HeaderValue::from_static(behaviour));
        for _ in 0..rng.random_range(0..8) {
            let name = HeaderName::try_from(format!("x-{}", rng.random_range(0..6))).unwrap();
            headers.append(name, HeaderValue::from(rng.random::<u64>()));
        }
        let trailers = rng.random_bool(0.3).then(|| {
            HeaderMap::from_iter([(HeaderName::from_static("x-digest"), HeaderValue::from(rng.random::<u32>()))])
        });
        Self {
            method: ["GET", "POST", "PUT", "DELETE", "PATCH", "X-OWN"][rng.random_range(0..6)],
            uri: format!(
                "http://host{}.test/{path}/{}?q={}",
                rng.random_range(0..3),
                rng.random::<u16>(),
                rng.random::<u16>()
            ),
            headers,
            frames: (0..rng.random_range(0..4)).map(|_| rng.random_range(0..100_000)).collect(),
            trailers,
        }
    }

    fn request(&self) -> Request<Body> {
        let data =
            self.frames.iter().enumerate().map(|(number, size)| Frame::data(Bytes::from(vec![number as u8; *size])));
        let frames = data.chain(self.trailers.clone().map(Frame::trailers)).map(Ok::<_, std::io::Error>);
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>())));
        let mut request = Request::builder().method(self.method).uri(&self.uri).body(body).unwrap();
        *request.headers_mut() = self.headers.clone();
        request
    }

    async fn sent_to(&self, app: &Harness) -> Answer {
        let (head, body) = app.request(self.request()).await.into_parts();
        let body = body.bytes_and_trailers().await.ok();
        Answer { status: head.status, headers: head.headers, body }
    }
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// Missing where it broke off.
    body: Option<(Bytes, Option<HeaderMap>)>,
}

#[tokio::test]
async fn composed_and_chained_give_the_same_answers_to_the_same_200_requests() {
    let (app, middleware) = (built("raw-service").await, built("raw-middleware").await);
    let composed = output("composed.wasm");
    let bytes = wayside_harness::compose(&app, &[middleware.clone(), middleware.clone()]).unwrap();
    std::fs::write(&composed, bytes).unwrap();
    let composed = Harness::load(composed).await.unwrap();
    let chained = Harness::load(app).middleware(middleware.clone()).middleware(middleware).await.unwrap();
    assert_eq!(composed.description().world, World::Handler { version: "0.3.2".to_owned() });
    let mut rng = StdRng::seed_from_u64(3);
    let (mut whole, mut cut, mut failed) = (0, 0, 0);
    for _ in 0..200 {
        let drawn = Drawn::draw(&mut rng);
        let (one, other) = (drawn.sent_to(&composed).await, drawn.sent_to(&chained).await);
        assert_eq!(one, other, "{drawn:?}");
        match &one {
            Answer { body: None, .. } => cut += 1,
            Answer { status: StatusCode::INTERNAL_SERVER_ERROR, .. } => failed += 1,
            _ => whole += 1,
        }
    }
    // All that can become of a request was among them.
    assert!(whole > 50 && cut > 5 && failed > 20, "{whole} whole, {cut} cut, {failed} failed");
}

#[test]
fn the_command_writes_one_component() {
    let file = output("one.wasm");
    let target = ["compose", "host-harness/tests/raw-service", "-o", &file.to_string_lossy()];
    let middleware = ["--middleware", "host-harness/tests/raw-middleware"];
    let composed = run(&[&target[..], &middleware].concat());
    assert!(composed.status.success() && stderr(&composed).contains("wrote `"), "{}", stderr(&composed));
    let answer = run(&["request", &file.to_string_lossy(), "/hello"]);
    assert_eq!(answer.stdout, b"Hello from WASI 0.3!\n", "{}", stderr(&answer));
}

#[test]
fn what_cannot_be_composed_is_refused_with_the_reason_and_the_way_out() {
    let file = temporary("refused").join("out.wasm");
    for (target, middleware, parts) in [
        (
            "examples/hello",
            "host-harness/tests/raw-middleware",
            [
                "is of WASI 0.2.6, and middleware calls a handler of 0.3",
                "help: chain them in the host",
                "wayside serve",
            ],
        ),
        (
            "host-harness/tests/raw-service",
            "host-harness/tests/raw-service",
            ["is no middleware: it answers all requests itself", "help: name it as the target", "wasi:http/handler"],
        ),
        (
            "host-harness/tests/raw-middleware",
            "host-harness/tests/raw-middleware",
            ["is middleware: it needs a handler to call", "help: name an application", "--middleware"],
        ),
        (
            "host-harness/tests/raw-service",
            "README.md",
            ["`README.md` is a text file, not a WebAssembly component", "help: name a `.wasm` file", "crate"],
        ),
    ] {
        let output = run(&["compose", target, "--middleware", middleware, "-o", &file.to_string_lossy()]);
        assert_message(&output, &parts);
    }
    assert!(!file.exists());
}
