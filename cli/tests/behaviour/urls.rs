//! URLs: of outbound calls, of redirects, and of the requests that reach a component.

use std::sync::{Arc, Mutex};

use wayside_harness::http::{HeaderValue, Request, Response};
use wayside_harness::{Body, Harness, Outbound};

use super::fixture::{Upstream, Wire, guests, read_head};
use tokio::io::AsyncWriteExt as _;

/// A server that records request lines, and redirects `/from` to `location`.
async fn recording(location: &[u8]) -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let redirect =
        [b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nconnection: close\r\nlocation: ", location, b"\r\n\r\n"].concat();
    let upstream = Upstream::with(move |mut stream| {
        let (seen, redirect) = (Arc::clone(&seen), redirect.clone());
        async move {
            let head = read_head(&mut stream).await;
            let line = head.lines().next().unwrap().to_owned();
            let answer = if line.contains(" /from ") {
                redirect
            } else {
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()
            };
            seen.lock().unwrap().push(line);
            stream.write_all(&answer).await.unwrap();
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (upstream, lines)
}

fn visit(url: &str) -> Request<Body> {
    let url = HeaderValue::from_bytes(url.as_bytes()).unwrap();
    Request::get("/visit").header("x-url", url).body(Body::empty()).unwrap()
}

/// Makes a component visit this path of a server that redirects `/from` to `location`. Returns what the component
/// reports, and the request lines that the server received.
async fn visited(path: &str, location: &[u8]) -> (String, Vec<String>) {
    let (upstream, lines) = recording(location).await;
    let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
    let app = guests().outbound(outbound).await.unwrap();
    let said = app.request(visit(&format!("{}{path}", upstream.url))).await.into_body().text().await.unwrap();
    let lines = lines.lock().unwrap().clone();
    (said, lines)
}

#[tokio::test]
async fn what_a_url_may_not_hold_is_percent_encoded() {
    for (path, expected) in [
        ("/caf\u{e9}?q=\u{e9}", "/caf%C3%A9?q=%C3%A9"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/\"<>`{}^|", "/%22%3C%3E%60%7B%7D%5E|"),
        ("/?'\"<>", "/?%27%22%3C%3E"),
        ("/a/./b/../c#fragment", "/a/c"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("", "/"),
        ("?q", "/?q"),
    ] {
        let (said, lines) = visited(path, b"/").await;
        assert_eq!(lines, [format!("GET {expected} HTTP/1.1")], "{path}: {said}");
        assert!(said.starts_with("status 200"), "{said}");
    }
}

#[tokio::test]
async fn what_a_location_may_not_hold_is_percent_encoded_and_followed() {
    for (location, expected) in [
        (&b"/caf\xc3\xa9?q=\xc3\xa9"[..], "/caf%C3%A9?q=%C3%A9"),
        (b"/caf\xe9", "/caf%E9"),
        (b"/a b?c d", "/a%20b?c%20d"),
        (b"/a\tb", "/ab"),
        (b"/a\"b<c>d|e", "/a%22b%3Cc%3Ed|e"),
        (b"\\a\\b", "/a/b"),
        (b"a/./b/../c", "/a/c"),
        (b"?q", "/from?q"),
    ] {
        let (said, lines) = visited("/from", location).await;
        let location = location.escape_ascii();
        if expected.starts_with("/from") {
            assert_eq!(lines[1], format!("GET {expected} HTTP/1.1"), "{location}: {said}");
            continue;
        }
        assert_eq!(lines[1..], [format!("GET {expected} HTTP/1.1")], "{location}: {said}");
        assert!(said.starts_with("status 200"), "{said}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_scheme_is_an_error_that_names_the_url() {
    for location in ["com.app.x:/cb?code=1", "mailto:a@b.test", "ftp://b.test/", "javascript:alert(1)"] {
        let (said, lines) = visited("/from", location.as_bytes()).await;
        assert!(said.starts_with("request=false redirect=true: GET http://127.0.0.1:"), "{said}");
        assert!(said.contains(&format!("`{location}`")), "{said}");
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

/// Makes a component visit an invalid URL, and returns what it reports.
async fn refused(app: &Harness, url: &str) -> String {
    app.request(visit(url)).await.into_body().text().await.unwrap()
}

/// A component for tests that allow no outbound call: each call panics.
async fn without_calls() -> Harness {
    let outbound = Outbound::from_fn(async |request: Request<Body>| {
        panic!("a request was sent to {}", request.uri());
        #[allow(unreachable_code, reason = "it tells the type")]
        Ok(Response::new(Body::empty()))
    });
    guests().outbound(outbound).await.unwrap()
}

#[tokio::test]
async fn an_invalid_port_is_an_invalid_url() {
    let app = without_calls().await;
    for url in ["http://h:99999/", "http://h:x/", "http://h:+80/", "http://[::1]:x/", "http://h:65536/"] {
        let said = refused(&app, url).await;
        assert!(said.starts_with("request=true ") && said.contains("the port "), "{url}: {said}");
    }
}

#[tokio::test]
async fn a_url_of_another_scheme_is_refused_before_anything_is_sent() {
    let app = without_calls().await;
    for (url, scheme) in [("ftp://h/", "ftp"), ("mailto:a@b.test", "mailto"), ("ws://h/", "ws")] {
        let said = refused(&app, url).await;
        assert!(said.starts_with("request=true ") && said.contains(&format!("the scheme `{scheme}`")), "{url}: {said}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_ascii_is_an_error_that_names_it() {
    let app = without_calls().await;
    let said = refused(&app, "http://b\u{fc}cher.example/").await;
    assert!(said.contains("`b\u{fc}cher.example`") && said.contains("punycode"), "{said}");
}

#[tokio::test]
async fn the_final_url_is_told_with_the_fragment_of_the_first() {
    let (said, _) = visited("/from#part", b"/to").await;
    assert!(said.starts_with("status 200 of http://127.0.0.1:") && said.contains("/to#part: "), "{said}");
}

/// The first server gets secrets and redirects to the second one, at another port. The second server returns the head
/// that it gets.
#[tokio::test]
async fn secrets_do_not_follow_a_redirect_to_another_origin() {
    let second = Upstream::with(async |mut stream| {
        let head = read_head(&mut stream).await;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{head}", head.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let (first, _) = recording(format!("{}/to", second.url.replace("http://", "http://ada:s3cret@")).as_bytes()).await;
    let outbound = Outbound::allow([first.url.parse().unwrap(), second.url.parse().unwrap()]);
    let app = guests().outbound(outbound).await.unwrap();
    let mut request = visit(&format!("{}/from", first.url.replace("http://", "http://ada:s3cret@")));
    for name in ["authorization", "cookie", "x-kept"] {
        request.headers_mut().insert(name, HeaderValue::from_static("s3cret of the first"));
    }
    let said = app.request(request).await.into_body().text().await.unwrap();
    assert!(said.contains("GET /to HTTP/1.1") && said.contains("x-kept: "), "{said}");
    assert!(!said.contains("authorization") && !said.contains("cookie") && !said.contains("ada"), "{said}");
}

/// Returns the status of the response, and the request URI that the component saw.
async fn target_seen(request: Request<Body>) -> (u16, String) {
    let app = guests().await.unwrap();
    let response = app.request(request).await;
    let seen = response.headers().get("x-mirror-uri").map(|uri| String::from_utf8_lossy(uri.as_bytes()).into_owned());
    (response.status().as_u16(), seen.unwrap_or_default())
}

#[tokio::test]
async fn raw_bytes_in_a_target_reach_the_component_percent_encoded() {
    let request = Request::get("/caf\u{e9}?q=\u{e9}").header("x-mirror-status", "200").body(Body::empty()).unwrap();
    assert_eq!(target_seen(request).await, (200, "http://localhost/caf%C3%A9?q=%C3%A9".to_owned()));
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "GET /caf\u{e9} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx-mirror-status: 200\r\n\r\n";
    assert_eq!(Wire::exchange(&server, request).await.field("x-mirror-uri"), ["http://test/caf%C3%A9"]);
}
