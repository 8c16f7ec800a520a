//! Request heads over HTTP/2.

use wayside_harness::http::{Method, Request, Response, Uri, header, uri};
use wayside_harness::{Body, Server};

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::super::fixture::{Upstream, example, read_head};
use super::shown;

/// A connection over HTTP/2 without TLS.
pub(super) struct Http2(hyper::client::conn::http2::SendRequest<Body>);

impl Http2 {
    pub(super) async fn to(server: &Server) -> Self {
        let stream = TokioIo::new(TcpStream::connect(server.addr()).await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(super) async fn send(&mut self, request: Request<Body>) -> Response<String> {
        self.0.ready().await.unwrap();
        let (parts, body) = self.0.send_request(request).await.unwrap().into_parts();
        Response::from_parts(parts, Body::new(body).text().await.unwrap())
    }

    /// Returns only the status, because the body may break off.
    pub(super) async fn status(&mut self, request: Request<Body>) -> u16 {
        self.0.ready().await.unwrap();
        self.0.send_request(request).await.unwrap().status().as_u16()
    }
}

/// Makes a request target from its parts, because the parser of whole URIs rejects some of these targets.
fn target(authority: &str, path: &str) -> Uri {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = Some(authority.parse().unwrap());
    parts.path_and_query = Some(path.parse().unwrap());
    Uri::from_parts(parts).unwrap()
}

fn get(target: Uri) -> Request<Body> {
    Request::get(target).body(Body::empty()).unwrap()
}

fn assert_refused(response: &Response<String>, status: u16, what: &str) {
    assert_eq!(response.status(), status, "{what}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{what}");
}

#[tokio::test]
async fn an_authority_that_names_no_single_host_and_port_is_400() {
    let (app, server) = shown().await;
    let mut http2 = Http2::to(&server).await;
    for authority in ["user@a.test", "user:password@a.test", "a.test:99999", "a.test:x", "[::g]", "[::1]80"] {
        assert_refused(&http2.send(get(target(authority, "/"))).await, 400, authority);
    }
    assert_eq!((app.requests(), app.instances()), (6, 0));
}

#[tokio::test]
async fn an_authority_of_another_host_than_the_host_field_is_400() {
    let (app, server) = shown().await;
    let mut http2 = Http2::to(&server).await;
    for host in ["b.test", "a.test:81", "user@a.test", "a.test:x"] {
        let mut request = get(target("a.test", "/"));
        request.headers_mut().insert("host", host.parse().unwrap());
        assert_refused(&http2.send(request).await, 400, host);
    }
    assert_eq!((app.requests(), app.instances()), (4, 0));
}

#[tokio::test]
async fn two_host_fields_are_400() {
    let (_app, server) = shown().await;
    let mut request = get(target("a.test", "/"));
    request.headers_mut().append("host", "a.test".parse().unwrap());
    request.headers_mut().append("host", "a.test".parse().unwrap());
    assert_refused(&Http2::to(&server).await.send(request).await, 400, "two hosts");
}

#[tokio::test]
async fn an_authority_of_the_same_host_in_other_words_is_answered() {
    let (_app, server) = shown().await;
    let mut http2 = Http2::to(&server).await;
    for host in ["a.test", "A.TEST", "a.test:80"] {
        let mut request = get(target("a.test", "/x"));
        request.headers_mut().insert("host", host.parse().unwrap());
        let response = http2.send(request).await;
        assert_eq!(response.status(), 200, "{host}");
        assert!(response.body().starts_with("GET http://a.test/x\nhost: a.test\n"), "{response:?}");
    }
}

#[tokio::test]
async fn an_asterisk_is_400_and_so_is_another_scheme() {
    let (app, server) = shown().await;
    let mut http2 = Http2::to(&server).await;
    assert_refused(&http2.send(get(target("a.test", "*"))).await, 400, "*");
    assert_refused(&http2.send(get("ftp://a.test/".parse().unwrap())).await, 400, "ftp");
    assert_eq!((app.requests(), app.instances()), (2, 0));
}

#[tokio::test]
async fn connect_is_501_and_says_that_there_are_no_tunnels() {
    let (app, server) = shown().await;
    let request = Request::builder().method(Method::CONNECT).uri("b.test:443").body(Body::empty()).unwrap();
    let response = Http2::to(&server).await.send(request).await;
    assert_refused(&response, 501, "CONNECT");
    assert!(response.body().contains("tunnel"), "{response:?}");
    assert_eq!((app.requests(), app.instances()), (1, 0));
}

#[tokio::test]
async fn an_extended_connect_is_501_and_names_its_protocol() {
    let (app, server) = shown().await;
    let mut http2 = Http2::to(&server).await;
    // hyper sends an extended CONNECT only once it knows the server's settings, which arrive before the first response.
    assert_eq!(http2.send(get(target("a.test", "/"))).await.status(), 200);
    let mut request = get(target("a.test", "/socket"));
    *request.method_mut() = Method::CONNECT;
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    let response = http2.send(request).await;
    assert_refused(&response, 501, "websocket");
    assert!(response.body().contains("`websocket`"), "{response:?}");
    assert_eq!((app.requests(), app.instances()), (2, 1));
}

#[tokio::test]
async fn crumbs_of_a_cookie_are_joined_for_the_component() {
    let (_app, server) = shown().await;
    let mut request = get(target("a.test", "/"));
    for crumb in ["a=1", "b=2", "c=\"3\""] {
        request.headers_mut().append("cookie", crumb.parse().unwrap());
    }
    let response = Http2::to(&server).await.send(request).await;
    assert!(response.body().contains("\ncookie: a=1; b=2; c=\"3\"\n"), "{response:?}");
}

#[tokio::test]
async fn crumbs_of_a_cookie_are_one_line_for_the_upstream() {
    let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::with(move |mut stream| {
        let heads = heads.clone();
        async move {
            heads.send(read_head(&mut stream).await).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nup";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        }
    })
    .await;
    let outbound = wayside_harness::Outbound::allow_all();
    let app = example("proxy").env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let mut request = get(target("a.test", "/"));
    for crumb in ["a=1", "b=2"] {
        request.headers_mut().append("cookie", crumb.parse().unwrap());
    }
    assert_eq!(Http2::to(&server).await.send(request).await.body(), "up");
    let head = seen.recv().await.unwrap();
    let cookies: Vec<&str> = head.split("\r\n").filter(|line| line.starts_with("cookie:")).collect();
    assert_eq!(cookies, ["cookie: a=1; b=2"]);
}
