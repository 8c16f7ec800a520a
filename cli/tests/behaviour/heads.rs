//! Request heads: which ones are refused before they reach the component, and how the component sees the accepted ones.

mod framing;
mod http2;
mod size;

use wayside_harness::http::{Method, Request, Version};
use wayside_harness::{Body, Harness, Server};

use super::fixture::{Wire, example, get};

/// Serves the example `headers`, which returns the head of its request as the response body.
async fn shown() -> (Harness, Server) {
    let app = example("headers").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    (app, server)
}

/// Adds `connection: close` and the empty line to a request head, sends it, and returns the response.
async fn exchange(server: &Server, head: &str) -> Wire {
    Wire::exchange(server, &format!("{head}connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn an_upgrade_to_anything_but_websocket_is_ignored() {
    let (_app, server) = shown().await;
    for protocol in ["TLS/1.2", "h2c", "h2c\r\nhttp2-settings: AAMAAABkAAQAAP__", "HTTP/2.0, SHTTP/1.3", "websockets"] {
        let head = format!("GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n");
        let wire = exchange(&server, &head).await;
        assert_eq!(wire.status, 200, "{head}");
        assert!(!wire.whole_text().contains("upgrade"), "the component is shown the upgrade: {wire:?}");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_not_named_by_connection_is_ignored() {
    let (_app, server) = shown().await;
    let wire = exchange(&server, "GET / HTTP/1.1\r\nhost: a.test\r\nupgrade: websocket\r\n").await;
    assert_eq!(wire.status, 200, "{wire:?}");
    assert!(!wire.whole_text().contains("upgrade"), "{wire:?}");
}

#[tokio::test]
async fn an_upgrade_over_http_1_0_is_ignored() {
    let (_app, server) = shown().await;
    let wire =
        exchange(&server, "GET / HTTP/1.0\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n").await;
    assert_eq!(wire.status, 200, "{wire:?}");
}

#[tokio::test]
async fn an_upgrade_of_another_method_than_get_is_ignored() {
    let (_app, server) = shown().await;
    let head = "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
    let wire = exchange(&server, head).await;
    assert_eq!(wire.status, 200, "{wire:?}");
}

#[tokio::test]
async fn a_websocket_in_a_list_and_in_any_case_is_501_with_a_reason() {
    let (app, server) = shown().await;
    for fields in [
        "connection: Keep-Alive, Upgrade\r\nupgrade: WebSocket\r\n",
        "connection: keep-alive\r\nconnection: UPGRADE\r\nupgrade: h2c, websocket\r\n",
        "connection: upgrade\r\nupgrade: h2c\r\nupgrade: websocket\r\n",
    ] {
        let wire = exchange(&server, &format!("GET / HTTP/1.1\r\nhost: a.test\r\n{fields}")).await;
        assert_eq!(wire.status, 501, "{fields}");
        assert_eq!(wire.field("content-type"), ["application/problem+json"]);
        assert!(wire.whole_text().contains("WebSocket"), "{wire:?}");
    }
    assert_eq!((app.requests(), app.instances()), (3, 0));
}

#[tokio::test]
async fn a_websocket_in_process_is_501_as_over_a_socket() {
    let app = example("hello").await.unwrap();
    let request = |version| {
        let request = Request::get("/").version(version).header("connection", "upgrade").header("upgrade", "websocket");
        app.request(request.body(()).unwrap())
    };
    assert_eq!(request(Version::HTTP_11).await.status(), 501);
    assert_eq!(request(Version::HTTP_10).await.status(), 200);
}

#[tokio::test]
async fn connect_is_501_and_says_that_there_are_no_tunnels() {
    let (app, server) = shown().await;
    let wire = exchange(&server, "CONNECT b.test:443 HTTP/1.1\r\nhost: b.test:443\r\n").await;
    assert_eq!(wire.status, 501);
    let text = wire.whole_text();
    assert!(text.contains("tunnel") && !text.contains("WebSocket"), "{text}");
    let request = Request::builder().method(Method::CONNECT).uri("b.test:443").body(()).unwrap();
    assert_eq!(app.request(request).await.status(), 501);
    assert_eq!((app.requests(), app.instances()), (2, 0));
}

/// Values of `Host` that are no valid host with an optional port.
const INVALID_HOSTS: [&str; 15] = [
    "user@a.test",
    "user:password@a.test:80",
    "@a.test",
    "a.test:99999",
    "a.test:65536",
    "a.test:x",
    "a.test:+80",
    "a.test:-1",
    ":80",
    "[::1",
    "[::1]80",
    "[::g]",
    "[1::2::3]",
    "[127.0.0.1]",
    "a%zz.test",
];

#[tokio::test]
async fn a_host_that_names_no_single_host_and_port_is_400() {
    let (app, server) = shown().await;
    for host in INVALID_HOSTS.into_iter().chain(["", "a b", "a/b", "a?b", "a\\b", "<a>", "a:1:2", "caf\u{e9}"]) {
        let wire = exchange(&server, &format!("GET / HTTP/1.1\r\nhost: {host}\r\n")).await;
        assert_eq!(wire.status, 400, "`{host}`");
        assert_eq!(wire.field("content-type"), ["application/problem+json"], "`{host}`");
        assert!(wire.whole_text().contains("Host"), "{wire:?}");
    }
    assert_eq!((app.requests(), app.instances()), (23, 0), "each is counted, and none reaches the component");
}

#[tokio::test]
async fn a_host_that_names_no_single_host_and_port_is_400_in_process() {
    let app = example("hello").await.unwrap();
    for host in INVALID_HOSTS {
        let request = Request::get("/").header("host", host).body(()).unwrap();
        assert_eq!(app.request(request).await.status(), 400, "`{host}`");
    }
    let request = Request::get("/").header("host", "a.test").header("host", "a.test").body(()).unwrap();
    assert_eq!(app.request(request).await.status(), 400);
    assert_eq!(app.instances(), 0);
}

#[tokio::test]
async fn every_kind_of_host_reaches_the_component() {
    let (_app, server) = shown().await;
    for host in ["a.test", "A.Test", "a_b.test:8080", "127.0.0.1:80", "[::1]", "[2001:db8::1]:443", "xn--caf-dma.test."]
    {
        let wire = exchange(&server, &format!("GET /x HTTP/1.1\r\nhost: {host}\r\n")).await;
        assert_eq!(wire.status, 200, "`{host}`");
        assert!(wire.whole_text().starts_with(&format!("GET http://{host}/x\nhost: {host}\n")), "{wire:?}");
    }
}

#[tokio::test]
async fn an_empty_port_of_a_host_is_dropped() {
    let (_app, server) = shown().await;
    for (target, host) in [("/x", "a.test:"), ("http://a.test:/x", "b.test")] {
        let wire = exchange(&server, &format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n")).await;
        assert_eq!(wire.status, 200, "{target} `{host}`");
        assert!(wire.whole_text().starts_with("GET http://a.test/x\nhost: a.test\n"), "{wire:?}");
    }
}

#[tokio::test]
async fn a_target_in_the_form_of_an_authority_or_an_asterisk_is_400() {
    let (app, server) = shown().await;
    for line in ["GET evil.test:80", "GET evil.test", "POST evil.test:80", "GET *", "HEAD *", "OPTIONS evil.test:80"] {
        let wire = exchange(&server, &format!("{line} HTTP/1.1\r\nhost: a.test\r\n")).await;
        assert_eq!(wire.status, 400, "{line}");
        assert_eq!(wire.field("content-type"), ["application/problem+json"], "{line}");
    }
    assert_eq!((app.requests(), app.instances()), (6, 0));
}

#[tokio::test]
async fn a_target_of_another_form_is_400_in_process() {
    let app = example("hello").await.unwrap();
    for target in ["evil.test:80", "evil.test", "*", "ftp://a.test/", "http://user@a.test/", "http://a.test:99999/"] {
        assert_eq!(app.request(get(target)).await.status(), 400, "{target}");
    }
    assert_eq!((app.requests(), app.instances()), (6, 0));
}

#[tokio::test]
async fn a_target_with_a_host_wins_over_the_host_field() {
    let (_app, server) = shown().await;
    let wire = exchange(&server, "GET http://b.test:81/x?y HTTP/1.1\r\nhost: a.test\r\n").await;
    assert_eq!(wire.status, 200);
    assert!(wire.whole_text().starts_with("GET http://b.test:81/x?y\nhost: b.test:81\n"), "{wire:?}");
}

#[tokio::test]
async fn a_target_with_a_host_and_no_path_has_the_path_slash() {
    let (_app, server) = shown().await;
    for (target, shown) in [("http://b.test", "http://b.test/"), ("http://b.test?y", "http://b.test/?y")] {
        let wire = exchange(&server, &format!("GET {target} HTTP/1.1\r\nhost: b.test\r\n")).await;
        assert!(wire.whole_text().starts_with(&format!("GET {shown}\n")), "{wire:?}");
    }
}

#[tokio::test]
async fn an_invalid_host_beside_a_target_with_a_host_is_400() {
    let (_app, server) = shown().await;
    for host in ["host: user@a.test\r\n", "host: a.test:x\r\n", "host: \r\n", "host: a\r\nhost: b\r\n", ""] {
        let wire = exchange(&server, &format!("GET http://b.test/ HTTP/1.1\r\n{host}")).await;
        assert_eq!(wire.status, 400, "{host}");
    }
}

#[tokio::test]
async fn a_target_with_userinfo_or_a_bad_port_or_another_scheme_is_400() {
    let (_app, server) = shown().await;
    for target in [
        "http://user@a.test/",
        "http://user:password@a.test/",
        "http://a.test:99999/",
        "http://a.test:x/",
        "http://[::1/",
        "http:///x",
        "ftp://a.test/",
        "ws://a.test/",
        "file:///etc/passwd",
    ] {
        let wire = exchange(&server, &format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n")).await;
        assert_eq!(wire.status, 400, "{target}");
    }
}

#[tokio::test]
async fn a_request_of_http_1_0_needs_no_host() {
    let (_app, server) = shown().await;
    let wire = exchange(&server, "GET /x HTTP/1.0\r\n").await;
    assert!(wire.whole_text().starts_with("GET http://localhost/x\n"), "{wire:?}");
    let wire = exchange(&server, "GET http://b.test/x HTTP/1.0\r\n").await;
    assert!(wire.whole_text().starts_with("GET http://b.test/x\n"), "{wire:?}");
}

/// Several cookie headers in HTTP/1.1 are the client's mistake, and stay unchanged.
#[tokio::test]
async fn cookies_of_http_1_1_stay_apart() {
    let (_app, server) = shown().await;
    let wire = exchange(&server, "GET / HTTP/1.1\r\nhost: a.test\r\ncookie: a=1\r\ncookie: b=2\r\n").await;
    assert!(wire.whole_text().contains("cookie: a=1\ncookie: b=2\n"), "{wire:?}");
}

#[tokio::test]
async fn crumbs_of_a_cookie_are_joined_in_process_as_well() {
    let app = example("headers").await.unwrap();
    let request = Request::get("/").version(Version::HTTP_2).header("cookie", "a=1").header("cookie", "b=2");
    let text = app.request(request.body(Body::empty()).unwrap()).await.into_body().text().await.unwrap();
    assert!(text.contains("cookie: a=1; b=2\n"), "{text}");
}
