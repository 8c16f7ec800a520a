//! Returns a request as a response: headers and body unchanged, the request line in headers.

use wayside::{HeaderValue, Request, Response};

pub(crate) async fn handle(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    *headers = parts.headers;
    headers.remove("content-length");
    let host = headers.remove("host");
    let status = headers.remove("x-mirror-status").and_then(|status| status.to_str().ok()?.parse().ok());
    for (name, value) in [
        ("x-mirror-method", HeaderValue::from_str(parts.method.as_str()).ok()),
        ("x-mirror-uri", HeaderValue::from_str(&parts.uri.to_string()).ok()),
        ("x-mirror-path", HeaderValue::from_str(parts.uri.path()).ok()),
        ("x-mirror-host", host),
    ] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    *response.status_mut() = status.unwrap_or_default();
    response
}
