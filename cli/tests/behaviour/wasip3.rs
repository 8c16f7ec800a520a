//! WASI 0.3 services without `wayside`: behaviour on the wire, and failures.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use wayside_harness::http::{Response, StatusCode};
use wayside_harness::{Body, Harness, HarnessBuilder, Limits, Outbound};

use super::fixture::{Wire, eventually, get, post, root, within};

pub(crate) fn service() -> HarnessBuilder {
    Harness::build(root().join("host-harness/tests/raw-service"))
}

async fn wire_get(path: &str) -> (Wire, Harness) {
    let app = service().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::get(&server, path).await;
    server.shutdown().await;
    app.idle().await;
    (wire, app)
}

async fn text_of(app: &Harness, path: &str) -> (StatusCode, String) {
    let response = app.request(get(path)).await;
    let status = response.status();
    (status, response.into_body().text().await.unwrap())
}

/// An upstream that holds each call until the test releases it, and counts the calls that it holds.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    open: Arc<Notify>,
    waiting: Arc<std::sync::atomic::AtomicUsize>,
}

impl Gate {
    pub(crate) fn outbound(&self) -> Outbound {
        let gate = self.clone();
        Outbound::from_fn(move |request| {
            let gate = gate.clone();
            async move {
                gate.waiting.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                gate.open.notified().await;
                gate.waiting.fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
                Ok(Response::new(request.uri().path().to_owned().into()))
            }
        })
    }

    /// Releases one call.
    pub(crate) fn open_one(&self) {
        self.open.notify_one();
    }

    /// Waits until the upstream holds exactly this many calls.
    pub(crate) async fn holds(&self, calls: usize) {
        eventually("the calls arrive", || self.waiting.load(std::sync::atomic::Ordering::Acquire) == calls).await;
    }
}

#[tokio::test]
async fn a_service_answers() {
    let (wire, app) = wire_get("/hello").await;
    assert_eq!((wire.status, wire.whole_text().as_str()), (200, "Hello from WASI 0.3!\n"));
    assert_eq!(wire.field("content-length"), ["21"]);
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn the_host_is_the_authority() {
    let (wire, _) = wire_get("/host").await;
    assert_eq!(wire.whole_text(), "test");
}

#[tokio::test]
async fn no_body_has_no_chunks() {
    let (wire, _) = wire_get("/nothing").await;
    assert_eq!(wire.status, 200);
    assert_eq!(wire.field("transfer-encoding"), [""; 0]);
    assert_eq!(wire.field("content-length"), ["0"]);
}

#[tokio::test]
async fn bodies_and_trailers_pass_handed_through_or_copied() {
    let app = service().await.unwrap();
    for path in ["/echo", "/copy"] {
        let mut trailers = wayside_harness::http::HeaderMap::new();
        trailers.insert("x-digest", "abc".parse().unwrap());
        let data = vec![b'x'; 300_000];
        let frames = [
            wayside_harness::http_body::Frame::data(wayside_harness::bytes::Bytes::new()),
            wayside_harness::http_body::Frame::data(data.clone().into()),
            wayside_harness::http_body::Frame::trailers(trailers.clone()),
        ];
        let body = futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>));
        let response = app.request(post(path, Body::new(http_body_util::StreamBody::new(body)))).await;
        let (bytes, echoed) = response.into_body().bytes_and_trailers().await.unwrap();
        assert!(bytes == data, "{path}: {} bytes", bytes.len());
        assert_eq!(echoed, Some(trailers), "{path}");
    }
}

#[tokio::test]
async fn a_response_that_is_read_late_is_whole() {
    let app = service().await.unwrap();
    for _ in 0..50 {
        let response = app.request(get("/hello")).await;
        app.idle().await;
        assert_eq!(response.into_body().text().await.unwrap(), "Hello from WASI 0.3!\n");
    }
}

#[tokio::test]
async fn a_panic_before_the_head_is_500() {
    let (wire, app) = wire_get("/panic").await;
    assert_eq!((wire.status, wire.whole_text().as_str()), (500, r#"{"title":"Internal Server Error","status":500}"#));
    assert!(app.log_text().contains("the handler gave up"), "{}", app.log_text());
    assert_eq!(app.traps().len(), 1);
    assert!(app.traps()[0].reason.contains("unreachable"), "{:?}", app.traps());
}

#[tokio::test]
async fn a_panic_after_the_head_cuts_the_response() {
    let (wire, app) = wire_get("/panic-after-head").await;
    assert_eq!((wire.status, wire.cut_text().as_str()), (200, "first part"));
    assert_eq!(app.traps().len(), 1);
}

#[tokio::test]
async fn a_panic_after_the_end_costs_the_client_nothing() {
    for _ in 0..20 {
        let (wire, app) = wire_get("/panic-after-end").await;
        assert_eq!((wire.status, wire.whole_text().as_str()), (200, "all of it"));
        assert_eq!(app.traps().len(), 1);
    }
}

#[tokio::test]
async fn a_body_that_is_never_finished_is_cut() {
    let app = service().limits(Limits::default().timeout(Duration::from_millis(100))).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::get(&server, "/leak").await;
    assert_eq!((wire.status, wire.cut_text().as_str()), (200, "first part"));
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_writer_is_told_that_its_response_broke_off() {
    let (wire, app) = wire_get("/break-off").await;
    assert_eq!((wire.status, wire.cut_text().as_str()), (200, ""));
    assert!(app.log_text().starts_with("configuration-error"), "{}", app.log_text());
    let app = service().await.unwrap();
    assert!(app.request(get("/break-off")).await.into_body().bytes().await.is_err());
    app.idle().await;
    assert!(app.log_text().starts_with("configuration-error"), "{}", app.log_text());
}

#[tokio::test]
async fn an_error_code_is_500() {
    let (wire, app) = wire_get("/code").await;
    assert_eq!((wire.status, wire.whole_text().as_str()), (500, r#"{"title":"Internal Server Error","status":500}"#));
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_handler_over_its_time_is_504_whether_it_waits_or_works() {
    let limits = Limits::default().timeout(Duration::from_millis(100));
    let app = service().outbound(Gate::default().outbound()).limits(limits).await.unwrap();
    for path in ["/call/never", "/spin"] {
        assert_eq!(app.request(get(path)).await.status(), 504, "{path}");
        app.idle().await;
    }
    assert_eq!(app.traps().len(), 2);
    assert!(app.traps()[0].reason.contains("longer than the limit"), "{:?}", app.traps());
}

#[tokio::test]
async fn work_after_the_response_goes_on_for_its_time() {
    let gate = Gate::default();
    let app = service().outbound(gate.outbound()).limits(Limits::default().timeout(Duration::from_millis(200)));
    let app = app.await.unwrap();
    assert_eq!(text_of(&app, "/background/1").await.1, "more is to come");
    gate.holds(1).await;
    gate.open.notify_one();
    app.idle().await;
    assert_eq!(app.log_text(), "/background/1 has called: true\n");
    // The test never releases the next call, so the time limit must end it.
    assert_eq!(text_of(&app, "/background/2").await.1, "more is to come");
    app.idle().await;
    assert_eq!(app.traps().len(), 1);
    assert_eq!(app.traps()[0].request, 2);
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_to_the_writer() {
    let app = service().await.unwrap();
    let mut body = app.request(get("/endless")).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    app.idle().await;
    assert_eq!(app.log_text(), "the writer was told\n");
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_ends_its_instance() {
    let gate = Gate::default();
    let app = Arc::new(service().outbound(gate.outbound()).await.unwrap());
    let request = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.request(get("/call/never")).await }
    });
    gate.holds(1).await;
    request.abort();
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn a_reset_before_the_head_ends_its_instance() {
    use tokio::io::AsyncWriteExt as _;

    let gate = Gate::default();
    let app = service().outbound(gate.outbound()).limits(Limits::default().timeout(Duration::from_secs(3600)));
    let app = app.await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /call/never HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    gate.holds(1).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    within("the end of the instance", app.idle()).await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}

#[tokio::test]
async fn an_upload_of_an_instance_that_ended_badly_is_cut() {
    let upstream = Outbound::from_fn(async |request| {
        let mut body = request.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "first part");
        let rest = body.bytes().await;
        assert!(rest.is_err(), "the upload passes for whole");
        Ok(Response::new(Body::empty()))
    });
    let app = service().outbound(upstream).await.unwrap();
    assert_eq!(app.request(get("/upload")).await.status(), 500);
    app.idle().await;
    assert_eq!(app.traps().len(), 1);
}

#[tokio::test]
async fn an_instance_takes_its_share_of_requests_and_then_another_does() {
    let app = service().reuse(3).await.unwrap();
    for number in 0..9 {
        assert_eq!(text_of(&app, "/hello").await.1, "Hello from WASI 0.3!\n");
        app.idle().await;
        assert_eq!(app.instances(), number / 3 + 1);
    }
}

#[tokio::test]
async fn an_instance_works_on_as_many_requests_at_once_as_it_may() {
    let gate = Gate::default();
    let app = Arc::new(service().outbound(gate.outbound()).reuse(100).at_once(4).await.unwrap());
    let requests: Vec<_> = (0..8)
        .map(|number| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { text_of(&app, &format!("/log/{number}")).await.1 })
        })
        .collect();
    gate.holds(8).await;
    assert_eq!(app.instances(), 2);
    for _ in 0..8 {
        gate.open.notify_one();
    }
    for request in requests {
        assert_eq!(request.await.unwrap(), "logged");
    }
    app.idle().await;
    assert_eq!(app.instances(), 2);
    // Output is attributed to the request that wrote it, although the instance handles other requests meanwhile.
    for number in 1..=8 {
        let wrote: Vec<_> =
            app.logs().into_iter().filter(|entry| entry.request == number).map(|entry| entry.text).collect();
        let path = wrote.first().and_then(|text| text.split(' ').next()).unwrap_or_default().to_owned();
        assert_eq!(wrote.concat(), format!("{path} before\n{path} after\n"), "{:?}", app.logs());
    }
    assert_eq!(app.calls().len(), 8);
}

#[tokio::test]
async fn a_trap_is_told_from_those_that_only_shared_its_instance() {
    let gate = Gate::default();
    let app = Arc::new(service().outbound(gate.outbound()).reuse(100).at_once(4).await.unwrap());
    // Three requests share an instance: one streams its response, one waits for its call, and the last one will trap.
    let mut body = app.request(get("/endless")).await.into_body();
    let request = |path: &'static str| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.request(get(path)).await.status().as_u16() })
    };
    let waiting = request("/call/x");
    gate.holds(1).await;
    let trapping = request("/panic");
    assert_eq!((trapping.await.unwrap(), waiting.await.unwrap()), (500, 500));
    let cut = loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(cut, "a response of an instance that trapped passes for whole");
    app.idle().await;
    let traps: Vec<_> = app.traps().into_iter().map(|trap| (trap.request, trap.reason)).collect();
    assert_eq!(traps.len(), 3, "{traps:?}");
    for (request, reason) in &traps {
        match request {
            3 => assert!(reason.contains("unreachable"), "{reason}"),
            _ => assert!(reason.starts_with("collateral of request 3"), "{reason}"),
        }
    }
    // Another instance handles the next request.
    assert_eq!(text_of(&app, "/hello").await.0, 200);
    assert_eq!(app.instances(), 2);
}

#[tokio::test]
async fn a_request_over_its_time_does_not_end_those_beside_it() {
    let gate = Gate::default();
    let limits = Limits::default().timeout(Duration::from_millis(300));
    let app = Arc::new(service().outbound(gate.outbound()).limits(limits).reuse(100).at_once(4).await.unwrap());
    // A response has no time limit after its head.
    let mut body = app.request(get("/endless")).await.into_body();
    assert_eq!(app.request(get("/call/never")).await.status(), 504);
    for _ in 0..10 {
        body.frame().await.unwrap().unwrap();
    }
    // The instance gets no new requests, and ends after its running one.
    assert_eq!(text_of(&app, "/hello").await.0, 200);
    assert_eq!(app.instances(), 2);
    drop(body);
    app.idle().await;
    assert_eq!(app.traps().len(), 1, "{:?}", app.traps());
}

#[tokio::test]
async fn fuel_and_calls_to_the_host_are_counted_for_each_request() {
    let app = service().count_fuel().reuse(2).at_once(2).await.unwrap();
    for _ in 0..4 {
        text_of(&app, "/hello").await;
        app.idle().await;
    }
    let [first, second, third, fourth] = app.usage()[..] else { panic!("{:?}", app.usage()) };
    // The first request of an instance also pays for the start. Each instance does the same work.
    assert!(first.fuel > second.fuel && second.fuel > Some(0), "{:?}", app.usage());
    assert_eq!((first.fuel, first.host_calls), (third.fuel, third.host_calls));
    assert_eq!((second.fuel, second.host_calls), (fourth.fuel, fourth.host_calls));
}

/// Sets a flag when it is dropped.
struct SaysDropped(Arc<std::sync::atomic::AtomicBool>);

impl Drop for SaysDropped {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }
}

#[tokio::test]
async fn the_call_of_a_relay_ends_when_its_client_hangs_up_while_nothing_is_written() {
    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use wayside_harness::bytes::Bytes;

    let ended = Arc::new(std::sync::atomic::AtomicBool::default());
    let flag = Arc::clone(&ended);
    let upstream = Outbound::from_fn(move |_| {
        let owned = SaysDropped(Arc::clone(&flag));
        async move {
            let first = stream::iter([Bytes::from_static(b"data: one\n\n")]);
            let body = first.chain(stream::pending()).map(move |piece| {
                let _owned_by_the_body = &owned;
                Ok::<_, std::io::Error>(http_body::Frame::data(piece))
            });
            Ok(Response::new(Body::new(StreamBody::new(body))))
        }
    });
    let guests = Harness::build(root().join("host-harness/tests/guests")).features(["wayside/wasip3"]);
    let app = guests.outbound(upstream).env("UPSTREAM", "http://api.test").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(b"GET /relay HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: one\n\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    assert!(!ended.load(std::sync::atomic::Ordering::Acquire));
    drop(stream);
    eventually("the call ends", || ended.load(std::sync::atomic::Ordering::Acquire)).await;
    app.idle().await;
    assert_eq!(app.log_text(), "");
    assert!(app.traps().is_empty(), "{:?}", app.traps());
}
