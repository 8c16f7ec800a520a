//! Responds with hop-by-hop headers, which must not reach the client.

use wayside::{Request, Response};

pub(crate) async fn handle(_: Request) -> Response {
    let mut response = Response::new("sent".into());
    for (name, value) in [
        ("connection", "x-private, close"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("host", "elsewhere.test"),
        ("x-private", "named by connection"),
        ("x-public", "kept"),
    ] {
        response.headers_mut().append(name, wayside::HeaderValue::from_static(value));
    }
    response
}
