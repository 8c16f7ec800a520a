//! Problem documents (RFC 9457).

use http::{HeaderValue, Response, StatusCode, header};

use super::body::Body;

/// Makes a response with a problem document (RFC 9457): a status, and a detail that the client may see.
pub(crate) fn problem(status: StatusCode, detail: Option<&str>) -> Response<Body> {
    let title = serde_json::Value::from(status.canonical_reason());
    let detail = detail.map_or(String::new(), |detail| format!(",\"detail\":{}", serde_json::Value::from(detail)));
    let document = format!("{{\"title\":{title},\"status\":{}{detail}}}", status.as_u16());
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
