//! Outbound calls that are recorded over real sockets and replayed without a network.

mod files;
mod pieces;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};

use wayside_harness::http::{Request, Response};
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Body, ErrorCode, Harness, Outbound};

use super::fixture::{Upstream, Wire, example, get, guests, post, raw, read_head, temp_dir, temp_file, text_of};

/// A server that answers the calls of the examples `proxy`, `fan-out` and `client`.
async fn upstream() -> Upstream {
    Upstream::with(async |mut stream| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let head = read_head(&mut stream).await.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        let answer = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["get", "/users?q=ada+l"] => "200 OK\r\ncontent-length: 14\r\n\r\n{\"name\":\"Ada\"}".to_owned(),
            ["post", "/users"] => "201 Created\r\ncontent-length: 0\r\n\r\n".to_owned(),
            ["post", "/notes"] => "302 Found\r\nlocation: /elsewhere\r\ncontent-length: 4\r\n\r\ngone".to_owned(),
            ["get", "/elsewhere"] => "204 No Content\r\n\r\n".to_owned(),
            ["post", "/shout"] => {
                let text = String::from_utf8(body).unwrap().to_uppercase();
                let length = text.len();
                format!("200 OK\r\nset-cookie: a=1\r\nx-b: 1\r\nx-a: 2\r\ncontent-length: {length}\r\n\r\n{text}")
            }
            [_, path] => format!("200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{path}\r\n0\r\n\r\n", path.len()),
            _ => unreachable!("a request has a method and a path"),
        };
        stream
            .write_all(format!("HTTP/1.1 {}", answer.replacen("\r\n", "\r\nconnection: close\r\n", 1)).as_bytes())
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
    })
    .await
}

/// Sends a raw request to a component, and returns the raw response without its `date` header.
async fn wire(app: &Harness, request: &str) -> String {
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, request).await;
    server.shutdown().await;
    let head: Vec<&str> = wire.head.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    format!("{}\r\n\r\n{}", head.join("\r\n"), String::from_utf8(wire.rest).unwrap())
}

const SESSIONS: [(&str, &str); 3] = [
    (
        "proxy",
        "POST /shout HTTP/1.1\r\nhost: test\r\nauthorization: Bearer 1\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
    ),
    ("fan-out", "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"),
    ("client", "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"),
];

/// Sends a request to an example while its calls are recorded. Returns the response, the path of the cassette, and the
/// URL of the upstream.
async fn recorded(name: &str, request: &str) -> (String, PathBuf, String) {
    let path = temp_dir().join(format!("{name}.toml"));
    let upstream = upstream().await;
    let network = Outbound::allow([upstream.url.parse().unwrap()]);
    let outbound = Outbound::record(&path, network).unwrap();
    let app = example(name).env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let answer = wire(&app, request).await;
    app.idle().await;
    assert!(upstream.connections() > 0);
    (answer, path, upstream.url.clone())
}

async fn replayed(name: &str, request: &str, path: &Path, url: &str) -> String {
    let app = example(name).env("UPSTREAM", url).outbound(Outbound::replay(path).unwrap()).await.unwrap();
    wire(&app, request).await
}

#[tokio::test]
async fn a_replayed_session_gives_the_same_answer_to_the_byte_without_a_network() {
    for (name, request) in SESSIONS {
        // The upstream has ended, so responses come from the cassette.
        let (first, path, url) = recorded(name, request).await;
        assert!(first.starts_with("HTTP/1.1 200 OK"), "{first}");
        assert_eq!(replayed(name, request, &path, &url).await, first.replace("a=1", "<redacted>"), "{name}");
    }
}

#[tokio::test]
async fn one_changed_byte_in_a_cassette_is_noticed() {
    let changes = [
        ("proxy", "body = \"HELLO\"", "body = \"HELLA\"", true),
        ("proxy", "\"x-b: 1\"", "\"x-b: 3\"", true),
        ("proxy", "body = \"hello\"", "body = \"hella\"", false),
        ("proxy", "\"POST\"", "\"PUT\"", false),
        ("fan-out", "body = \"/two\"", "body = \"/too\"", true),
        ("fan-out", "/three\"\n", "/thread\"\n", false),
        ("client", "Ada\\\"", "Ida\\\"", false),
        ("client", "\"x-own: yes\"", "\"x-own: yet\"", false),
        ("client", "body = \"about=Ada\"", "body = \"about=Ida\"", false),
        ("client", "status = 201", "status = 202", true),
    ];
    for (name, request) in SESSIONS {
        let (first, path, url) = recorded(name, request).await;
        let text = fs::read_to_string(&path).unwrap().replace("'{\"name\":\"Ada\"}'", "\"{\\\"name\\\":\\\"Ada\\\"}\"");
        for (_, from, to, answers) in changes.iter().filter(|change| change.0 == name) {
            assert!(text.contains(from), "{name} has no {from}: {text}");
            let changed = temp_file("changed.toml", &text.replacen(from, to, 1));
            let answer = replayed(name, request, &changed, &url).await;
            assert_ne!(answer, first, "{name}: {from}");
            assert_eq!(answer.starts_with("HTTP/1.1 200 OK"), *answers, "{name}: {from}: {answer}");
        }
    }
}

/// Returns a changed copy of the cassette for each line of a request that a replay compares. One byte of this line
/// differs; the line is returned with the copy.
fn changed_requests(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut is_request = false;
    let mut changed = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with('[') {
            is_request = *line == "[call.request]";
        }
        // A replay compares the body, and not its length.
        let about_body = line.contains("\"content-length: ") || line.starts_with("missing = ");
        let is_compared = line.contains('"') && !line.contains("<redacted>") && !about_body;
        if is_request && is_compared {
            let at = line.rfind(|char: char| char.is_ascii_alphanumeric()).unwrap();
            let other = if &line[at..=at] == "1" { "2" } else { "1" };
            let line = format!("{}{other}{}", &line[..at], &line[at + 1..]);
            changed.push((line.clone(), [&lines[..index], &[&line], &lines[index + 1..]].concat().join("\n")));
        }
    }
    changed
}

#[tokio::test]
async fn a_changed_byte_in_any_part_of_a_recorded_request_is_noticed() {
    for (name, request) in SESSIONS {
        let (_, path, url) = recorded(name, request).await;
        let changed = changed_requests(&fs::read_to_string(&path).unwrap());
        for part in ["method = ", "url = ", "    \"host: "] {
            assert!(changed.iter().any(|(line, _)| line.starts_with(part)), "{name} has no {part}");
        }
        for (line, text) in changed {
            let answer = replayed(name, request, &temp_file("changed.toml", &text), &url).await;
            assert!(answer.starts_with("HTTP/1.1 50"), "{name}: {line}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_longer_body_than_the_recorded_one_is_noticed() {
    let (name, request) = SESSIONS[0];
    let (first, path, url) = recorded(name, request).await;
    let longer = request.replace("content-length: 5", "content-length: 6") + "!";
    let answer = replayed(name, &longer, &path, &url).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(replayed(name, request, &path, &url).await, first.replace("a=1", "<redacted>"));
}

/// A component that forwards each request to `api.test`.
async fn proxy(outbound: impl Into<Outbound>) -> Harness {
    raw("proxy").env("UPSTREAM", "api.test").outbound(outbound).await.unwrap()
}

fn echo() -> Outbound {
    Outbound::from_fn(async |request: Request<Body>| {
        let path = request.uri().path().to_owned();
        let body = request.into_body().bytes().await.unwrap();
        Ok(Response::new(Body::from([path.as_bytes(), b" ", &body].concat())))
    })
}

#[tokio::test]
async fn a_cassette_reads_like_http() {
    let path = temp_dir().join("a.toml");
    let mock = Outbound::mock()
        .reply(Call::post("*"), Reply::from("{\n  \"a\": 1\n}\n").header("content-type", "application/json"))
        .reply(Call::get("*/bytes"), Reply::from(vec![0xff, 0]).status(203).trailer("x-sum", "7"))
        .reply(Call::get("*/down"), ErrorCode::ConnectionRefused)
        .reply(Call::get("*/lookup"), ErrorCode::DnsError { rcode: Some("NXDOMAIN".to_owned()), info_code: None });
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    let request = Request::post("/users?q=1").header("x-key", "k").header("cookie", "secret").body("two\nlines");
    text_of(&app, request.unwrap().map(Body::from)).await;
    for path in ["/bytes", "/down", "/lookup"] {
        let _ = app.request(get(path)).await.into_body().bytes().await;
    }
    app.idle().await;
    let text = fs::read_to_string(&path).unwrap();
    let calls = text.split_once("\n\n[[call]]\n\n").unwrap().1;
    assert_eq!(
        calls,
        r#"[call.request]
method = "POST"
url = "http://api.test/users?q=1"
fields = [
    "host: api.test",
    "x-key: k",
    "cookie: <redacted>",
    "content-length: 9",
]
body = """
two
lines"""

[call.response]
status = 200
fields = [
    "content-type: application/json",
    "content-length: 13",
]
body = """
{
  "a": 1
}
"""

[[call]]

[call.request]
method = "GET"
url = "http://api.test/bytes"
fields = [
    "host: api.test",
]

[call.response]
status = 203
body-base64 = "/wA="
trailers = [
    "x-sum: 7",
]

[[call]]

[call.request]
method = "GET"
url = "http://api.test/down"
fields = [
    "host: api.test",
]

[call.response]
error = "connection-refused"

[[call]]

[call.request]
method = "GET"
url = "http://api.test/lookup"
fields = [
    "host: api.test",
]

[call.response.error]
code = "DNS-error"
text = "NXDOMAIN"
"#
    );
}

#[tokio::test]
async fn every_kind_of_answer_is_replayed_as_it_was() {
    let path = temp_dir().join("kinds.toml");
    let mock = Outbound::mock()
        .reply(Call::get("*/bytes"), Reply::from(vec![0xff, 0, b'\r', b'\n']).status(203).header("x-raw", b"caf\xe9"))
        .reply(Call::get("*/empty"), Reply::ok().status(204))
        .reply(Call::get("*/refused"), ErrorCode::ConnectionRefused)
        .reply(Call::get("*/lookup"), ErrorCode::DnsError { rcode: Some("NXDOMAIN".to_owned()), info_code: Some(3) })
        .reply(Call::get("*/cut"), Reply::from("hello world").truncate_after(5))
        .reply(Call::any().method("HEAD".parse().unwrap()), Reply::from("hello world"));
    let ask = async |app: &Harness| {
        let mut answers = Vec::new();
        for path in ["/bytes", "/empty", "/refused", "/lookup", "/cut"] {
            let (parts, body) = app.request(get(path)).await.into_parts();
            answers.push(format!("{path} {} {:?} {:?}", parts.status, parts.headers, body.bytes().await.ok()));
        }
        let response = app.request(Request::head("/head").body(Body::empty()).unwrap()).await;
        answers.push(format!("{:?}", response.headers()));
        app.idle().await;
        answers
    };
    let first = ask(&proxy(Outbound::record(&path, &mock).unwrap()).await).await;
    assert!(first[4].ends_with(" None"), "a cut body passes for whole: {first:?}");
    assert_eq!(ask(&proxy(Outbound::replay(&path).unwrap()).await).await, first);
}

#[tokio::test]
async fn trailers_are_replayed() {
    let path = temp_dir().join("trailers.toml");
    let mock = Outbound::mock().reply(Call::any(), Reply::from("hello").trailer("x-sum", "7"));
    let ask = async |outbound: Outbound| {
        let app = guests().env("UPSTREAM", "http://api.test").outbound(outbound).await.unwrap();
        let (_, text) = text_of(&app, get("/call")).await;
        app.idle().await;
        text
    };
    let first = ask(Outbound::record(&path, &mock).unwrap()).await;
    assert_eq!(first, "status 200\n5 bytes, trailers {\"x-sum\": \"7\"}\n");
    assert_eq!(ask(Outbound::replay(&path).unwrap()).await, first);
}

#[tokio::test]
async fn equal_calls_are_replayed_in_their_order_and_no_more_often() {
    let path = temp_dir().join("equal.toml");
    let again = || Call::any().times(1);
    let mock = Outbound::mock().reply(again(), "1").reply(again(), "2").reply(again(), ErrorCode::DnsTimeout);
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    for _ in 0..3 {
        text_of(&app, get("/")).await;
    }
    app.idle().await;
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(text_of(&app, get("/")).await.1);
    }
    assert_eq!(answers[..3], ["1", "2", "ErrorCode::DnsTimeout\n"]);
    assert!(answers[3].contains("has no more GET http://api.test/: all 3 of them have been replayed"), "{answers:?}");
}

#[tokio::test]
async fn calls_that_went_together_are_replayed_in_any_order() {
    let path = temp_dir().join("together.toml");
    let app = proxy(Outbound::record(&path, echo()).unwrap()).await;
    tokio::join!(text_of(&app, get("/1")), text_of(&app, get("/2")), text_of(&app, get("/3")));
    app.idle().await;
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    for path in ["/3", "/1", "/2"] {
        assert_eq!(text_of(&app, get(path)).await, (200, format!("{path} ")));
    }
}

#[tokio::test]
async fn a_call_that_is_not_in_the_cassette_is_an_error_that_names_it() {
    let path = temp_dir().join("strict.toml");
    let app = proxy(Outbound::record(&path, echo()).unwrap()).await;
    assert_eq!(text_of(&app, post("/a", "hello")).await.0, 200);
    app.idle().await;
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    for request in [post("/a", "hellO"), post("/b", "hello"), get("/a"), post("/a?", "hello")] {
        let call = format!("{} http://api.test{}", request.method(), request.uri());
        let (status, text) = text_of(&app, request).await;
        assert_eq!(status, 502);
        assert!(text.contains(&format!("strict.toml` has no {call} like this")), "{text}");
    }
    assert_eq!(text_of(&app, post("/a", "hello")).await.0, 200);
}

#[tokio::test]
async fn a_call_to_an_equivalent_url_is_replayed() {
    let path = temp_dir().join("equivalent.toml");
    let app = proxy(Outbound::record(&path, echo()).unwrap()).await;
    assert_eq!(text_of(&app, post("/%7Ea", "hello")).await, (200, "/%7Ea hello".to_owned()));
    app.idle().await;
    let app = raw("proxy").env("UPSTREAM", "API.test:80").outbound(Outbound::replay(&path).unwrap()).await.unwrap();
    assert_eq!(text_of(&app, post("/~a/", "hello")).await.0, 502);
    assert_eq!(text_of(&app, post("/~a", "hello")).await, (200, "/%7Ea hello".to_owned()));
}

#[tokio::test]
async fn each_call_stands_in_the_file_when_it_has_ended() {
    let path = temp_dir().join("early.toml");
    let app = proxy(Outbound::record(&path, echo()).unwrap()).await;
    for count in 0..3 {
        assert_eq!(fs::read_to_string(&path).unwrap().matches("[call.request]").count(), count);
        assert!(Outbound::replay(&path).is_ok());
        text_of(&app, get("/")).await;
    }
    // No temporary file remains.
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_long_cassette_has_every_call_in_the_end() {
    let path = temp_dir().join("long.toml");
    let mock = Outbound::mock().reply(Call::any(), "x".repeat(64 * 1024));
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    for number in 0..40 {
        assert_eq!(text_of(&app, get(&format!("/{number}"))).await.0, 200);
    }
    let calls = || fs::read_to_string(&path).unwrap().matches("[call.request]").count();
    super::fixture::eventually("the cassette has all calls", || calls() == 40).await;
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    for number in (0..40).rev() {
        assert_eq!(text_of(&app, get(&format!("/{number}"))).await.1.len(), 64 * 1024);
    }
}

#[tokio::test]
async fn bodies_stream_through_while_they_are_recorded() {
    use http_body_util::BodyExt as _;
    use http_body_util::channel::Channel;
    use wayside_harness::bytes::Bytes;

    let path = temp_dir().join("stream.toml");
    let streaming = Outbound::from_fn(async |request: Request<Body>| Ok(Response::new(request.into_body())));
    let app = example("proxy").env("UPSTREAM", "http://api.test").outbound(Outbound::record(&path, streaming).unwrap());
    let app = app.await.unwrap();
    let (mut upload, body) = Channel::<Bytes, std::io::Error>::new(1);
    let mut response = app.request(post("/", Body::new(body))).await.into_body();
    for text in ["one ", "two ", "three"] {
        upload.send_data(text.into()).await.unwrap();
        // Each piece arrives before the next is sent.
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), text);
    }
    drop(upload);
    assert!(response.frame().await.is_none());
    app.idle().await;
    assert_eq!(fs::read_to_string(&path).unwrap().matches("body = \"one two three\"").count(), 2);
}

#[tokio::test]
async fn a_body_over_the_limit_passes_but_cannot_be_replayed() {
    let path = temp_dir().join("large.toml");
    let large = vec![b'x'; 16 * 1024 * 1024 + 1];
    let mock = Outbound::mock().reply(Call::any(), large.clone());
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    assert_eq!(app.request(get("/")).await.into_body().bytes().await.unwrap(), large);
    app.idle().await;
    assert!(fs::metadata(&path).unwrap().len() < 4096);
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    assert!(app.request(get("/")).await.into_body().bytes().await.is_err());
}

#[test]
fn a_file_that_is_no_cassette_is_refused_with_the_place() {
    let call = "[[call]]\n[call.request]\nmethod = \"GET\"\nurl = \"http://a.test/\"\n";
    for (text, why) in [
        ("garbage".to_owned(), "line 1, column 8"),
        ("[[call]]\nurl = 1".to_owned(), "line 2, column 1: unknown field `url`, expected `request` or `response`"),
        ("[[call]]\n[call.request]\nurl = \"x\"\n[call.response]".to_owned(), "missing field `method`"),
        (call.to_owned(), "line 1, column 1: missing field `response`"),
        (
            format!("{call}[call.response]\nstatus = 42"),
            "line 6, column 10: `42` is no status; it goes from 100 to 999",
        ),
        (format!("{call}[call.response]\nerror = \"nope\""), "line 6, column 9: `nope` is not an error code"),
        (format!("{call}[call.response]\nbody = \"x\""), "call 1 (GET http://a.test/): the response has no `status`"),
        (format!("{call}body = \"x\"\nbody-base64 = \"eA==\"\n[call.response]"), "both a `body` and a `body-base64`"),
        (format!("{call}fields = [\"x\"]\n[call.response]"), "`x` is no field; write `name: value`"),
        (format!("{call}body-base64 = \"?\"\n[call.response]"), "this is no base64"),
    ] {
        let error = Outbound::replay(temp_file("bad.toml", &text)).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("bad.toml` cannot be understood, ") && message.contains(why), "{text}: {message}");
        assert!(error.help().unwrap().contains("record it anew"), "{text}");
    }
    let error = Outbound::replay("no/such.toml").unwrap_err();
    assert!(error.to_string().starts_with("cannot read the cassette `no/such.toml`"), "{error}");
    let error = Outbound::record("no/such/directory/x.toml", Outbound::deny()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write the cassette `no/such/directory/x.toml`"), "{error}");
    assert!(error.help().is_some());
}

/// RFC 9110, section 15.3.6: a 205 has no content, so there is nothing to read.
#[tokio::test]
async fn a_205_is_recorded_whole_and_without_content() {
    let path = temp_dir().join("205.toml");
    let upstream = Upstream::answering("HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\n\r\nhello").await;
    let outbound = Outbound::record(&path, Outbound::allow([upstream.url.parse().unwrap()])).unwrap();
    let app = guests().env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    assert_eq!(text_of(&app, get("/call")).await, (200, "status 205\n0 bytes\n".to_owned()));
    app.idle().await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("unread") && !text.contains("content-length: 5"), "{text}");
}
