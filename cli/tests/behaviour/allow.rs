//! Which servers a component may call, over real sockets on loopback.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing_subscriber::fmt::MakeWriter;
use wayside_harness::{Body, Outbound};

use super::fixture::{Upstream, get, guests, post, read_head, temp_dir, text_of};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Makes a component call a URL. Returns what the component reports, and what the host logs.
async fn call(outbound: Outbound, url: &str) -> (String, String) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = guests().env("UPSTREAM", url).outbound(outbound).await.unwrap();
    let (_, text) = text_of(&app, get("/call")).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (text, log)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn allow(rules: &[&str]) -> Outbound {
    Outbound::allow(rules.iter().map(|rule| rule.parse().unwrap()))
}

fn port(upstream: &Upstream) -> u16 {
    upstream.url.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_wildcard_does_not_stand_for_an_address_of_this_machine() {
    let upstream = Upstream::answering(OK).await;
    let port = port(&upstream);
    // An address, a name that is resolved, and `127.1`, which only a resolver reads as an address.
    for (host, kind) in [("127.0.0.1", "denied: GET "), ("localhost", "denied: GET "), ("127.1", "denied: GET ")] {
        let url = format!("http://{host}:{port}");
        let (text, log) = call(allow(&["*"]), &url).await;
        assert!(text.starts_with(kind), "{host}: {text}");
        assert_eq!(log.matches("denied the outbound call").count(), 1, "{host}: {log}");
        assert!(log.contains(&format!("allow it with `--allow-outbound {url}`")), "{host}: {log}");
        assert!(log.contains("is loopback, which a `*` does not stand for"), "{host}: {log}");
        // With the rule that the log proposes, the call succeeds.
        let (text, log) = call(allow(&[&url]), &url).await;
        assert_eq!((text.as_str(), log.as_str()), ("status 200\n2 bytes\n", ""), "{host}");
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn a_range_of_addresses_allows_a_name_that_stands_for_one_of_them() {
    let upstream = Upstream::answering(OK).await;
    let port = port(&upstream);
    let url = format!("http://localhost:{port}");
    for rules in [
        &[format!("127.0.0.0/8:{port}"), format!("[::1/128]:{port}")][..],
        &["*".to_owned(), format!("127.0.0.0/8:{port}")],
    ] {
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        assert_eq!(call(allow(&rules), &url).await.0, "status 200\n2 bytes\n", "{rules:?}");
    }
    let (text, log) = call(allow(&[&format!("10.0.0.0/8:{port}")]), &url).await;
    assert!(text.starts_with("denied: "), "{text}");
    assert!(log.contains("is in no range that is allowed"), "{log}");
}

#[tokio::test]
async fn a_range_of_ports_is_kept() {
    let upstream = Upstream::answering(OK).await;
    let port = port(&upstream);
    let inside = format!("127.0.0.1:{}-{}", port - 1, port.saturating_add(1));
    assert_eq!(call(allow(&[&inside]), &upstream.url).await.0, "status 200\n2 bytes\n");
    let below = format!("127.0.0.1:1-{}", port - 1);
    assert!(call(allow(&[&below]), &upstream.url).await.0.starts_with("denied: "));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn what_is_learned_is_what_is_needed() {
    let (one, two) = (Upstream::answering(OK).await, Upstream::answering(OK).await);
    let path = temp_dir().join("rules.txt");
    let outbound = Outbound::learn(&path, Outbound::allow_all()).unwrap();
    for url in [&two.url, &one.url, &two.url, &format!("{}/path?query", one.url)] {
        assert_eq!(call(outbound.clone(), url).await.0, "status 200\n2 bytes\n");
    }
    let learned = fs::read_to_string(&path).unwrap();
    let mut expected = [one.url.clone(), two.url.clone()];
    expected.sort();
    assert_eq!(learned.lines().collect::<Vec<_>>(), expected);
    let rules: Vec<&str> = learned.lines().collect();
    for url in [&one.url, &two.url] {
        assert_eq!(call(allow(&rules), url).await.0, "status 200\n2 bytes\n");
    }
    let error = Outbound::learn("no/such/directory/rules.txt", Outbound::deny()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write the list of rules `no/such/directory/rules.txt`"), "{error}");
}

/// hyper sends trailers over HTTP/1.1 only if a `Trailer` header names them.
#[tokio::test]
async fn request_trailers_that_http1_cannot_send_are_told_in_the_log() {
    let upstream = Upstream::with(async |mut stream| {
        let mut request = read_head(&mut stream).await;
        while !request.ends_with("0\r\n\r\n") && !request.ends_with("x-sum: 1\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap().into());
        }
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    for (announced, is_told) in [(None, true), (Some("x-other"), true), (Some("X-Sum"), false)] {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let app = guests().env("UPSTREAM", &upstream.url).outbound(allow(&[&upstream.url])).await.unwrap();
        let trailers = [("x-sum".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
        let mut request = post("/call", Body::from("data").with_trailers(trailers));
        if let Some(announced) = announced {
            request.headers_mut().insert("trailer", announced.parse().unwrap());
        }
        assert_eq!(text_of(&app, request).await.1, "status 200\n2 bytes\n");
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let told = log.contains("`x-sum`") && log.contains("Trailer");
        assert_eq!(told, is_told, "{announced:?}: {log}");
    }
}
