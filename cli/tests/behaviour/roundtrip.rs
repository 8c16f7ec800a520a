//! Random requests and responses arrive as they were sent.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wayside_harness::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use wayside_harness::{Body, Harness};

use super::fixture::guests;

/// The number of random messages.
const CASES: u32 = 10_000;

#[derive(Clone, Debug)]
struct Message {
    method: Method,
    uri: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Option<Vec<u8>>,
    status: u16,
}

fn message() -> impl Strategy<Value = Message> {
    let method = prop_oneof![
        Just("GET".to_owned()),
        Just("POST".to_owned()),
        Just("PUT".to_owned()),
        Just("DELETE".to_owned()),
        Just("OPTIONS".to_owned()),
        Just("PATCH".to_owned()),
        Just("TRACE".to_owned()),
        // Answers to HEAD have no content, and CONNECT has no path.
        "[A-Za-z!#$%&'*+.^_`|~-]{1,20}"
            .prop_filter("the harness treats HEAD and CONNECT specially", |name| name != "HEAD" && name != "CONNECT"),
    ];
    let path = prop_oneof![
        8 => "/[A-Za-z0-9._~!$&'()*+,;=:@/-]{0,40}",
        4 => "/(%[0-9A-F]{2}|[a-z/]){0,40}",
        1 => "/[a-z]{2000,6000}",
    ];
    let query = prop::option::of("[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{0,60}");
    let name = prop_oneof![
        Just("accept".to_owned()),
        Just("cookie".to_owned()),
        Just("set-cookie".to_owned()),
        Just("x-a".to_owned()),
        "x-[a-z0-9!#$%&'*+.^_`|~-]{1,30}",
    ];
    let value = vec(prop_oneof![8 => 0x21u8..0x7f, 1 => Just(b' '), 1 => Just(b'\t'), 2 => 0x80u8..=0xff], 0..60);
    let fields = vec((name, value), 0..12);
    let body = prop::option::of(
        prop_oneof![8 => vec(any::<u8>(), 0..200), 1 => vec(any::<u8>(), 4090..4100), 1 => vec(any::<u8>(), 65530..65540)],
    );
    let status = prop_oneof![Just(200u16), Just(201), Just(299), Just(400), Just(418), Just(500), Just(599)];
    (method, path, query, fields, body, status).prop_map(|(method, path, query, fields, body, status)| {
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let fields = fields.into_iter().map(|(name, value)| {
            // Spaces around a value are not part of it (RFC 9110, section 5.5).
            (name.parse().unwrap(), HeaderValue::from_bytes(value.trim_ascii()).unwrap())
        });
        Message {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            uri: format!("http://a.test{target}").parse().unwrap(),
            fields: fields.collect(),
            body,
            status,
        }
    })
}

/// Returns the headers by name, with the values of each in order.
fn by_name(fields: &HeaderMap) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut all: Vec<_> = fields
        .keys()
        .map(|name| (name.to_string(), fields.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()))
        .collect();
    all.sort();
    all
}

async fn mirror(app: &Harness, message: &Message) {
    let mut request = Request::builder().method(message.method.clone()).uri(message.uri.clone());
    for (name, value) in &message.fields {
        request = request.header(name, value);
    }
    request = request.header("x-mirror-status", message.status);
    let body = message.body.clone().map_or_else(Body::empty, Body::from);
    let response = app.request(request.body(body).unwrap()).await;
    assert_eq!(response.status().as_u16(), message.status);
    let (mut parts, body) = response.into_parts();
    // The component returns its view of the request line in headers.
    let seen = |parts: &mut wayside_harness::http::response::Parts, name: &str| parts.headers.remove(name).unwrap();
    assert_eq!(seen(&mut parts, "x-mirror-method"), message.method.as_str());
    assert_eq!(seen(&mut parts, "x-mirror-uri").as_bytes(), message.uri.to_string().as_bytes());
    assert_eq!(seen(&mut parts, "x-mirror-path"), message.uri.path());
    assert_eq!(seen(&mut parts, "x-mirror-host"), "a.test");
    parts.headers.remove("content-length");
    let sent: HeaderMap = {
        let mut sent = HeaderMap::new();
        message.fields.iter().for_each(|(name, value)| {
            sent.append(name, value.clone());
        });
        sent
    };
    assert_eq!(by_name(&parts.headers), by_name(&sent));
    let received = body.bytes().await.unwrap();
    assert!(received == message.body.clone().unwrap_or_default(), "the body came back as another");
}

#[test]
fn random_messages_come_back_equal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(async { guests().reuse(1000).await.unwrap() });
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(Default::default()),
    )
    .run(&message(), |message| {
        runtime.block_on(mirror(&app, &message));
        Ok(())
    });
    result.unwrap();
    assert!(app.requests() >= u64::from(CASES));
}
