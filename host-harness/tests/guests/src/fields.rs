//! As many fields of 1000 bytes as the path says.

use wayside::{HeaderName, HeaderValue, Request, Response};

pub(crate) async fn handle(request: Request) -> Response {
    let count: usize = super::parameter(&request).parse().unwrap_or(0);
    let mut response = Response::new("fits".into());
    for number in 0..count {
        if let Ok(name) = HeaderName::try_from(format!("x-{number}")) {
            response.headers_mut().insert(name, HeaderValue::from_static(VALUE));
        }
    }
    response
}

const VALUE: &str = match std::str::from_utf8(&[b'v'; 1000]) {
    Ok(text) => text,
    Err(_) => "",
};
