//! Mocks with expected outbound calls, tested with a component that does not use our SDK.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::BodyExt as _;
use wayside_harness::http::{Request, StatusCode};
use wayside_harness::mock::{Call, Mock, Reply};
use wayside_harness::{Body, ErrorCode, Harness, Outbound};

use super::fixture::{get, guests, post, raw, temp_file, text_of};

/// A component that forwards each request to `api.test`.
async fn proxy(outbound: impl Into<Outbound>) -> Harness {
    raw("proxy").env("UPSTREAM", "api.test").outbound(outbound).await.unwrap()
}

/// Returns the message with which a mock panics on drop if the calls were not as expected.
fn complaint(mock: Mock) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(mock))).expect_err("the mock is content");
    panic.downcast_ref::<String>().unwrap().clone()
}

#[tokio::test]
async fn a_call_is_matched_by_all_that_is_expected_of_it() {
    let mock = Outbound::mock()
        .reply(Call::get("http://api.test/users/*").query("page", "a b"), Reply::json(["Ada"]).header("x-page", "2"))
        .reply(
            Call::post("http://api.test/users").header("x-key", "secret").json(serde_json::json!({"a": 1, "b": null})),
            Reply::from("made").status(201),
        )
        .reply(Call::any().matches("a long body", |request| request.body().len() > 10), "long")
        .reply(Call::any().method("PUT".parse().unwrap()).body("bytes"), StatusCode::ACCEPTED)
        .reply(
            Call::any().url("*/echo"),
            Reply::from_fn(|request| format!("{} {}", request.method(), request.body().len())),
        );
    let app = proxy(&mock).await;
    let response = app.request(get("/users/7?page=a+b&x=1")).await;
    assert_eq!((response.headers()["x-page"].as_bytes(), response.status().as_u16()), (&b"2"[..], 200));
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.into_body().text().await.unwrap(), r#"["Ada"]"#);
    let json = Request::post("/users").header("x-key", "secret").body(r#"{ "b": null, "a": 1 }"#).unwrap();
    assert_eq!(text_of(&app, json.map(Body::from)).await, (201, "made".to_owned()));
    assert_eq!(text_of(&app, post("/x", "0123456789+")).await, (200, "long".to_owned()));
    assert_eq!(text_of(&app, Request::put("/x").body("bytes".into()).unwrap()).await, (202, String::new()));
    assert_eq!(text_of(&app, post("/echo", "four")).await, (200, "POST 4".to_owned()));
    mock.verify();
}

#[tokio::test]
async fn a_call_that_nothing_expects_fails_inside_and_is_told_with_the_nearest() {
    let mock = Outbound::mock()
        .reply(Call::get("http://other.test/").times(..), "")
        .reply(Call::post("http://api.test/users").json(serde_json::json!({"name": "Ada", "age": 36})).times(..), "");
    let app = proxy(&mock).await;
    let (status, text) = text_of(&app, post("/users", r#"{"name": "Bob", "age": 36}"#)).await;
    assert_eq!(
        (status, text.as_str()),
        (502, "ErrorCode::InternalError(Some(\"no expected call matches POST http://api.test/users\"))\n")
    );
    app.idle().await;
    assert_eq!(
        complaint(mock),
        "the outbound calls were not as the mock expects:\n\
         no expected call matches POST http://api.test/users\n  \
         nearest is number 2, POST http://api.test/users:\n    \
         body.name: expected `\"Ada\"`, found `\"Bob\"`\n"
    );
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_is_part_of_it() {
    let mock = Outbound::mock().reply(Call::get("http://api.test/a").times(..), "a");
    let app = proxy(&mock).await;
    assert_eq!(text_of(&app, get("/a")).await, (200, "a".to_owned()));
    assert_eq!(text_of(&app, get("/a/")).await.0, 502);
    assert!(complaint(mock).contains("URL: expected `http://api.test/a`, found `http://api.test/a/`"));
}

#[tokio::test]
async fn equivalent_urls_fit_each_other() {
    let mock = Outbound::mock()
        .reply(Call::get("HTTP://Api.Test/~a/%c3%bc"), "path")
        .reply(Call::get("http://api.test:80"), "root");
    let app = raw("proxy").env("UPSTREAM", "API.test:80").outbound(&mock).await.unwrap();
    assert_eq!(text_of(&app, get("/%7Ea/%C3%BC")).await, (200, "path".to_owned()));
    assert_eq!(text_of(&app, get("/")).await, (200, "root".to_owned()));
    mock.verify();
}

#[tokio::test]
async fn numbers_of_json_are_compared_by_value_and_to_the_last_digit() {
    let app = proxy(
        Outbound::mock_file(file(
            r#"
            [[call]]
            json = '{"n": [100, 9007199254740993, 18446744073709551617]}'
            times = "any"
            reply = { json = '[18446744073709551617, 1.10]' }
            "#,
        ))
        .unwrap(),
    )
    .await;
    for (body, status) in [
        (r#"{"n": [1e2, 9007199254740993.0, 18446744073709551617]}"#, 200),
        (r#"{"n": [100, 9007199254740992, 18446744073709551617]}"#, 502),
        (r#"{"n": [100, 9007199254740993, 18446744073709551616]}"#, 502),
    ] {
        assert_eq!(text_of(&app, post("/", body)).await.0, status, "{body}");
    }
    let (_, text) = text_of(&app, post("/", r#"{"n": [100, 9007199254740993, 18446744073709551617]}"#)).await;
    assert_eq!(text, "[18446744073709551617,1.10]");
}

#[tokio::test]
async fn a_date_in_a_mock_file_is_a_string_of_json() {
    let path = file(
        r#"
        [[call]]
        json = { day = 2026-11-26, times = [2026-11-26T12:00:00Z] }
        reply = { json = { day = 2026-11-26 } }
        "#,
    );
    let app = proxy(Outbound::mock_file(path).unwrap()).await;
    let sent = r#"{"day": "2026-11-26", "times": ["2026-11-26T12:00:00Z"]}"#;
    assert_eq!(text_of(&app, post("/", sent)).await, (200, r#"{"day":"2026-11-26"}"#.to_owned()));
}

#[tokio::test]
async fn a_call_that_never_came_is_told() {
    let mock = Outbound::mock()
        .reply(Call::get("http://api.test/"), "")
        .reply(Call::get("http://api.test/never").times(2..), "")
        .reply(Call::get("http://api.test/whatever").times(..), "");
    let app = proxy(&mock).await;
    assert_eq!(text_of(&app, get("/")).await.0, 200);
    assert_eq!(
        complaint(mock),
        "the outbound calls were not as the mock expects:\n\
         number 2, GET http://api.test/never: expected 2 times or more, never came\n"
    );
}

#[tokio::test]
async fn a_call_that_came_often_enough_gives_way_to_the_next() {
    let again = || Call::get("http://api.test/");
    let mock = Outbound::mock().reply(again().times(1), "first").reply(again().times(1..=2), "later");
    let app = proxy(&mock).await;
    for expected in ["first", "later", "later"] {
        assert_eq!(text_of(&app, get("/")).await.1, expected);
    }
    assert_eq!(text_of(&app, get("/")).await.0, 502);
    let complaint = complaint(mock);
    assert!(complaint.contains("it matches, but has come as often as expected: once"), "{complaint}");
}

#[tokio::test]
async fn calls_in_order_may_not_come_before_their_turn() {
    let mock = || {
        Outbound::mock()
            .reply(Call::get("http://api.test/one").times(1..), "1")
            .reply(Call::get("http://api.test/maybe").times(..=1), "?")
            .reply(Call::get("http://api.test/two"), "2")
            .in_order()
    };
    let good = mock();
    let app = proxy(&good).await;
    for (path, expected) in [("/one", "1"), ("/one", "1"), ("/two", "2")] {
        assert_eq!(text_of(&app, get(path)).await.1, expected);
    }
    good.verify();
    let bad = mock();
    let app = proxy(&bad).await;
    assert_eq!(text_of(&app, get("/two")).await.0, 502);
    let complaint = complaint(bad);
    assert!(complaint.contains("no expected call matches GET http://api.test/two"), "{complaint}");
    assert!(complaint.contains("number 1, GET http://api.test/one: expected once or more, never came"), "{complaint}");
}

#[tokio::test]
async fn in_order_each_call_is_expected_once_unless_the_test_says_otherwise() {
    let mock = Outbound::mock().reply(Call::get("*/one"), "1").reply(Call::get("*/two").times(..), "2").in_order();
    let app = proxy(&mock).await;
    assert_eq!(text_of(&app, get("/one")).await, (200, "1".to_owned()));
    assert_eq!(text_of(&app, get("/one")).await.0, 502);
    let complaint = complaint(mock);
    assert!(complaint.contains("nearest is number 1"), "{complaint}");
    assert!(complaint.contains("it matches, but has come as often as expected: once"), "{complaint}");
}

#[tokio::test]
async fn the_nearest_call_in_a_failure_is_one_that_can_still_come() {
    let mock = Outbound::mock()
        .reply(Call::get("http://api.test/users/7").times(1), "")
        .reply(Call::post("http://api.test/orders").header("x-key", "1").times(..), "");
    let app = proxy(&mock).await;
    assert_eq!(text_of(&app, get("/users/7")).await.0, 200);
    assert_eq!(text_of(&app, get("/users/8")).await.0, 502);
    let complaint = complaint(mock);
    assert!(complaint.contains("nearest is number 2, POST http://api.test/orders"), "{complaint}");
}

#[tokio::test]
async fn pieces_of_a_reply_arrive_one_by_one_without_a_declared_length() {
    let reply = || Reply::ok().pieces(["data: one\n\n", "data: two\n\n"]).header("content-type", "text/event-stream");
    let path = file("[[call]]\nreply = { pieces = [\"data: one\\n\\n\", \"data: two\\n\\n\"], pause-ms = 1 }");
    let any = || Call::any().times(..);
    for outbound in [
        Outbound::from(&Outbound::mock().reply(any(), reply())),
        Outbound::from(&Outbound::mock().reply(any(), reply().pause(Duration::from_millis(1)))),
        Outbound::mock_file(&path).unwrap(),
    ] {
        let app = proxy(outbound).await;
        let response = app.request(get("/")).await;
        assert!(!response.headers().contains_key("content-length"));
        let mut body = response.into_body();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.extend(frame.unwrap().into_data().ok());
        }
        assert_eq!(pieces, ["data: one\n\n", "data: two\n\n"]);
    }
}

#[tokio::test]
async fn a_reply_in_pieces_can_be_cut_and_have_trailers() {
    let cut = Reply::ok().pieces(["one", "two"]).truncate_after(4);
    let app = proxy(&Outbound::mock().reply(Call::any().times(..), cut)).await;
    assert!(app.request(get("/")).await.into_body().bytes().await.is_err());
    let mock = Outbound::mock().reply(Call::any(), Reply::ok().pieces(["one", "two"]).trailer("x-sum", "7"));
    let app = guests().env("UPSTREAM", "http://api.test").outbound(&mock).await.unwrap();
    assert_eq!(text_of(&app, get("/call")).await.1, "status 200\n6 bytes, trailers {\"x-sum\": \"7\"}\n");
}

#[tokio::test]
async fn a_failure_is_the_error_code_that_the_component_sees() {
    for (code, name) in [
        (ErrorCode::ConnectionRefused, "ErrorCode::ConnectionRefused\n"),
        (ErrorCode::DnsTimeout, "ErrorCode::DnsTimeout\n"),
        (ErrorCode::TlsCertificateError, "ErrorCode::TlsCertificateError\n"),
        (ErrorCode::HttpResponseBodySize(Some(7)), "ErrorCode::HttpResponseBodySize(Some(7))\n"),
        (ErrorCode::InternalError(Some("x".to_owned())), "ErrorCode::InternalError(Some(\"x\"))\n"),
    ] {
        let mock = Outbound::mock().reply(Call::any(), code);
        assert_eq!(text_of(&proxy(&mock).await, get("/")).await, (502, name.to_owned()));
    }
}

#[tokio::test]
async fn a_body_that_is_cut_is_never_taken_for_whole() {
    for reply in [Reply::from("hello world").truncate_after(5), Reply::from("hello world").reset_after(5)] {
        let mock = Outbound::mock().reply(Call::any(), reply);
        let app = proxy(&mock).await;
        let response = app.request(get("/")).await;
        assert_eq!(response.headers()["content-length"], "11");
        assert!(response.into_body().bytes().await.is_err());
        let app = guests().env("UPSTREAM", "http://api.test").outbound(&mock).await.unwrap();
        let (_, text) = text_of(&app, get("/call")).await;
        assert!(
            text.starts_with("status 200\n5 bytes, then incomplete=true: the body broke off after 5 of 11"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn trailers_come_after_the_body() {
    let mock = Outbound::mock().reply(Call::any(), Reply::from("hello").trailer("x-sum", "7"));
    let app = guests().env("UPSTREAM", "http://api.test").outbound(&mock).await.unwrap();
    assert_eq!(text_of(&app, get("/call")).await.1, "status 200\n5 bytes, trailers {\"x-sum\": \"7\"}\n");
}

#[tokio::test]
async fn a_reply_that_is_late_or_never_comes_runs_into_the_limits_of_the_component() {
    let late = || Reply::from("late").delay(Duration::from_secs(3600));
    for (reply, path, expected) in [
        (late(), "/deadline/100?first", "head: timeout=true"),
        (Reply::silence(), "/deadline/100?first", "head: timeout=true"),
        (Reply::silence(), "/deadline/100", "head: timeout=true"),
        (Reply::from("hello").stall_after(2), "/deadline/100", "body: timeout=true incomplete=false"),
        (Reply::from("hello").stall_after(2), "/deadline/100?pause", "body: timeout=false incomplete=true"),
    ] {
        let mock = Outbound::mock().reply(Call::any(), reply);
        let app = guests().env("UPSTREAM", "http://api.test").outbound(&mock).await.unwrap();
        let (_, text) = text_of(&app, get(path)).await;
        assert!(text.starts_with(expected), "{path}: {text}");
    }
}

#[tokio::test]
async fn an_answer_comes_before_an_upload_that_nobody_looks_at_has_ended() {
    use http_body_util::channel::Channel;
    use wayside_harness::bytes::Bytes;

    let mock = Outbound::mock().reply(Call::any(), "early");
    let app = super::fixture::example("proxy").env("UPSTREAM", "http://api.test").outbound(&mock).await.unwrap();
    let (upload, body) = Channel::<Bytes, std::io::Error>::new(1);
    assert_eq!(text_of(&app, post("/", Body::new(body))).await, (200, "early".to_owned()));
    drop(upload);
}

fn file(text: &str) -> PathBuf {
    temp_file("mock.toml", text)
}

#[tokio::test]
async fn a_file_says_the_same_as_the_builder() {
    let path = file(
        r#"
        in-order = true

        [[call]]
        method = "POST"
        url = "http://api.test/users/*"
        query = { page = "2" }
        fields = ["x-key: secret"]
        json = '{"name": "Ada", "age": null}'
        times = "1..=2"

        [call.reply]
        status = 201
        fields = ["content-type: text/plain", "set-cookie: a=1", "set-cookie: b=2"]
        body = "made"
        delay-ms = 1

        [[call]]
        url = "http://api.test/json"
        reply = { json = { name = "Ada" } }

        [[call]]
        url = "http://api.test/cut"
        reply = { body-base64 = "AAECAw==", truncate-after = 2 }

        [[call]]
        times = "any"
        reply = { error = { code = "DNS-error", text = "NXDOMAIN" } }
        "#,
    );
    let mock = Mock::from_file(&path).unwrap();
    let app = proxy(&mock).await;
    let request = Request::post("/users/7?page=2").header("x-key", "secret").body(r#"{"age":null,"name":"Ada"}"#);
    let response = app.request(request.unwrap().map(Body::from)).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(response.into_body().text().await.unwrap(), "made");
    assert_eq!(text_of(&app, get("/json")).await, (200, r#"{"name":"Ada"}"#.to_owned()));
    assert!(app.request(get("/cut")).await.into_body().bytes().await.is_err());
    let dns = "ErrorCode::DnsError(DnsErrorPayload { rcode: Some(\"NXDOMAIN\"), info-code: None })\n";
    assert_eq!(text_of(&app, get("/other")).await, (502, dns.to_owned()));
    mock.verify();
    // `Outbound::mock_file` makes a mock that does not check on drop whether all calls came.
    drop(proxy(Outbound::mock_file(&path).unwrap()).await);
}

#[test]
fn a_file_that_says_something_else_is_refused_with_the_place() {
    for (text, place, why) in [
        ("[[call]]\nmethd = \"GET\"", "line 2, column 1", "unknown field `methd`, expected one of `method`, `url`"),
        ("[[call]]\nmethod = \"G T\"", "line 2, column 10", "`G T` is no method"),
        ("[[call]]\nfields = [\"a: b\", \"c\"]", "line 2, column 10", "`c` is no field; write `name: value`"),
        ("[[call]]\njson = '{'", "line 2, column 8", "the text is no JSON document"),
        ("[[call]]\njson = { a = nan }", "line 2, column 8", "JSON has no number `NaN`"),
        ("[[call]]\nreply = { json = [-inf] }", "line 2, column 18", "JSON has no number `-inf`"),
        ("[[call]]\ntimes = \"2..1\"", "line 2, column 9", "`2..1` is no number of times"),
        ("[[call]]\nreply = { status = 99 }", "line 2, column 20", "`99` is not a status of a response"),
        (
            "[[call]]\nreply = { error = \"refused\" }",
            "line 2, column 19",
            "`refused` is not an error code; the codes are",
        ),
        ("[[call]]\nreply = { body = 'a', json = '1' }", "line 2, column 9", "more than one of `body`"),
        ("[[call]]\nreply = { body = 'a', pieces = ['b'] }", "line 2, column 9", "more than one of `body`"),
        ("[[call]]\nreply = { body = 'a', error = 'DNS-timeout' }", "line 2, column 9", "only one of them"),
        ("[[call]]\nreply = { body-base64 = '!' }", "line 2, column 25", "this is no base64"),
        ("[[cal]]", "line 1, column 3", "unknown field `cal`, expected `in-order` or `call`"),
        ("[[call]", "line 1, column 8", "expected `]"),
        ("call = 1", "line 1, column 8", "invalid type: integer `1`, expected a sequence"),
    ] {
        let error = Outbound::mock_file(file(text)).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("mock.toml` cannot be understood") && message.contains(place), "{text}: {message}");
        assert!(message.contains(why), "{text}: {message}");
        assert!(error.help().unwrap().contains("`[[call]]`"), "{text}");
    }
    let error = Outbound::mock_file("no/such/mock.toml").unwrap_err();
    assert!(error.to_string().starts_with("cannot read the mock `no/such/mock.toml`"), "{error}");
}

#[test]
fn a_url_in_a_file_that_no_call_can_fit_is_an_error_that_says_how_to_write_it() {
    for (url, expected) in [
        ("api.test/x", "write `https://api.test/x`, or `*://api.test/x` for any scheme"),
        ("/x", "write `*/x` for any server"),
        ("", "has no scheme"),
    ] {
        let file = temp_file("mock.toml", &format!("[[call]]\nurl = \"{url}\"\n"));
        let error = Outbound::mock_file(&file).map(drop).unwrap_err();
        let text =
            format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
        assert!(text.contains(expected), "{text}");
    }
    for url in ["http://api.test/x", "*/x", "*", "*://api.test/x"] {
        assert!(
            Outbound::mock_file(temp_file("mock.toml", &format!("[[call]]\nurl = \"{url}\"\ntimes = \"any\"\n")))
                .is_ok(),
            "{url}"
        );
    }
}
