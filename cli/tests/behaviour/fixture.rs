//! Helpers of all tests: components under test, clients, and upstreams.

#![allow(dead_code, reason = "not every module of tests uses everything")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wayside_harness::http::Request;
use wayside_harness::{Body, Harness, HarnessBuilder, Server};

use super::FEATURES;

/// Whether the components under test are built for WASI 0.3.
pub(crate) fn is_wasip3() -> bool {
    !FEATURES.is_empty()
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The component in `host-harness/tests/guests`. The first segment of a path selects its behaviour.
pub(crate) fn guests() -> HarnessBuilder {
    Harness::build(root().join("host-harness/tests/guests")).features(FEATURES.iter().copied())
}

pub(crate) fn example(name: &str) -> HarnessBuilder {
    Harness::build(root().join("examples").join(name)).features(FEATURES.iter().copied())
}

/// A component that uses only the generated bindings, without `wayside`.
pub(crate) fn raw(name: &str) -> HarnessBuilder {
    Harness::build(root().join("host-harness/tests").join(format!("raw-{name}")))
}

/// Writes a temporary file, and returns its path.
pub(crate) fn temp_file(name: &str, content: &str) -> PathBuf {
    let path = temp_dir().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Makes a new temporary directory for a test.
pub(crate) fn temp_dir() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let unique = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Sends a request, and returns the status and the whole body of the response.
pub(crate) async fn text_of(app: &Harness, request: Request<Body>) -> (u16, String) {
    let response = app.request(request).await;
    (response.status().as_u16(), response.into_body().text().await.unwrap())
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).body(body.into()).unwrap()
}

/// Sends one GET request to the component of [`guests`] over a socket. Returns the response and the component.
pub(crate) async fn wire_get(path: &str) -> (Wire, Harness) {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::get(&server, path).await;
    server.shutdown().await;
    app.idle().await;
    (wire, app)
}

/// Checks the response of `/sleep`, which names two sleeps in the order of their ends. On a busy machine, both may have
/// ended before the component looks, so either order is right.
pub(crate) fn assert_slept(text: &str) {
    assert!(["quick slow ", "slow quick "].contains(&text), "{text}");
}

/// Checks that the first instance still handles requests. `app` is the component of [`guests`], with an instance for
/// many requests.
pub(crate) async fn assert_answers_next(app: &Harness) {
    let next = app.request(get("/sleep")).await;
    assert_slept(&next.into_body().text().await.unwrap());
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    assert_eq!(app.instances(), 1, "another instance took over");
}

/// A raw HTTP/1.1 response.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// The bytes after the head, with their framing.
    pub(crate) rest: Vec<u8>,
}

impl Wire {
    pub(crate) async fn get(server: &Server, path: &str) -> Self {
        Self::exchange(server, &format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")).await
    }

    /// Sends raw text and reads until the server closes the connection.
    pub(crate) async fn exchange(server: &Server, request: &str) -> Self {
        Self::exchange_with(server.addr(), request).await
    }

    pub(crate) async fn exchange_with(addr: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        // Ignores an error, because a reset is one way to break a message off.
        let _ = stream.read_to_end(&mut all).await;
        Self::parse(&all)
    }

    pub(crate) fn parse(all: &[u8]) -> Self {
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no head in {:?}", String::from_utf8_lossy(all));
        });
        let head: String = all[..end].iter().map(|byte| char::from(*byte)).collect();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Self { status, head, rest: all[end + 4..].to_vec() }
    }

    /// Returns the values of a header, in order.
    pub(crate) fn field(&self, name: &str) -> Vec<&str> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// Returns the body without its framing, and whether the body is complete according to the framing.
    pub(crate) fn body(&self) -> (Vec<u8>, bool) {
        if let [length] = self.field("content-length")[..] {
            return (self.rest.clone(), self.rest.len() == length.parse::<usize>().unwrap());
        }
        if self.field("transfer-encoding") != ["chunked"] {
            return (self.rest.clone(), true);
        }
        let (mut body, mut rest) = (Vec::new(), &self.rest[..]);
        loop {
            let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
                return (body, false);
            };
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            rest = &rest[end + 2..];
            if size == 0 {
                return (body, rest.ends_with(b"\r\n"));
            }
            if rest.len() < size + 2 {
                body.extend_from_slice(rest);
                return (body, false);
            }
            body.extend_from_slice(&rest[..size]);
            rest = &rest[size + 2..];
        }
    }

    /// Returns the body as text; fails the test if it was cut.
    pub(crate) fn whole_text(&self) -> String {
        let (body, whole) = self.body();
        assert!(whole, "the response was cut: {self:?}");
        String::from_utf8(body).unwrap()
    }

    /// Returns the received part of a cut body; fails the test if it looks complete.
    pub(crate) fn cut_text(&self) -> String {
        let (body, whole) = self.body();
        assert!(!whole, "the response passes for whole: {self:?}");
        String::from_utf8(body).unwrap()
    }
}

/// A server on loopback that runs the same function for each connection.
pub(crate) struct Upstream {
    pub(crate) url: String,
    requests: std::sync::Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts a server that waits for the head of a request on each connection, sends these bytes, and closes the
    /// connection.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::with(move |mut stream| {
            let answer = answer.clone();
            async move {
                read_head(&mut stream).await;
                stream.write_all(&answer).await.unwrap();
                stream.shutdown().await.unwrap();
                // Closing with unread data would reset the connection before the client has read the response.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        })
        .await
    }

    pub(crate) async fn with<F, A>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = std::sync::Arc::new(AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream));
            }
        });
        Self { url, requests, task }
    }

    /// Returns the number of connections that the server has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads up to the end of a request head, and returns it with one character per byte.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    head.into_iter().map(char::from).collect()
}

/// Awaits a future that must not hang, for at most a minute.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(output) => output,
        Err(_) => panic!("this did not come within a minute: {what}"),
    }
}

/// Waits until a condition holds, for at most a minute.
pub(crate) async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("this never happened: {what}");
}
