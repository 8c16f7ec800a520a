//! Every example, run as a component.

use std::fs;
use std::path::Path;
use std::time::Duration;

use wayside_harness::bytes::Bytes;
use wayside_harness::http::Request;
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Body, ErrorCode, Outbound, http_body};

use super::fixture::{Upstream, example, get, post, root, text_of};

#[tokio::test]
async fn hello_greets() {
    let app = example("hello").await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "Hello from Wayside!\n".to_owned()));
}

#[tokio::test]
async fn echo_returns_the_body() {
    let app = example("echo").await.unwrap();
    assert_eq!(text_of(&app, post("/", "hello")).await, (200, "hello".to_owned()));
}

#[tokio::test]
async fn headers_shows_each_field() {
    let app = example("headers").await.unwrap();
    let request = Request::get("/p?q=1").header("x-color", "red").header("x-color", "blue").body(Body::empty());
    let (_, text) = text_of(&app, request.unwrap()).await;
    assert_eq!(text, "GET http://localhost/p?q=1\nhost: localhost\nx-color: red\nx-color: blue\n");
}

#[tokio::test]
async fn json_sums_and_refuses_what_does_not_fit() {
    let app = example("json").await.unwrap();
    let ask = async |content_type: &str, body: &'static str| {
        let request = Request::post("/").header("content-type", content_type).body(Body::from(body)).unwrap();
        text_of(&app, request).await
    };
    let json = "application/json";
    assert_eq!(ask(json, r#"{"numbers": [1, 2, 3]}"#).await, (200, r#"{"count":3,"sum":6}"#.to_owned()));
    assert_eq!(ask("text/plain", r#"{"numbers": []}"#).await.0, 415);
    assert_eq!(ask(json, r#"{"numbers": [1,"#).await.0, 400);
    assert_eq!(ask(json, r#"{"numbers": "one"}"#).await.0, 422);
}

#[tokio::test]
async fn json_over_the_limit_is_413() {
    let app = example("json").await.unwrap();
    let body = format!("{{\"numbers\": [{}1]}}", "1,".repeat(1024 * 1024));
    let request = Request::post("/").header("content-type", "application/json").body(body.into()).unwrap();
    assert_eq!(text_of(&app, request).await.0, 413);
}

#[tokio::test]
async fn arguments_are_extracted_in_order() {
    let app = example("arguments").env("KEY", "secret").await.unwrap();
    let ask = async |target: &str, headers: &[(&str, &str)], body: Body| {
        let mut request = Request::post(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        text_of(&app, request.body(body).unwrap()).await
    };
    let (key, json) = (("x-api-key", "secret"), ("content-type", "application/json"));
    let summary = r#"{"method":"POST","tags":["a","b"],"text":"hello"}"#;
    assert_eq!(ask("/?tag=a&tag=b", &[key, json], r#"{"text": "hello"}"#.into()).await, (200, summary.to_owned()));
    let summary = r#"{"method":"POST","tags":[],"text":null}"#;
    assert_eq!(ask("/", &[key], Body::empty()).await, (200, summary.to_owned()));
    assert_eq!(ask("/", &[key, json], "]".into()).await.0, 400);
    assert_eq!(ask("/", &[key, ("content-type", "text/plain")], "hello".into()).await.0, 415);
    // The first argument is rejected before the body is looked at, whatever is wrong with the body.
    assert_eq!(ask("/", &[json], "]".into()).await.0, 401);
}

#[tokio::test]
async fn a_request_without_its_first_argument_is_rejected_before_its_body_arrives() {
    let app = example("arguments").env("KEY", "secret").await.unwrap();
    let never = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, std::convert::Infallible>>();
    let request = Request::post("/").header("content-type", "application/json");
    let request = request.body(Body::new(http_body_util::StreamBody::new(never))).unwrap();
    assert_eq!(app.request(request).await.status(), 401);
}

#[tokio::test]
async fn stream_sends_one_mebibyte() {
    let app = example("stream").await.unwrap();
    let bytes = app.request(get("/")).await.into_body().bytes().await.unwrap();
    assert_eq!(bytes.len(), 1024 * 1024);
    assert!(bytes[16 * 1024 - 1] == b'a' && bytes[16 * 1024] == b'b');
}

#[tokio::test]
async fn upload_tells_the_length() {
    let app = example("upload").await.unwrap();
    let body = vec![7; 3 * 1024 * 1024];
    assert_eq!(text_of(&app, post("/", body)).await, (200, "3145728 bytes\n".to_owned()));
}

#[tokio::test]
async fn proxy_passes_requests_and_responses_through() {
    let upstream = Upstream::answering(
        "HTTP/1.1 418 I'm a teapot\r\nx-from: upstream\r\nkeep-alive: timeout=1\r\ncontent-length: 5\r\n\r\nshort",
    )
    .await;
    let rule = upstream.url.parse().unwrap();
    let outbound = wayside_harness::Outbound::allow([rule]);
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let response = app.request(post("/pot?q=1", "tea")).await;
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["x-from"], "upstream");
    assert!(!response.headers().contains_key("keep-alive"));
    assert_eq!(response.into_body().text().await.unwrap(), "short");
}

#[tokio::test]
async fn proxy_without_its_upstream_says_what_is_missing() {
    let app = example("proxy").await.unwrap();
    let (status, text) = text_of(&app, get("/")).await;
    assert_eq!(status, 503);
    assert!(text.contains("UPSTREAM is not set"), "{text}");
}

#[tokio::test]
async fn proxy_cuts_what_its_upstream_cuts() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort").await;
    let outbound = wayside_harness::Outbound::allow([upstream.url.parse().unwrap()]);
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let response = app.request(get("/")).await;
    assert_eq!(response.status(), 200);
    assert!(response.into_body().bytes().await.is_err());
}

#[tokio::test]
async fn fan_out_asks_three_at_once() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await;
    let outbound = wayside_harness::Outbound::allow([upstream.url.parse().unwrap()]);
    let app = example("fan-out").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "fine\nfine\nfine\n".to_owned()));
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn three_calls_are_under_way_at_the_same_time() {
    use std::sync::Arc;
    use tokio::sync::Barrier;

    // No call is answered before all three have arrived.
    let barrier = Arc::new(Barrier::new(3));
    let outbound = wayside_harness::Outbound::from_fn(move |request: Request<Body>| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok(wayside_harness::http::Response::new(request.uri().path().to_owned().into()))
        }
    });
    let app = example("fan-out").env("UPSTREAM", "http://upstream.test").outbound(outbound).await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "/one\n/two\n/three\n".to_owned()));
}

/// Returns the text of all files below a directory.
fn sources_below(dir: &Path) -> String {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| if path.is_dir() { sources_below(&path) } else { fs::read_to_string(path).unwrap() }).collect()
}

#[test]
fn every_example_and_every_behaviour_has_a_test() {
    let tests = sources_below(&root().join("cli/tests/behaviour"));
    for example in fs::read_dir(root().join("examples")).unwrap() {
        let example = example.unwrap();
        if example.path().is_dir() {
            let name = example.file_name().into_string().unwrap();
            let run = ["example", "middleware"].map(|how| format!("{how}(\"{name}\")"));
            assert!(run.iter().any(|run| tests.contains(run)), "no test runs the example `{name}`");
        }
    }
    for behaviour in fs::read_dir(root().join("host-harness/tests/guests/src")).unwrap() {
        let name = behaviour.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".rs").replace('_', "-");
        assert!(
            name == "lib" || name == "mirror" || has_word(&tests, &format!("/{name}")),
            "no test runs the behaviour `{name}`"
        );
    }
}

/// Whether a text contains a name that is not just the start of a longer name.
fn has_word(text: &str, name: &str) -> bool {
    let goes_on = |next: char| next.is_ascii_alphanumeric() || next == '-' || next == '_';
    text.match_indices(name).any(|(start, _)| !text[start + name.len()..].starts_with(goes_on))
}

#[tokio::test]
async fn axum_routes_requests() {
    let app = example("axum").await.unwrap();
    assert_eq!(text_of(&app, get("/hello/Ada")).await, (200, "hello Ada\n".to_owned()));
    assert_eq!(text_of(&app, post("/shout", "quiet")).await, (200, "QUIET".to_owned()));
    assert_eq!(text_of(&app, get("/nowhere")).await.0, 404);
}

#[tokio::test]
async fn axum_is_built_once_an_instance_and_serves_many() {
    let app = example("axum").reuse(100).await.unwrap();
    for number in 0..50 {
        let (_, text) = text_of(&app, get(&format!("/hello/{number}"))).await;
        assert_eq!(text, format!("hello {number}\n"));
        app.idle().await;
    }
}

/// Returns a gRPC frame that contains a message with one text field.
fn grpc_frame(text: &str) -> Vec<u8> {
    let message = [&[0x0a, text.len() as u8], text.as_bytes()].concat();
    [&[0, 0, 0, 0, message.len() as u8], &message[..]].concat()
}

#[tokio::test]
async fn grpc_answers_over_http2_with_its_status_in_the_trailers() {
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use wayside_harness::bytes::Bytes;

    let app = example("grpc").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    for (method, name, replies, status) in [
        ("SayHello", "Ada", grpc_frame("hello Ada"), "0"),
        ("SayHelloTwice", "Ada", [grpc_frame("hello Ada"), grpc_frame("hello again Ada")].concat(), "0"),
    ] {
        let request = Request::post(server.url(&format!("/hello.Greeter/{method}")))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(grpc_frame(name).into()))
            .unwrap();
        let body = client.request(request).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], status, "{method}");
        assert_eq!(body.to_bytes(), replies, "{method}");
    }
    let empty = Request::post("/hello.Greeter/SayHello").body(Body::from(grpc_frame(""))).unwrap();
    assert_eq!(app.request(empty).await.headers()["grpc-status"], "3");
    assert_eq!(app.request(post("/hello.Greeter/Nothing", "")).await.headers()["grpc-status"], "12");
}

#[tokio::test]
async fn sse_sends_each_event_at_once() {
    use http_body_util::BodyExt as _;

    let app = example("sse").await.unwrap();
    let response = app.request(get("/")).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for number in (0..=3).rev() {
        // One frame per event: no event waits for the next.
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, format!("data: {number}\nevent: count\n\n"));
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn multipart_lists_parts_and_refuses_what_is_no_form() {
    let app = example("multipart").await.unwrap();
    let ask = async |content_type: &str, body: Vec<u8>| {
        let request = Request::post("/").header("content-type", content_type).body(Body::from(body)).unwrap();
        text_of(&app, request).await
    };
    let mut form = b"--cut\r\ncontent-disposition: form-data; name=\"f\"; filename=\"big\"\r\n\r\n".to_vec();
    form.resize(form.len() + 5 * 1024 * 1024, b'x');
    form.extend_from_slice(b"\r\n--cut--\r\n");
    let (status, text) = ask("multipart/form-data; boundary=cut", form).await;
    assert_eq!((status, text.as_str()), (200, "f: file big, 5242880 bytes\n"));
    assert_eq!(ask("text/plain", Vec::new()).await.0, 415);
    assert_eq!(ask("multipart/form-data; boundary=cut", b"no form".to_vec()).await.0, 400);
}

#[tokio::test]
async fn client_makes_its_calls_over_a_socket() {
    use tokio::io::AsyncWriteExt as _;

    let upstream = Upstream::with(async |mut stream| {
        loop {
            let head = super::fixture::read_head(&mut stream).await.to_ascii_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split('\r').next().unwrap().parse().unwrap());
            let mut body = vec![0; length];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body).await.unwrap();
            let answer = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
                ["get", "/users?q=ada+l"] => "200 OK\r\ncontent-length: 14\r\n\r\n{\"name\":\"Ada\"}",
                ["post", "/users"] => "201 Created\r\ncontent-length: 0\r\n\r\n",
                ["post", "/notes"] => "302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
                ["get", "/elsewhere"] => "204 No Content\r\n\r\n",
                _ => "404 Not Found\r\ncontent-length: 0\r\n\r\n",
            };
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
        }
    })
    .await;
    let outbound = wayside_harness::Outbound::allow([upstream.url.parse().unwrap()]);
    let app = example("client").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "Ada: 201 204\n".to_owned()));
}

#[tokio::test]
async fn errors_keep_their_cause_inside() {
    let app = example("errors").await.unwrap();
    assert_eq!(text_of(&app, get("/?n=7")).await, (200, "14\n".to_owned()));
    let (status, text) = text_of(&app, get("/")).await;
    assert_eq!((status, text.contains("the query has no n")), (400, true));
    assert_eq!(app.log_text(), "");
    let (status, text) = text_of(&app, get("/?n=seven")).await;
    assert_eq!((status, text.as_str()), (500, r#"{"title":"Internal Server Error","status":500}"#));
    app.idle().await;
    assert_eq!(app.log_text(), "GET /?n=seven: 500 Internal Server Error: invalid digit found in string\n");
}

#[tokio::test]
async fn background_work_goes_on_after_the_answer() {
    let app = example("background").await.unwrap();
    assert_eq!(text_of(&app, get("/")).await, (200, "answered\n".to_owned()));
    assert_eq!(app.log_text(), "", "the answer waited for the work");
    app.idle().await;
    assert_eq!(app.log_text(), "counted, after the answer\n");
}

#[tokio::test]
async fn webhook_accepts_what_is_signed_and_delivers_it_with_retries() {
    let event = r#"{"id": "e7", "kind": "paid"}"#;
    let call = || Call::post("http://shop.test/events").header("event-id", "e7").body(event);
    let mock = Outbound::mock()
        .reply(call(), ErrorCode::ConnectionRefused)
        .reply(call(), Reply::ok().status(503))
        .reply(call(), "got it")
        .in_order();
    let app = example("webhook").env("SECRET", "s3cret").env("TARGET", "http://shop.test/events").outbound(&mock);
    let app = app.await.unwrap();
    let ask = async |signature: &str| {
        let request = Request::post("/").header("x-signature-256", signature).body(Body::from(event)).unwrap();
        text_of(&app, request).await
    };
    assert_eq!(ask("sha256=00").await.0, 401);
    let signature = "sha256=e6806a9d183715d3db1ae8670a9e030bd76f4403e7cecedfa82545cb5d26a6d9";
    assert_eq!(ask(signature).await, (202, r#"{"id":"e7"}"#.to_owned()));
    app.idle().await;
    mock.verify();
    assert_eq!(app.log_text(), "delivered e7: 200 OK\n");
}

#[tokio::test]
async fn gateway_relays_each_event_of_the_model() {
    let ask = r#"{"user":"ada","prompt":"hi","stream":true}"#;
    let call = || Call::post("http://model.test/chat").header("authorization", "Bearer s3cret").body(ask);
    let reply = Reply::ok().pieces(["data: Hel", "lo\n\ndata: there\n\n"]).pause(Duration::from_millis(1));
    let mock = Outbound::mock().reply(call(), reply).reply(call(), Reply::ok().status(429)).in_order();
    let app = example("gateway").env("TOKENS", "ada:t1").env("MODEL_KEY", "s3cret").outbound(&mock);
    let app = app.env("MODEL_URL", "http://model.test/chat").await.unwrap();
    let ask = async |token: &str| {
        let request = Request::post("/").header("authorization", token).header("content-type", "application/json");
        app.request(request.body(Body::from(r#"{"prompt": "hi"}"#)).unwrap()).await
    };
    let refused = ask("Bearer t2").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
        (401, &"Bearer realm=\"chat\"".parse().unwrap())
    );
    let response = ask("Bearer t1").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.into_body().text().await.unwrap(), "data: Hello\n\ndata: there\n\n");
    let busy = ask("Bearer t1").await;
    assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (429, &"5".parse().unwrap()));
    mock.verify();
}
