//! Requests to switch to another protocol.

use http::{HeaderMap, Method, Request, Version, header};

use super::Refusal;
use crate::message::headers::{elements, quoted};

/// Rejects requests for WebSockets and CONNECT, because `wasi:http` supports neither WebSockets nor tunnels. Ignores
/// requests to upgrade to any other protocol (RFC 9110, section 7.8).
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::not_implemented(match request.extensions().get::<hyper::ext::Protocol>() {
            None => {
                "CONNECT asks for a tunnel to another server: this server is not a proxy, and wasi:http has no tunnels"
                    .to_owned()
            }
            Some(protocol) => format!(
                "CONNECT asks for a tunnel for {}: wasi:http has no tunnels; use requests and responses",
                quoted(protocol.as_str().as_bytes())
            ),
        }));
    }
    if is_websocket(request) {
        return Err(Refusal::not_implemented(
            "this server has no WebSockets: wasi:http has none; use requests and responses, or server-sent events",
        ));
    }
    Ok(())
}

/// Whether the client opens a WebSocket (RFC 6455, section 4.1).
fn is_websocket<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has(headers, header::CONNECTION, b"upgrade")
        && has(headers, header::UPGRADE, b"websocket")
}

/// Whether the list in a header contains an element, regardless of case.
fn has(headers: &HeaderMap, field: header::HeaderName, element: &[u8]) -> bool {
    elements(headers.get_all(field).iter()).any(|found| found.eq_ignore_ascii_case(element))
}
