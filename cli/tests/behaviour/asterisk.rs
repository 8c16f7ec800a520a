//! `OPTIONS *`, the request about the whole server (RFC 9112, section 3.2.4).

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use wayside_harness::bytes::Bytes;
use wayside_harness::http::uri::PathAndQuery;
use wayside_harness::http::{Method, Request, Uri};
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Body, Outbound};

use super::fixture::{Upstream, Wire, get, guests, read_head, root, text_of};

/// Returns the URI of a server with the path `*`.
fn asterisk(server: &str) -> Uri {
    let mut parts = server.parse::<Uri>().unwrap().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("*"));
    Uri::from_parts(parts).unwrap()
}

#[tokio::test]
async fn the_asterisk_reaches_the_handler_over_http1() {
    let server = guests().await.unwrap().serve("127.0.0.1:0").await.unwrap();
    let request = "OPTIONS * HTTP/1.1\r\nhost: test\r\nx-mirror-status: 200\r\nconnection: close\r\n\r\n";
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.field("x-mirror-path"), ["*"], "{wire:?}");
    assert_eq!(wire.field("x-mirror-host"), ["test"]);
}

#[tokio::test]
async fn the_asterisk_reaches_the_handler_over_http2() {
    let server = guests().await.unwrap().serve("127.0.0.1:0").await.unwrap();
    let stream = TokioIo::new(TcpStream::connect(server.addr()).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::options(asterisk("http://test")).header("x-mirror-status", "200");
    let response = client.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["x-mirror-path"], "*");
    assert_eq!(response.headers()["x-mirror-host"], "test");
    response.into_body().collect().await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_asterisk_passes_through_middleware() {
    let app = guests().middleware(root().join("examples/log")).await.unwrap();
    for (method, uri, path) in [
        (Method::OPTIONS, asterisk("http://test"), "*"),
        (Method::OPTIONS, "http://test/".parse().unwrap(), "/"),
        (Method::OPTIONS, "http://test/a*".parse().unwrap(), "/a*"),
    ] {
        let request = Request::builder().method(method).uri(uri).header("x-mirror-status", "200");
        let response = app.request(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()["x-mirror-path"], path);
    }
}

#[tokio::test]
async fn the_asterisk_fits_a_mock_without_a_path() {
    let with_path = Call::new(Method::OPTIONS, "http://api.test/").times(0);
    let mock = Outbound::mock()
        .reply(with_path, "")
        .reply(Call::new(Method::OPTIONS, "http://Api.test"), Reply::ok().status(204));
    let app = guests().env("UPSTREAM", "http://api.test").outbound(&mock).await.unwrap();
    assert_eq!(text_of(&app, get("/asterisk")).await, (200, "status 204\n".to_owned()));
    mock.verify();
}

#[tokio::test]
async fn the_asterisk_is_sent_to_a_server() {
    let (heard, mut hear) = mpsc::unbounded_channel();
    let upstream = Upstream::with(move |mut stream| {
        let heard = heard.clone();
        async move {
            let _ = heard.send(read_head(&mut stream).await);
            stream.write_all(b"HTTP/1.1 204 No Content\r\nallow: OPTIONS\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let outbound = Outbound::allow([upstream.url.parse().unwrap()]);
    let app = guests().env("UPSTREAM", &upstream.url).outbound(outbound).await.unwrap();
    assert_eq!(text_of(&app, get("/asterisk")).await, (200, "status 204\n".to_owned()));
    let head = hear.recv().await.unwrap();
    assert!(head.starts_with("OPTIONS * HTTP/1.1\r\n"), "{head}");
}
