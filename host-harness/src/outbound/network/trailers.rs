//! Reports request trailers that are lost over HTTP/1.1.

use http::{HeaderMap, HeaderName, Request, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::CaptureConnection;

use crate::message::body::Body;
use crate::message::headers::elements;
use crate::outbound::shown;

/// Logs the trailers of a request that hyper drops: over HTTP/1.1 it sends only those that the `Trailer` header names.
pub(super) fn watched(request: Request<Body>, connection: &CaptureConnection) -> Request<Body> {
    // A body of known length cannot have trailers over HTTP/1.1.
    if request.body().is_end_stream() || request.body().size_hint().exact().is_some() {
        return request;
    }
    let (parts, body) = request.into_parts();
    let names = announced(&parts.headers);
    let (uri, connection) = (parts.uri.clone(), connection.clone());
    let body = body.map_frame(move |frame| {
        if let Some(trailers) = frame.trailers_ref()
            && !connection.connection_metadata().as_ref().is_some_and(|connected| connected.is_negotiated_h2())
        {
            warn_of_dropped(trailers, &names, &uri);
        }
        frame
    });
    Request::from_parts(parts, Body::new(body))
}

/// Returns the names in the `Trailer` headers.
fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    elements(headers.get_all(header::TRAILER).iter()).filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
}

fn warn_of_dropped(trailers: &HeaderMap, announced: &[HeaderName], uri: &Uri) {
    let dropped: Vec<String> =
        trailers.keys().filter(|name| !announced.contains(name)).map(|name| format!("`{name}`")).collect();
    if !dropped.is_empty() {
        tracing::warn!(
            "the request to `{}` was sent without its trailers {}; over HTTP/1.1, name them in a `Trailer` field of the request",
            shown(uri),
            dropped.join(", ")
        );
    }
}
