//! Outbound calls to real servers on loopback.

mod deadlines;

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wayside_harness::http::{Request, Response};
use wayside_harness::{Body, ErrorCode, Outbound};

use super::fixture::{Upstream, assert_answers_next, example, get, guests, post, read_head};

/// Sends a request to a component, which calls `url`, and returns what it reports. Checks that the same instance then
/// answers another request.
async fn call(url: &str, outbound: Outbound, request: Request<Body>) -> String {
    let app = guests().env("UPSTREAM", url).outbound(outbound).reuse(u32::MAX).await.unwrap();
    let text = app.request(request).await.into_body().text().await.unwrap();
    app.idle().await;
    assert_answers_next(&app).await;
    text
}

fn allow(rule: &str) -> Outbound {
    Outbound::allow([rule.parse().unwrap()])
}

async fn call_upstream(upstream: &Upstream, request: Request<Body>) -> String {
    call(&upstream.url, allow(&upstream.url), request).await
}
/// A server that sends these bytes and then nothing more.
async fn stalling(first: &'static str) -> Upstream {
    Upstream::with(move |mut stream| async move {
        stream.write_all(first.as_bytes()).await.unwrap();
        // Waits until the client hangs up.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

async fn within(path: &str, url: &str) -> String {
    call(url, allow(url), get(path)).await
}

#[tokio::test]
async fn a_call_that_no_rule_allows_is_denied_and_names_the_url() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let text = call(&upstream.url, Outbound::deny(), get("/call")).await;
    assert_eq!(text, format!("denied: GET {}/: the host denied the request\n", upstream.url));
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_whole_response_is_read_to_its_end() {
    let upstream = Upstream::answering("HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello").await;
    assert_eq!(call_upstream(&upstream, get("/call")).await, "status 201\n5 bytes\n");
}

#[tokio::test]
async fn a_response_shorter_than_its_content_length_is_incomplete() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    let text = call_upstream(&upstream, get("/call")).await;
    assert!(
        text.starts_with("status 200\n5 bytes, then incomplete=true: the body broke off after 5 of 100 bytes"),
        "{text}"
    );
}

#[tokio::test]
async fn a_chunked_response_without_its_end_is_incomplete() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let text = call_upstream(&upstream, get("/call")).await;
    assert!(text.starts_with("status 200\n5 bytes, then incomplete=true: "), "{text}");
}

#[tokio::test]
async fn trailers_of_a_response_arrive() {
    let answer =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n";
    let upstream = Upstream::answering(answer).await;
    let text = call_upstream(&upstream, get("/call")).await;
    assert_eq!(text, "status 200\n5 bytes, trailers {\"x-sum\": \"7\"}\n");
}

#[tokio::test]
async fn the_length_in_an_answer_to_head_is_no_missing_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await;
    // This service turns each call of the component into a HEAD request before it reaches the upstream.
    let app = guests().env("UPSTREAM", &upstream.url).outbound(Outbound::from_fn({
        let network = allow(&upstream.url);
        move |mut request: Request<Body>| {
            *request.method_mut() = "HEAD".parse().unwrap();
            tower_service::Service::call(&mut network.clone(), request)
        }
    }));
    let app = app.await.unwrap();
    let response = app.request(Request::builder().method("HEAD").uri("/call").body(()).unwrap()).await;
    assert_eq!(response.status(), 200);
    app.idle().await;
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn interim_responses_are_skipped() {
    let answer = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::answering(answer).await;
    assert_eq!(call_upstream(&upstream, get("/call")).await, "status 200\n2 bytes\n");
}

#[tokio::test]
async fn a_server_that_is_not_there_refuses() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let text = call(&url, allow(&url), get("/call")).await;
    assert_eq!(text, format!("connect: GET {url}/: the connection was refused\n"));
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_is_incomplete() {
    let upstream = Upstream::with(async |mut stream| {
        read_head(&mut stream).await;
    })
    .await;
    let text = call_upstream(&upstream, get("/call")).await;
    assert!(text.starts_with("incomplete: GET "), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_is_an_error() {
    let upstream = Upstream::answering("SSH-2.0-OpenSSH\r\n\r\n").await;
    let text = call_upstream(&upstream, get("/call")).await;
    assert!(text.starts_with("other: GET "), "{text}");
}

#[tokio::test]
async fn tls_to_a_server_without_tls_is_a_tls_error() {
    let upstream = Upstream::with(async |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let url = upstream.url.replace("http:", "https:");
    let text = call(&url, allow(&url), get("/call")).await;
    assert!(text.starts_with("tls: GET "), "{text}");
}

#[tokio::test]
async fn the_request_reaches_the_server_as_it_was_made() {
    let seen = Arc::new(Mutex::new(String::new()));
    let heads = Arc::clone(&seen);
    let upstream = Upstream::with(move |mut stream| {
        let heads = Arc::clone(&heads);
        async move {
            let head = read_head(&mut stream).await;
            let mut body = [0; 5];
            stream.read_exact(&mut body).await.unwrap();
            *heads.lock().unwrap() = head + std::str::from_utf8(&body).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let request = Request::put("/call")
        .header("x-kept", "yes")
        .header("connection", "x-private")
        .header("x-private", "no")
        .header("te", "trailers")
        .body("hello".into())
        .unwrap();
    let text = call_upstream(&upstream, request).await;
    assert_eq!(text, "status 204\n0 bytes\n");
    let seen = seen.lock().unwrap().to_ascii_lowercase();
    assert!(seen.starts_with("put / http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("\r\nhost: {}\r\n", upstream.url.trim_start_matches("http://"))), "{seen}");
    assert!(seen.contains("\r\nx-kept: yes\r\n") && !seen.contains("x-private"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nhello"), "{seen}");
    assert_eq!(seen.matches("\r\nhost:").count(), 1, "{seen}");
}

#[tokio::test]
async fn user_and_password_of_a_url_do_not_reach_the_server() {
    let seen = Arc::new(Mutex::new(String::new()));
    let heads = Arc::clone(&seen);
    let upstream = Upstream::with(move |mut stream| {
        let heads = Arc::clone(&heads);
        async move {
            *heads.lock().unwrap() = read_head(&mut stream).await.to_ascii_lowercase();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let url = upstream.url.replace("http://", "http://ada:s3cret@");
    assert_eq!(call(&url, allow(&upstream.url), get("/call")).await, "status 204\n0 bytes\n");
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&format!("\r\nhost: {}\r\n", upstream.url.trim_start_matches("http://"))), "{seen}");
    assert!(!seen.contains("s3cret"), "{seen}");
}

#[tokio::test]
async fn an_answer_arrives_while_the_upload_goes_on() {
    use http_body_util::channel::Channel;
    use wayside_harness::bytes::Bytes;

    let upstream = Upstream::with(async |mut stream| {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhi!\r\n").await.unwrap();
        // Sends the rest of the response only after the rest of the upload has arrived.
        let mut upload = Vec::new();
        while !upload.ends_with(b"0\r\n\r\n") {
            upload.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"3\r\nbye\r\n0\r\n\r\n").await.unwrap();
    })
    .await;
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(allow(&upstream.url)).await.unwrap();
    let (mut upload, body) = Channel::<Bytes, std::io::Error>::new(1);
    let response = app.request(post("/", Body::new(body))).await;
    assert_eq!(response.status(), 200);
    upload.send_data("late".into()).await.unwrap();
    drop(upload);
    assert_eq!(response.into_body().text().await.unwrap(), "hi!bye");
}

#[tokio::test]
async fn every_error_code_is_told_apart_and_says_what_it_means() {
    use std::collections::VecDeque;

    let size = Some(7);
    let (field_name, field_size) = (Some("x-big".to_owned()), Some(7));
    let expected: [(ErrorCode, &str, &str); 39] = [
        (ErrorCode::DnsTimeout, "timeout", "the name lookup timed out"),
        (ErrorCode::DnsError { rcode: Some("NXDOMAIN".into()), info_code: None }, "dns", "lookup failed: NXDOMAIN"),
        (ErrorCode::DestinationNotFound, "dns", "was not found"),
        (ErrorCode::DestinationUnavailable, "connect", "is unavailable"),
        (ErrorCode::DestinationIpProhibited, "denied", "address is prohibited"),
        (ErrorCode::DestinationIpUnroutable, "connect", "cannot be routed to"),
        (ErrorCode::ConnectionRefused, "connect", "was refused"),
        (ErrorCode::ConnectionTerminated, "incomplete", "the connection broke"),
        (ErrorCode::ConnectionTimeout, "timeout", "the connection timed out"),
        (ErrorCode::ConnectionReadTimeout, "timeout", "reading from the connection timed out"),
        (ErrorCode::ConnectionWriteTimeout, "timeout", "writing to the connection timed out"),
        (ErrorCode::ConnectionLimitReached, "connect", "too many connections"),
        (ErrorCode::TlsProtocolError, "tls", "TLS failed"),
        (ErrorCode::TlsCertificateError, "tls", "certificate was refused"),
        (ErrorCode::TlsAlertReceived { alert_id: Some(40), alert_message: Some("bad".into()) }, "tls", "alert: bad"),
        (ErrorCode::HttpRequestDenied, "denied", "denied the request"),
        (ErrorCode::HttpRequestLengthRequired, "request", "needs a content-length"),
        (ErrorCode::HttpRequestBodySize(Some(7)), "request", "the wrong size: 7 bytes"),
        (ErrorCode::HttpRequestMethodInvalid, "request", "the method is not valid"),
        (ErrorCode::HttpRequestUriInvalid, "request", "the URL is not valid"),
        (ErrorCode::HttpRequestUriTooLong, "request", "the URL is too long"),
        (ErrorCode::HttpRequestHeaderSectionSize(size), "request", "request fields are too large: 7 bytes"),
        (
            ErrorCode::HttpRequestHeaderSize { field_name: field_name.clone(), field_size },
            "request",
            "a request field is too large: x-big",
        ),
        (ErrorCode::HttpRequestTrailerSectionSize(size), "request", "request trailers are too large: 7 bytes"),
        (
            ErrorCode::HttpRequestTrailerSize { field_name: field_name.clone(), field_size },
            "request",
            "a request trailer is too large: x-big",
        ),
        (ErrorCode::HttpResponseIncomplete, "incomplete", "the response broke off"),
        (ErrorCode::HttpResponseHeaderSectionSize(size), "other", "response fields are too large: 7 bytes"),
        (
            ErrorCode::HttpResponseHeaderSize { field_name: field_name.clone(), field_size },
            "other",
            "a response field is too large: x-big",
        ),
        (ErrorCode::HttpResponseBodySize(Some(7)), "other", "the response body has the wrong size: 7 bytes"),
        (ErrorCode::HttpResponseTrailerSectionSize(size), "other", "response trailers are too large: 7 bytes"),
        (
            ErrorCode::HttpResponseTrailerSize { field_name, field_size },
            "other",
            "a response trailer is too large: x-big",
        ),
        (ErrorCode::HttpResponseTransferCoding(Some("odd".into())), "other", "transfer coding is unknown: odd"),
        (ErrorCode::HttpResponseContentCoding(Some("odd".into())), "other", "content coding is unknown: odd"),
        (ErrorCode::HttpResponseTimeout, "timeout", "the response timed out"),
        (ErrorCode::HttpUpgradeFailed, "other", "the upgrade failed"),
        (ErrorCode::HttpProtocolError, "other", "broke the rules of HTTP"),
        (ErrorCode::LoopDetected, "request", "goes in a loop"),
        (ErrorCode::ConfigurationError, "other", "is not configured"),
        (ErrorCode::InternalError(Some("odd".into())), "other", "the host failed: odd"),
    ];
    let (codes, told): (VecDeque<_>, Vec<_>) =
        expected.into_iter().map(|(code, kind, text)| (code, (kind, text))).unzip();
    let codes = Mutex::new(codes);
    let outbound = Outbound::from_fn(move |_| {
        let code = codes.lock().unwrap().pop_front().unwrap();
        async move { Err(code) }
    });
    let app = guests().env("UPSTREAM", "http://made-up.test").outbound(outbound).reuse(u32::MAX).await.unwrap();
    for (kind, text) in told {
        let said = app.request(get("/call")).await.into_body().text().await.unwrap();
        assert!(said.starts_with(&format!("{kind}: GET http://made-up.test/: ")) && said.contains(text), "{said}");
        app.idle().await;
    }
    assert_answers_next(&app).await;
}

#[tokio::test]
async fn sixteen_calls_are_under_way_at_the_same_time() {
    // No call is answered before all sixteen have arrived.
    let barrier = Arc::new(tokio::sync::Barrier::new(16));
    let outbound = Outbound::from_fn(move |_| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok(Response::new("fine".into()))
        }
    });
    let text = call("http://made-up.test", outbound, get("/at-once/16")).await;
    assert_eq!(text, "16 answers\n");
}

#[tokio::test]
async fn a_body_of_a_response_that_fails_is_incomplete() {
    let outbound = Outbound::from_fn(async |_| {
        let frames = [Ok(wayside_harness::http_body::Frame::data("part".into())), Err(std::io::Error::other("gone"))];
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        Ok(Response::new(Body::new(body)))
    });
    let text = call("http://made-up.test", outbound, get("/call")).await;
    assert!(text.starts_with("status 200\n4 bytes, then incomplete=true: "), "{text}");
}

#[tokio::test]
async fn a_redirect_loop_is_an_error() {
    let upstream = Upstream::answering("HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n").await;
    let text = within("/deadline/60000", &upstream.url).await;
    assert!(text.starts_with("head: timeout=false redirect=true: GET http://"), "{text}");
    assert!(text.ends_with("/again: more than 10 redirects\n"), "{text}");
    assert_eq!(upstream.connections(), 11);
}

#[tokio::test]
async fn a_connection_that_is_reset_in_the_body_is_incomplete() {
    let upstream = Upstream::with(async |mut stream| {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    let text = call_upstream(&upstream, get("/call")).await;
    assert!(text.contains("incomplete=true") || text.starts_with("incomplete: "), "{text}");
}

#[tokio::test]
async fn the_body_of_a_response_that_is_dropped_while_it_is_read_ends_nothing() {
    let upstream = stalling("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    let text = call_upstream(&upstream, get("/half-read/response")).await;
    assert_eq!(text, "5 bytes, then a pause\n");
}

#[tokio::test]
async fn an_early_answer_is_not_lost_with_the_upload() {
    let upstream = Upstream::with(async |mut stream| {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig").await.unwrap();
        stream.flush().await.unwrap();
        // Reads the rest of the upload. Closing with unread data would reset the connection, and the response could be
        // lost.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(allow(&upstream.url)).await.unwrap();
    let response = app.request(post("/", vec![b'x'; 8 * 1024 * 1024])).await;
    assert_eq!(response.status(), 413);
    assert_eq!(response.into_body().text().await.unwrap(), "big");
}

#[tokio::test]
async fn an_upload_is_cut_when_its_component_ends_badly() {
    for how in ["panic", "trap"] {
        let seen = Arc::new(Mutex::new(None));
        let uploads = Arc::clone(&seen);
        let upstream = Upstream::with(move |mut stream| {
            let uploads = Arc::clone(&uploads);
            async move {
                read_head(&mut stream).await;
                let mut upload = vec![0; "A\r\nfirst part\r\n".len()];
                stream.read_exact(&mut upload).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                *uploads.lock().unwrap() = Some(String::from_utf8([upload, rest].concat()).unwrap());
            }
        })
        .await;
        let app = guests().env("UPSTREAM", &upstream.url).outbound(allow(&upstream.url)).await.unwrap();
        assert_eq!(app.request(get(&format!("/cut-upload/{how}"))).await.status(), 500);
        super::fixture::eventually("the upload ends", || seen.lock().unwrap().is_some()).await;
        let upload = seen.lock().unwrap().clone().unwrap();
        assert_eq!(upload, "A\r\nfirst part\r\n", "{how}: the upload has an end, as if it were whole");
    }
}

#[tokio::test]
async fn what_an_upstream_sends_wrong_is_502_and_not_the_fault_of_the_client() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[1,2]", 200),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<htm>", 502),
        ("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n[1,2]", 502),
    ] {
        let upstream = Upstream::answering(answer).await;
        let app = guests().env("UPSTREAM", &upstream.url).outbound(allow(&upstream.url)).await.unwrap();
        assert_eq!(app.request(get("/upstream-json")).await.status(), status, "{answer}");
    }
}

#[tokio::test]
async fn a_head_request_and_a_304_pass_through_a_proxy_with_the_length_that_they_tell() {
    for (method, status) in [("HEAD", 200), ("GET", 304)] {
        let upstream = Upstream::answering(format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\n")).await;
        let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(allow(&upstream.url)).await.unwrap();
        let response = app.request(Request::builder().method(method).uri("/").body(()).unwrap()).await;
        assert_eq!(response.status(), status, "{method}: {}", app.log_text());
        assert_eq!(response.headers()["content-length"], "100", "{method}");
        assert!(response.into_body().bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_declared_length_that_is_a_lie_costs_no_memory() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 3000000000\r\n\r\n[1,2]").await;
    let app = guests().env("UPSTREAM", &upstream.url).outbound(allow(&upstream.url)).await.unwrap();
    assert_eq!(app.request(get("/upstream-json")).await.status(), 502);
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}
