//! Which side a failed outbound call is blamed on, and which error the component gets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt as _;
use wayside_harness::http::{Request, Response};
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, ErrorCode, Fault, Outbound, mock};

use super::command::{Serving, stderr};
use super::fixture::{Upstream, eventually, get, post, raw, temp_dir};

/// An upstream that reads each connection to its end and records the bytes.
async fn reading() -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    let upstream = Upstream::with(move |mut stream| {
        let requests = Arc::clone(&requests);
        async move {
            let mut request = Vec::new();
            let _ = stream.read_to_end(&mut request).await;
            requests.lock().unwrap().push(String::from_utf8(request).unwrap());
        }
    })
    .await;
    (upstream, seen)
}

/// Checks that no recorded request is complete.
async fn assert_all_cut(upstream: &Upstream, seen: &Mutex<Vec<String>>) {
    eventually("the upstream has read what it was sent", || seen.lock().unwrap().len() == upstream.connections()).await;
    for request in seen.lock().unwrap().iter() {
        let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let whole = if request.contains("content-length: 10") { body.len() == 10 } else { body.ends_with("0\r\n\r\n") };
        assert!(!whole, "{request}");
    }
}

/// Returns outbound services of each kind, all of which read the request body.
async fn outbounds(upstream: &Upstream) -> Vec<(&'static str, Outbound)> {
    let allowed = || Outbound::allow([upstream.url.parse().unwrap()]);
    let read = Outbound::from_fn(async |request: Request<Body>| {
        request.into_body().bytes().await.map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
        Ok(Response::new("read".into()))
    });
    // A condition on the body makes the mock read it.
    let any = mock::Call::any().times(..).matches("anything", |_| true);
    let mock = Outbound::mock().reply(any, mock::Reply::ok());
    vec![
        ("network", allowed()),
        ("function", read.clone()),
        ("mock", Outbound::from(&mock)),
        ("recorded", Outbound::record(temp_dir().join("blame.toml"), read).unwrap()),
        ("faults", Outbound::faults(allowed(), 0.0, 1, Fault::ALL)),
    ]
}

#[tokio::test]
async fn a_request_whose_own_body_fails_has_the_wrong_body_size_in_wasip3() {
    let (upstream, seen) = reading().await;
    let authority = upstream.url.trim_start_matches("http://").to_owned();
    for (name, outbound) in outbounds(&upstream).await {
        let app = super::wasip3::service().env("UPSTREAM", &authority).outbound(outbound).await.unwrap();
        for path in ["/cut-upload/", "/cut-upload/part", "/cut-upload/part/declared", "/cut-upload/012345678/declared"]
        {
            let text = app.request(get(path)).await.into_body().text().await.unwrap();
            assert!(text.starts_with("HTTP-request-body-size"), "{name} {path}: {text}");
        }
    }
    assert_all_cut(&upstream, &seen).await;
}

#[tokio::test]
async fn a_request_whose_own_body_fails_has_the_wrong_body_size_in_wasip2() {
    let (upstream, seen) = reading().await;
    let authority = upstream.url.trim_start_matches("http://").to_owned();
    for (name, outbound) in outbounds(&upstream).await {
        let app = raw("proxy").env("UPSTREAM", &authority).env("CUT", "1").outbound(outbound).await.unwrap();
        for body in ["", "part"] {
            let frames = [Frame::data(body.into())].map(Ok::<_, std::io::Error>);
            let body = Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
            let (head, body) = app.request(post("/", body)).await.into_parts();
            let text = body.text().await.unwrap();
            assert_eq!(head.status, 502, "{name}: {text}");
            assert!(text.starts_with("ErrorCode::HttpRequestBodySize"), "{name}: {text}");
        }
    }
    assert_all_cut(&upstream, &seen).await;
}

#[tokio::test]
async fn a_scheme_other_than_http_is_refused_before_anything_is_sent() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let counted = Outbound::from_fn(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(Response::new(Body::empty())) }
    });
    let cassette = temp_dir().join("schemes.toml");
    let mock = Outbound::mock().reply(mock::Call::any().times(..), mock::Reply::ok());
    let recorded = Outbound::record(&cassette, counted.clone()).unwrap();
    for (name, outbound) in [
        ("function", counted),
        ("network", Outbound::allow_all()),
        ("denied", Outbound::deny()),
        ("mock", Outbound::from(&mock)),
        ("recorded", recorded),
        ("replayed", Outbound::replay(&cassette).unwrap()),
    ] {
        let app = super::wasip3::service().outbound(outbound.clone()).await.unwrap();
        let text = app.request(get("/scheme")).await.into_body().text().await.unwrap();
        assert!(text.starts_with("HTTP-request-URI-invalid"), "{name} in 0.3: {text}");
        for scheme in ["ftp", "ws", "httpx"] {
            let app = raw("proxy").env("UPSTREAM", "upstream.test").env("SCHEME", scheme).outbound(outbound.clone());
            let text = app.await.unwrap().request(get("/")).await.into_body().text().await.unwrap();
            assert!(text.starts_with("ErrorCode::HttpRequestUriInvalid"), "{name} {scheme} in 0.2: {text}");
        }
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_port_that_is_none_is_refused_before_anything_is_sent() {
    for port in ["99999", "65536"] {
        let upstream = format!("127.0.0.1:{port}");
        let app = raw("proxy").env("UPSTREAM", &upstream).outbound(Outbound::allow_all()).await.unwrap();
        let text = app.request(get("/")).await.into_body().text().await.unwrap();
        assert!(text.starts_with("ErrorCode::HttpRequestUriInvalid"), "{port} in 0.2: {text}");
        let app = super::wasip3::service().env("UPSTREAM", &upstream).outbound(Outbound::allow_all()).await.unwrap();
        let text = app.request(get("/cut-upload/part")).await.into_body().text().await.unwrap();
        assert_eq!(text, "HTTP-request-URI-invalid", "{port} in 0.3");
    }
}

#[test]
fn the_log_names_a_scheme_that_is_refused_and_the_url() {
    for (target, scheme) in [("host-harness/tests/raw-proxy", "ws"), ("host-harness/tests/raw-service", "ftp")] {
        let env = format!("SCHEME={scheme}");
        let args = [target, "--env", "UPSTREAM=upstream.test", "--env", &env, "--allow-outbound", "upstream.test"];
        let server = Serving::start(&args);
        server.get("/scheme");
        let log = stderr(&server.stop());
        let expected = format!(
            "refused the outbound call to `{scheme}://upstream.test/scheme`: the scheme `{scheme}` is not supported"
        );
        assert!(log.contains(&expected), "{log}");
    }
}

#[test]
fn a_request_body_that_middleware_breaks_off_is_logged() {
    let args = ["host-harness/tests/guests", "--middleware", "host-harness/tests/raw-middleware"];
    let server = Serving::start(&args);
    server.send("GET /whole HTTP/1.1\r\nhost: test\r\nx-middleware: break-off\r\nconnection: close\r\n\r\n");
    let log = stderr(&server.stop());
    assert!(
        log.contains("#1 warning: the middleware broke off the body of the request to the next handler: "),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_that_a_component_breaks_off_is_logged_with_the_url() {
    let (upstream, _seen) = reading().await;
    let env = format!("UPSTREAM={}", upstream.url.trim_start_matches("http://"));
    let url = upstream.url.clone();
    let log = tokio::task::spawn_blocking(move || {
        let server = Serving::start(&["host-harness/tests/raw-service", "--env", &env, "--allow-outbound", &url]);
        server.get("/cut-upload/part");
        stderr(&server.stop())
    });
    let log = log.await.unwrap();
    let expected = format!("the component broke off the body of its request POST `{}/`: ", upstream.url);
    assert!(log.contains(&expected), "{log}");
}
