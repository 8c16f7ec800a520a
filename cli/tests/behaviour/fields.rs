//! Headers that are kept, dropped or restored on their way to and from a component.

use wayside_harness::Body;
use wayside_harness::http::{HeaderMap, Request};

use super::fixture::{Wire, example, guests, wire_get};

#[tokio::test]
async fn fields_of_a_connection_are_dropped_from_responses() {
    let (wire, app) = wire_get("/forbidden-fields").await;
    assert_eq!(wire.status, 200);
    assert_eq!(wire.field("x-public"), ["kept"]);
    for name in ["keep-alive", "proxy-authenticate", "transfer-encoding", "upgrade", "host", "x-private"] {
        assert!(wire.field(name).is_empty(), "{name}: {wire:?}");
    }
    assert_eq!(wire.whole_text(), "sent");
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn repeated_fields_and_bytes_beyond_ascii_pass_both_ways_in_order() {
    let app = guests().await.unwrap();
    let response = app
        .request(
            Request::get("/field-bytes")
                .header("x-in", "first")
                .header("x-in", &b"caf\xe9 \xff"[..])
                .header("x-in", "third")
                .body(())
                .unwrap(),
        )
        .await;
    let values: Vec<&[u8]> = response.headers().get_all("x-out").iter().map(|value| value.as_bytes()).collect();
    assert_eq!(values, [b"first", &b"caf\xe9 \xff"[..], b"third"]);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[tokio::test]
async fn a_head_of_any_size_arrives_whole() {
    let app = guests().await.unwrap();
    for length in (0..1600).step_by(23) {
        let fields = [
            ("x-empty", String::new()),
            ("x-long", "l".repeat(length)),
            ("x-tab", format!("a\tb{}", "t".repeat(length % 7))),
            ("x-bytes", "é".repeat(length % 50)),
            ("accept", "text/html".to_owned()),
        ];
        let mut request = Request::get("/mirror");
        for (name, value) in &fields {
            request = request.header(*name, value);
        }
        let response = app.request(request.body(()).unwrap()).await;
        for (name, value) in &fields {
            assert_eq!(response.headers()[*name].as_bytes(), value.as_bytes(), "{name} beside {length} bytes");
        }
    }
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn repeated_fields_stay_apart_on_the_wire() {
    let (wire, _) = wire_get("/field-bytes").await;
    assert_eq!(wire.field("set-cookie"), ["a=1", "b=2"]);
}

#[tokio::test]
async fn every_entry_of_an_array_of_headers_is_on_the_wire() {
    let (wire, _) = wire_get("/repeated").await;
    assert_eq!(wire.field("set-cookie"), ["a=1", "b=2", "c=3"]);
    assert_eq!(wire.field("vary"), ["cookie", "origin"]);
    assert_eq!(wire.field("content-type"), ["text/plain; charset=utf-8"]);
}

#[tokio::test]
async fn trailers_are_added_to_those_that_a_body_came_with() {
    let app = guests().await.unwrap();
    for kind in ["incoming", "stream"] {
        let trailers = [("x-digest", "abc"), ("x-own", "old"), ("x-digest", "def")];
        let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let body = Body::from("data").with_trailers(HeaderMap::from_iter(trailers));
        let response = app.request(Request::post(format!("/added-trailers/{kind}")).body(body).unwrap()).await;
        let (data, trailers) = response.into_body().bytes_and_trailers().await.unwrap();
        assert_eq!(data, "data");
        let trailers = trailers.unwrap();
        for (name, values) in [("x-digest", &["abc", "def"][..]), ("x-own", &["new"]), ("x-added", &["1", "2"])] {
            assert_eq!(trailers.get_all(name).iter().collect::<Vec<_>>(), values, "{kind}: {trailers:?}");
        }
    }
}

#[tokio::test]
async fn fields_up_to_the_limit_of_hosts_are_sent() {
    let app = guests().await.unwrap();
    let response = app.request(Request::get("/fields/120x1000").body(()).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().len(), 121);
}

#[tokio::test]
async fn fields_beyond_the_limit_of_hosts_are_500_and_a_log_line() {
    let app = guests().await.unwrap();
    let response = app.request(Request::get("/fields/124x1000").body(()).unwrap()).await;
    assert_eq!(response.status(), 500);
    app.idle().await;
    assert!(app.log_text().contains("the fields are too large"), "{}", app.log_text());
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn fields_of_any_size_near_the_limit_of_hosts_never_end_the_instance() {
    let app = guests().reuse(u32::MAX).await.unwrap();
    let mut statuses = Vec::new();
    // One header of about 128 KiB, which is the limit of the host for all headers. The SDK adds a `content-length` to
    // it.
    for size in (130_800..131_100).step_by(4) {
        let response = app.request(Request::get(format!("/fields/{size}")).body(()).unwrap()).await;
        statuses.push(response.status().as_u16());
        response.into_body().bytes().await.unwrap();
        app.idle().await;
    }
    assert!(app.traps().is_empty(), "{:?}", app.traps()[0]);
    assert!(statuses.is_sorted(), "{statuses:?}");
    assert_eq!((statuses[0], *statuses.last().unwrap()), (200, 500));
    assert_eq!(app.instances(), 1);
}

#[tokio::test]
async fn trailers_beyond_the_limit_of_hosts_cut_the_response() {
    let app = guests().await.unwrap();
    let response = app.request(Request::get("/fields/0?124x1000").body(()).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert!(response.into_body().bytes().await.is_err());
    app.idle().await;
    assert!(app.log_text().contains("the fields are too large"), "{}", app.log_text());
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn the_target_and_the_host_field_are_restored() {
    let app = example("headers").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "GET /a%20b?q=%C3%BC HTTP/1.1\r\nHost: example.org:8080\r\nconnection: close\r\n\r\n";
    let text = Wire::exchange(&server, request).await.whole_text();
    assert_eq!(text, "GET http://example.org:8080/a%20b?q=%C3%BC\nhost: example.org:8080\n");
}

#[tokio::test]
async fn a_method_of_ones_own_arrives() {
    let app = example("headers").await.unwrap();
    let response = app.request(Request::builder().method("PURGE").uri("/x").body(()).unwrap()).await;
    assert!(response.into_body().text().await.unwrap().starts_with("PURGE http://localhost/x\n"));
}

#[tokio::test]
async fn the_target_of_an_options_request_may_be_an_asterisk() {
    let app = example("headers").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, "OPTIONS * HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(wire.status, 200, "{wire:?}");
    assert!(wire.whole_text().starts_with("OPTIONS "), "{wire:?}");
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "POST /trailers HTTP/1.1\r\nhost: test\r\nconnection: close\r\nte: trailers\r\n\
                   transfer-encoding: chunked\r\ntrailer: x-digest\r\n\r\n\
                   4\r\ndata\r\n0\r\nx-digest: abc\r\n\r\n";
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.status, 200);
    assert!(String::from_utf8_lossy(&wire.rest).ends_with("0\r\nx-digest: abc\r\n\r\n"), "{wire:?}");
}

#[tokio::test]
async fn trailers_pass_through_an_echo() {
    use http_body_util::StreamBody;
    use wayside_harness::bytes::Bytes;
    use wayside_harness::http_body::Frame;

    let trailers = HeaderMap::from_iter([("x-digest".parse().unwrap(), "abc".parse().unwrap())]);
    let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(trailers.clone())];
    let frames = futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>));
    let app = example("echo").await.unwrap();
    let response = app.request(Request::post("/").body(Body::new(StreamBody::new(frames))).unwrap()).await;
    let (data, received) = response.into_body().bytes_and_trailers().await.unwrap();
    assert_eq!(data, "data");
    assert_eq!(received, Some(trailers));
}
