//! The request inspector: what it shows, to which clients, and its page in a browser.

mod page;
mod saving;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use wayside_harness::http::{HeaderValue, Request, Response};
use wayside_harness::{Body, Harness, Inspector, Outbound};

use crate::browser::Browser;
use crate::fixture::{Wire, get, guests, post, raw};

/// Opens the component of [`guests`] with an upstream that always gives the same response, and with an inspector.
async fn inspected() -> (Harness, Inspector) {
    let upstream = Outbound::from_fn(async |request: Request<Body>| {
        request.into_body().bytes().await.unwrap();
        Ok(Response::builder().status(201).header("x-up", "1").body(Body::from("from upstream")).unwrap())
    });
    let app =
        guests().env("UPSTREAM", "http://up.test/path?q=1").outbound(upstream).capture_bodies(1024).await.unwrap();
    let inspector = app.inspector("127.0.0.1:0").await.unwrap();
    (app, inspector)
}

/// Sends a request to the component, and reads its response to the end.
async fn send(app: &Harness, request: Request<Body>) {
    let _ = app.request(request).await.into_body().bytes().await;
    app.idle().await;
}

/// Sends a request head to the inspector, as another program on this machine could, and returns the response.
async fn ask(inspector: &Inspector, head: &str) -> Wire {
    Wire::exchange_with(inspector.addr(), &format!("{head}\r\nconnection: close\r\n\r\n")).await
}

async fn page(inspector: &Inspector, path: &str) -> Wire {
    ask(inspector, &format!("GET {path} HTTP/1.1\r\nhost: {}", inspector.addr())).await
}

async fn resend(inspector: &Inspector, number: u64) -> Wire {
    let addr = inspector.addr();
    let head = format!("POST /requests/{number}/resend HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 0");
    ask(inspector, &head).await
}

async fn json(inspector: &Inspector, path: &str) -> Value {
    let wire = page(inspector, path).await;
    assert_eq!(wire.status, 200, "{wire:?}");
    serde_json::from_str(&wire.whole_text()).unwrap()
}

/// Waits until a request has ended, and returns its record in the inspector.
async fn finished(inspector: &Inspector, number: u64) -> Value {
    for _ in 0..1000 {
        let wire = page(inspector, &format!("/requests/{number}")).await;
        if wire.status == 200 {
            let value: Value = serde_json::from_str(&wire.whole_text()).unwrap();
            if value["finished"] == true {
                return value;
            }
        }
        tokio::task::yield_now().await;
    }
    panic!("request {number} never came to its end");
}

#[tokio::test]
async fn all_of_a_request_is_told_with_its_calls() {
    let (app, inspector) = inspected().await;
    send(&app, Request::post("/call?x=1").header("x-a", "1").body("hello".into()).unwrap()).await;
    let one = finished(&inspector, 1).await;
    assert_eq!((&one["method"], &one["path"], &one["status"]), (&"POST".into(), &"/call?x=1".into(), &200.into()));
    assert_eq!(one["request"]["text"], "hello");
    let fields = one["request"]["headers"].as_array().unwrap();
    assert!(fields.contains(&serde_json::json!(["x-a", "1"])), "{fields:?}");
    assert_eq!(one["response"]["text"], "status 201\n13 bytes\n");
    let call = &one["made"][0];
    assert_eq!((&call["method"], &call["url"]), (&"POST".into(), &"http://up.test/path?q=1".into()));
    assert_eq!((&call["status"], &call["end"]), (&201.into(), &"whole".into()));
    assert_eq!((&call["request"]["text"], &call["response"]["text"]), (&"hello".into(), &"from upstream".into()));
    assert!(call["after"].as_f64().unwrap() + call["duration"].as_f64().unwrap() <= one["duration"].as_f64().unwrap());
}

#[tokio::test]
async fn output_traps_and_bodies_beyond_the_limit_are_told() {
    let (app, inspector) = inspected().await;
    send(&app, get("/panic-before-head")).await;
    send(&app, get("/trap")).await;
    send(&app, post("/mirror", vec![b'x'; 5000])).await;
    let panicked = finished(&inspector, 1).await;
    assert_eq!(panicked["logs"][0]["stream"], "stderr");
    assert!(panicked["logs"][0]["text"].as_str().unwrap().contains("panicked"), "{panicked}");
    assert!(finished(&inspector, 2).await["trap"].as_str().unwrap().contains("unreachable"));
    let large = finished(&inspector, 3).await;
    for side in ["request", "response"] {
        assert_eq!((&large[side]["kept"], &large[side]["total"]), (&1024.into(), &5000.into()));
    }
    // A request that was not recorded completely can neither be sent again nor saved.
    assert!(large["unrepeatable"].is_string());
    assert_eq!(page(&inspector, "/requests/3/test.rs").await.status, 409);
    assert_eq!(resend(&inspector, 3).await.status, 409);
}

#[tokio::test]
async fn a_request_whose_body_was_not_read_whole_is_neither_sent_again_nor_saved() {
    let (app, inspector) = inspected().await;
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let body = "x".repeat(100);
    for (path, framing) in [
        ("/status/200", format!("content-length: 100\r\n\r\n{body}")),
        ("/status/200", format!("transfer-encoding: chunked\r\n\r\n64\r\n{body}\r\n0\r\n\r\n")),
        ("/limited", format!("content-length: 100\r\n\r\n{body}")),
        // In this case the client hangs up in its upload.
        ("/whole", "content-length: 100\r\n\r\nxx".to_owned()),
    ] {
        let number = app.requests() + 1;
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        let request = format!("POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{framing}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        // Ignores an error: the response may be cut, and only the record of the request matters.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        let told = finished(&inspector, number).await;
        assert_eq!(told["unrepeatable"], "the component did not read all of the body", "{path} {framing}");
        assert_eq!(page(&inspector, &format!("/requests/{number}/test.rs")).await.status, 409);
        let refused = resend(&inspector, number).await;
        assert!(refused.status == 409 && refused.whole_text().contains("did not read all of the body"), "{refused:?}");
        assert_eq!(app.requests(), number, "it was sent again");
    }
}

#[tokio::test]
async fn what_is_not_kept_is_not_sent_again_and_what_has_no_body_is() {
    let app = guests().await.unwrap();
    let inspector = app.inspector("127.0.0.1:0").await.unwrap();
    send(&app, post("/whole", "hello")).await;
    assert_eq!(finished(&inspector, 1).await["unrepeatable"], "the body of the request was not kept");
    send(&app, get("/status/200")).await;
    assert_eq!(finished(&inspector, 2).await["unrepeatable"], Value::Null);
    assert_eq!(resend(&inspector, 2).await.whole_text(), "{\"status\":200}");
}

#[tokio::test]
async fn a_chunked_request_is_sent_again_with_its_trailers() {
    for features in [&[][..], &["wayside/wasip3"]] {
        let app = guests().features(features.iter().copied()).capture_bodies(1024).await.unwrap();
        let inspector = app.inspector("127.0.0.1:0").await.unwrap();
        let server = app.serve("127.0.0.1:0").await.unwrap();
        let request = "POST /mirror HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                       trailer: x-sum\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\nx-sum: 7\r\nx-sum: 8\r\n\r\n";
        assert_eq!(Wire::exchange(&server, request).await.status, 200);
        let before = finished(&inspector, 1).await;
        assert_eq!(before["request"]["trailers"], serde_json::json!([["x-sum", "7"], ["x-sum", "8"]]), "{before}");
        assert_eq!(resend(&inspector, 1).await.whole_text(), "{\"status\":200}");
        let again = finished(&inspector, 2).await;
        for part in ["method", "url", "request", "response"] {
            assert_eq!(before[part], again[part], "{part}");
        }
    }
}

#[tokio::test]
async fn a_request_is_sent_again_as_it_was() {
    let (app, inspector) = inspected().await;
    let mut first = Request::builder().method("PUT").uri("http://a.test/mirror?x").body(Body::from("bo\0dy")).unwrap();
    first.headers_mut().append("x-a", "1".parse().unwrap());
    first.headers_mut().append("x-a", HeaderValue::from_bytes(b"\xff").unwrap());
    send(&app, first).await;
    let before = finished(&inspector, 1).await;
    assert_eq!(resend(&inspector, 1).await.whole_text(), "{\"status\":200}");
    let again = finished(&inspector, 2).await;
    assert_eq!(again["resent"], 1);
    for part in ["method", "url", "request", "response"] {
        assert_eq!(before[part], again[part], "{part}");
    }
}

#[tokio::test]
async fn user_and_password_of_urls_are_not_told() {
    let upstream = Outbound::from_fn(async |_| {
        Ok(Response::builder().header("location", "http://ada:s3cret@b.test/x").body(Body::empty()).unwrap())
    });
    // This component passes the authority of `UPSTREAM` on unchanged, with user name and password.
    let app = raw("proxy").env("UPSTREAM", "ada:s3cret@up.test").env("OTHER", "http://ada:s3cret@up.test/");
    let app = app.outbound(upstream).capture_bodies(1024).await.unwrap();
    let inspector = app.inspector("127.0.0.1:0").await.unwrap();
    let request = Request::get("http://a.test/x?next=http://ada:s3cret@b.test/");
    send(&app, request.header("referer", "http://ada:s3cret@c.test/").body(Body::empty()).unwrap()).await;
    let told = finished(&inspector, 1).await;
    assert!(!told.to_string().contains("s3cret"), "{told}");
    assert_eq!(told["url"], "http://a.test/x?next=http://redacted@b.test/");
    let call = "http://redacted@up.test/x?next=http://redacted@b.test/";
    assert_eq!(told["made"][0]["url"], call);
    let test = page(&inspector, "/requests/1/test.rs").await.whole_text();
    assert!(test.contains(&format!("Call::new(Method::GET, \"{call}\")")), "{test}");
    assert!(test.contains(".env(\"OTHER\", \"http://redacted@up.test/\")"), "{test}");
    // The harness refuses this request before it reaches a component.
    send(&app, get("http://ada:s3cret@a.test/status/200")).await;
    let told = finished(&inspector, 2).await;
    assert_eq!((&told["url"], &told["status"]), (&"http://redacted@a.test/status/200".into(), &400.into()));
}

#[tokio::test]
async fn updates_begin_with_what_is_kept_and_go_on_with_what_comes() {
    let (app, inspector) = inspected().await;
    send(&app, get("/status/204")).await;
    finished(&inspector, 1).await;
    let mut stream = BufReader::new(TcpStream::connect(inspector.addr()).await.unwrap());
    let request = format!("GET /updates HTTP/1.1\r\nhost: {}\r\n\r\n", inspector.addr());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    while told.last() != Some(&(2, Value::from(404), true)) {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "{told:?}");
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let update: Value = serde_json::from_str(data).unwrap();
        for one in update["requests"].as_array().unwrap() {
            told.push((one["number"].as_u64().unwrap(), one["status"].clone(), one["finished"] == true));
        }
        if told.len() == 1 {
            assert_eq!(told, [(1, Value::from(204), true)]);
            send(&app, get("/status/404")).await;
        }
    }
}

#[tokio::test]
async fn only_this_machine_and_pages_of_its_own_are_answered() {
    let (app, inspector) = inspected().await;
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let error = app.inspector(addr).await.unwrap_err();
        assert!(error.to_string().contains(addr) && error.help().unwrap().contains("127.0.0.1:3001"), "{error}");
    }
    send(&app, get("/status/200")).await;
    finished(&inspector, 1).await;
    let addr = inspector.addr();
    let refused = [
        "GET / HTTP/1.1\r\nhost: evil.test".to_owned(),
        format!("GET /requests/1 HTTP/1.1\r\nhost: evil.test:{}", addr.port()),
        format!("GET /updates HTTP/1.1\r\nhost: {addr}\r\norigin: http://evil.test"),
        format!("GET /requests/1 HTTP/1.1\r\nhost: {addr}\r\nsec-fetch-site: same-site"),
        format!("POST /requests/1/resend HTTP/1.1\r\nhost: {addr}\r\norigin: http://127.0.0.1:1\r\ncontent-length: 0"),
    ];
    for head in refused {
        let wire = ask(&inspector, &head).await;
        assert_eq!(wire.status, 403, "{head}");
        assert!(!wire.whole_text().contains("status/200"), "{wire:?}");
    }
    assert_eq!(app.requests(), 1, "a request was sent again for a stranger");
    let own = page(&inspector, "/").await;
    assert_eq!(own.status, 200);
    assert!(own.field("content-security-policy")[0].starts_with("default-src 'none'; script-src 'self';"), "{own:?}");
    assert_eq!(own.field("x-content-type-options"), ["nosniff"]);
    assert!(own.field("access-control-allow-origin").is_empty());
}

#[tokio::test]
async fn the_newest_requests_are_kept_and_the_oldest_give_way() {
    let (app, inspector) = inspected().await;
    for _ in 0..510 {
        send(&app, get("/status/200")).await;
    }
    finished(&inspector, 510).await;
    assert_eq!(page(&inspector, "/requests/10").await.status, 404);
    assert_eq!(json(&inspector, "/requests/11").await["number"], 11);
}

/// What the page does in a browser, from the first request to the saved test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_requests_as_they_come_sends_one_again_and_saves_it() {
    let Some(browser) = Browser::start("inspector") else { return };
    let (app, inspector) = inspected().await;
    browser.look(1280, 800, "light");
    browser.open(&inspector.url());
    browser.wait("document.getElementById('build') !== null").await;
    assert!(browser.text("#none").starts_with("No requests yet."));

    send(&app, get("/status/404")).await;
    send(&app, post("/call", "hello")).await;
    send(&app, get("/panic-before-head")).await;
    send(&app, get("/trap")).await;
    let document = Request::post("/mirror").header("content-type", "application/json").header("cookie", "a=b");
    send(&app, document.body(r#"{"name":"Ada","numbers":[1,2,3],"nested":{"true":true}}"#.into()).unwrap()).await;
    // In this request, everything that a client can choose contains markup.
    let markup = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>";
    let mut hostile =
        Request::post("/mirror?%3Cscript%3Ewindow.pwned=1%3C/script%3E").body(Body::from(markup)).unwrap();
    hostile.headers_mut().insert("x-markup", markup.parse().unwrap());
    hostile.headers_mut().insert("content-type", "text/html".parse().unwrap());
    send(&app, hostile).await;
    browser.wait("document.querySelectorAll('#requests li').length === 6").await;
    browser.wait("!document.querySelector('#requests').textContent.includes('…')").await;
    assert!(browser.text("#requests li:last-child").contains("404"), "the oldest is last");

    // Selects a request with the mouse.
    browser.click("#requests li:nth-child(5) a");
    browser.wait("document.querySelector('#detail h2')?.textContent === 'POST http://localhost/call'").await;
    let detail = browser.text("#detail");
    for part in ["hello", "status 201", "http://up.test/path?q=1", "until the head"] {
        assert!(detail.contains(part), "`{part}` is missing in {detail}");
    }
    browser.click("#detail details summary");
    assert!(browser.text("#detail details").contains("from upstream"));
    browser.picture("light");

    // Selects the newer requests one after another, with the key Arrow Up.
    browser.click("#requests li:nth-child(5) a");
    for shown in ["/panic-before-head", "/trap", "/mirror", "/mirror?"] {
        browser.press("\u{e013}");
        browser.wait(&format!("document.querySelector('#detail h2')?.textContent.includes('{shown}')")).await;
        browser.wait("document.querySelector('#detail').dataset.number === location.hash.slice(1)").await;
        if shown == "/trap" {
            assert!(browser.text("#detail .trap").contains("unreachable"));
            browser.picture("trap");
        }
        if shown == "/panic-before-head" {
            assert!(browser.text("#detail .log").contains("panicked"));
        }
    }
    assert!(browser.text("#detail").contains(markup));
    assert_eq!(browser.run("return document.querySelectorAll('main img, main script').length;"), 0);
    assert_eq!(browser.run("return window.pwned === undefined;"), true);

    // After a request has been sent again, the page shows the new request in place of the old one.
    browser.run("location.hash = '#5';");
    browser.wait("document.querySelector('#detail').dataset.number === '5'").await;
    browser.click("#resend");
    browser.wait("location.hash === '#7' && document.querySelector('#detail').dataset.number === '7'").await;
    assert_eq!(app.requests(), 7);
    assert!(browser.text("#detail .facts").contains("request 5"));
    assert!(browser.text("#detail pre.body").contains("  \"name\": \"Ada\""), "JSON is laid out");

    browser.look(1280, 800, "dark");
    browser.picture("dark");
    browser.click("#save");
    browser.wait("document.querySelector('#saved').open").await;
    let test = browser.text("#saved pre");
    assert!(test.contains("async fn post_mirror_is_answered_with_200()"), "{test}");
    browser.picture("saved");
    browser.click("#close");

    // Filters the list of requests.
    browser.press("/");
    browser.press("404");
    browser.wait("[...document.querySelectorAll('#requests li')].filter((row) => !row.hidden).length === 1").await;
    browser.run("const filter = document.getElementById('filter'); filter.value = ''; filter.dispatchEvent(new Event('input'));");

    // On a narrow screen the request replaces the list, and nothing is wider than the screen.
    browser.look(400, 800, "light");
    let fits = "return document.documentElement.scrollWidth <= 400;";
    assert_eq!(browser.run(fits), true);
    browser.picture("narrow-one");
    browser.click(".back");
    browser.wait("document.querySelector('#detail').hidden").await;
    assert_eq!(browser.run(fits), true);
    browser.picture("narrow-list");
    browser.look(400, 800, "dark");
    browser.picture("narrow-dark");

    // The page gives the reason why a request cannot be repeated. In the list, a long path leaves room for the outcome.
    send(&app, get(&format!("/trap/{}", "long/".repeat(40)))).await;
    send(&app, post("/status/200", "unread")).await;
    browser.look(1280, 800, "light");
    browser.run("location.hash = '#9';");
    let why = "It can neither be sent again nor be saved as a test: the component did not read all of the body.";
    browser.wait(&format!("document.querySelector('#detail .note')?.textContent === '{why}'")).await;
    assert_eq!(browser.run("return document.querySelectorAll('#resend:disabled, #save:disabled').length;"), 2);
    browser.wait("document.querySelector('#requests li:nth-child(2) .mark.bad') !== null").await;
    let is_in_sight = "const mark = document.querySelector('#requests li:nth-child(2) .mark.bad').getBoundingClientRect();\
                       const row = document.querySelector('#requests li:nth-child(2) .size').getBoundingClientRect();\
                       return mark.width > 0 && mark.right <= row.left;";
    assert_eq!(browser.run(is_in_sight), true);
    browser.picture("refused");
    browser.look(400, 800, "light");
    browser.picture("narrow-refused");
    assert_eq!(browser.run(fits), true);
    browser.run("location.hash = '#';");

    // The page lists the newest 500 of many requests.
    for _ in 0..600 {
        send(&app, get("/status/200")).await;
    }
    browser.wait("document.querySelector('#requests a').hash === '#609'").await;
    assert_eq!(browser.run("return document.querySelectorAll('#requests li').length;"), 500);
    browser.click("#clear");
    browser.wait("document.querySelectorAll('#requests li').length === 0").await;
}
