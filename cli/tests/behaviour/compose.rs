//! Composed components behave like the same application and middleware that the host chains.

use std::path::PathBuf;

use http_body_util::StreamBody;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wayside_harness::bytes::Bytes;
use wayside_harness::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, Harness, Limits, World, cargo, compose};

use super::command::{assert_message, run, stderr, temporary};
use super::fixture::{get, root};

async fn built(dir: &str, features: &[&str]) -> PathBuf {
    let features: Vec<String> = features.iter().map(|feature| (*feature).to_owned()).collect();
    cargo::build_once(&root().join(dir), &features, cargo::Progress::Hidden).await.unwrap()
}

fn output(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A random request that can be sent several times.
#[derive(Debug)]
struct Drawn {
    method: &'static str,
    uri: String,
    headers: HeaderMap,
    frames: Vec<usize>,
    trailers: Option<HeaderMap>,
}

impl Drawn {
    /// Makes a random request for one of these paths, with one of these header values.
    fn draw(rng: &mut StdRng, paths: &[&str], field: &'static str, values: &[&'static str]) -> Self {
        let mut pick = |number: usize| rng.random_range(0..number);
        let path = paths[pick(paths.len())];
        let method = ["GET", "POST", "PUT", "DELETE", "PATCH", "X-OWN"][pick(6)];
        let uri = format!("http://host{}.test/{path}/{}?q={}", pick(3), pick(1000), pick(1000));
        let mut headers = HeaderMap::new();
        headers.insert(field, HeaderValue::from_static(values[pick(values.len())]));
        for _ in 0..pick(8) {
            let name = HeaderName::try_from(format!("x-{}", pick(6))).unwrap();
            headers.append(name, HeaderValue::from(pick(1_000_000)));
        }
        let frames = (0..pick(4)).map(|_| pick(100_000)).collect();
        let trailers = (pick(3) == 0)
            .then(|| HeaderMap::from_iter([(HeaderName::from_static("x-digest"), HeaderValue::from(pick(1_000_000)))]));
        Self { method, uri, headers, frames, trailers }
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

    async fn sent_to(&self, app: &Harness) -> Received {
        let (head, body) = app.request(self.request()).await.into_parts();
        let body = body.bytes_and_trailers().await.ok();
        Received { status: head.status, headers: head.headers, body }
    }
}

#[derive(Debug, PartialEq)]
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    /// The body and its trailers. `None` if the body broke off.
    body: Option<(Bytes, Option<HeaderMap>)>,
}

/// The same application behind the same middleware, once composed into one component and once chained by the host.
struct BothWays {
    composed: Harness,
    chained: Harness,
}

impl BothWays {
    async fn of(name: &str, app: PathBuf, middleware: &[PathBuf]) -> Self {
        let file = temporary(name).join("composed.wasm");
        std::fs::write(&file, wayside_harness::compose(&app, middleware).unwrap()).unwrap();
        let composed = Harness::load(file).env("TOKEN", "secret").await.unwrap();
        let chained = Harness::load(app).env("TOKEN", "secret");
        let chained = middleware.iter().fold(chained, |chained, middleware| chained.middleware(middleware));
        assert!(matches!(composed.description().world, World::Handler { .. }), "{:?}", composed.description().world);
        Self { composed, chained: chained.await.unwrap() }
    }

    /// Checks that both forms give the same response to each request. Returns how many responses were complete, cut,
    /// and failed.
    async fn compare(&self, requests: impl IntoIterator<Item = Drawn>) -> [usize; 3] {
        let [mut whole, mut cut, mut failed] = [0; 3];
        for drawn in requests {
            let (one, other) = (drawn.sent_to(&self.composed).await, drawn.sent_to(&self.chained).await);
            assert_eq!(one, other, "{drawn:?}");
            match &one {
                Received { body: None, .. } => cut += 1,
                Received { status, .. } if status.is_success() => whole += 1,
                _ => failed += 1,
            }
        }
        [whole, cut, failed]
    }
}

#[tokio::test]
async fn composed_and_chained_give_the_same_answers_to_the_same_200_requests() {
    let middleware = built("host-harness/tests/raw-middleware", &[]).await;
    let app = built("host-harness/tests/raw-service", &[]).await;
    let both = BothWays::of("composed-raw", app, &[middleware.clone(), middleware]).await;
    let paths = ["hello", "host", "nothing", "echo", "copy", "panic", "code", "panic-after-head"];
    let behaviours = ["pass", "copy", "stop", "twice", "panic"];
    let mut rng = StdRng::seed_from_u64(3);
    let requests = (0..200).map(|_| Drawn::draw(&mut rng, &paths, "x-middleware", &behaviours));
    let [whole, cut, failed] = both.compare(requests).await;
    // The random requests led to every outcome.
    assert!(whole > 50 && cut > 5 && failed > 50, "{whole} whole, {cut} cut, {failed} failed");
}

/// No path here traps. In a chain, the middleware would get a 500 in place of a trap and could change it; a composed
/// component would end.
#[tokio::test]
async fn the_example_middleware_composed_and_chained_gives_the_same_answers_to_the_same_200_requests() {
    let mut middleware = Vec::new();
    for name in ["log", "auth", "rewrite"] {
        middleware.push(built(&format!("examples/{name}"), &[]).await);
    }
    let guests = ["status/404", "limited", "trailers", "error", "body-fails", "channel/dropped", "fields/20", "whole"];
    let mut rng = StdRng::seed_from_u64(7);
    let mut all = [0; 3];
    for (app, paths) in [("examples/echo", &["quiet", "loud"][..]), ("host-harness/tests/guests", &guests)] {
        let app = built(app, &["wayside/wasip3"]).await;
        let both = BothWays::of("composed-examples", app, &middleware).await;
        let tokens = ["Bearer secret", "Bearer secret", "Bearer secret", "Bearer guess"];
        let requests = (0..100).map(|_| Drawn::draw(&mut rng, paths, "authorization", &tokens));
        let counted = both.compare(requests).await;
        all = std::array::from_fn(|index| all[index] + counted[index]);
        both.composed.idle().await;
        assert!(both.composed.traps().is_empty(), "{:?}", both.composed.traps());
    }
    let [whole, cut, failed] = all;
    assert!(whole > 50 && cut > 5 && failed > 20, "{whole} whole, {cut} cut, {failed} failed");
}

/// The host refuses the path `*`, so the middleware passes the request on without a path.
#[tokio::test]
async fn the_asterisk_of_an_options_request_passes_through_composed_middleware() {
    let middleware = built("examples/log", &[]).await;
    let app = built("host-harness/tests/guests", &["wayside/wasip3"]).await;
    let both = BothWays::of("composed-asterisk", app, &[middleware]).await;
    for app in [&both.composed, &both.chained] {
        let request = Request::options("*").header("host", "test").header("x-mirror-status", "200").body(()).unwrap();
        assert_eq!(app.request(request).await.headers()["x-mirror-path"], "*");
    }
}

/// Sends a request, and returns the memory in bytes that all its components take together.
async fn memory_of(app: &Harness) -> usize {
    app.ask(get("/hello")).await.assert_status(200);
    app.idle().await;
    app.usage().iter().map(|usage| usage.memory_bytes).sum()
}

#[tokio::test]
async fn a_composed_component_takes_what_its_parts_take_and_is_held_to_the_limit_as_a_whole() {
    let middleware = built("host-harness/tests/raw-middleware", &[]).await;
    let app = built("host-harness/tests/raw-service", &[]).await;
    let both = BothWays::of("composed-memory", app, &[middleware.clone(), middleware]).await;
    let needed = memory_of(&both.composed).await;
    assert_eq!(needed, memory_of(&both.chained).await);
    let limited = async |memory_bytes| {
        let limits = Limits::default().memory_bytes(memory_bytes);
        Harness::load(&both.composed.description().path).limits(limits).await.unwrap()
    };
    assert_eq!(memory_of(&limited(needed).await).await, needed);
    let refused = limited(needed - 1).await;
    refused.ask(get("/hello")).await.assert_status(500);
    refused.idle().await;
    let [trap] = &refused.traps()[..] else { panic!("{:?}", refused.traps()) };
    assert!(trap.reason.contains(&format!("more than its {} bytes of memory", needed - 1)), "{}", trap.reason);
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

#[tokio::test]
async fn composed_middleware_may_pass_the_body_of_an_answer_on() {
    let twice = built("host-harness/tests/middleware-twice", &[]).await;
    for name in ["echo", "upload"] {
        let app = built(&format!("examples/{name}"), &["wayside/wasip3"]).await;
        let composed = output(&format!("twice-{name}.wasm"));
        std::fs::write(&composed, compose(&app, std::slice::from_ref(&twice)).unwrap()).unwrap();
        let composed = Harness::load(composed).await.unwrap();
        let chained = Harness::load(&app).middleware(&twice).await.unwrap();
        for app in [composed, chained] {
            let pieces =
                ["one ", "two ", "three"].map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::from(piece))));
            let body = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
            let request = Request::post("http://localhost/in-turn").body(body).unwrap();
            let text = app.request(request).await.into_body().text().await.unwrap();
            // `upload` answers the first request with `13 bytes` and a line feed. These nine bytes are the body of the
            // second request.
            assert_eq!(text, if name == "echo" { "one two three" } else { "9 bytes\n" });
            assert!(app.traps().is_empty(), "{:?}", app.traps());
        }
    }
}
