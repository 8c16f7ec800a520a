//! Returns the values of `x-in` unchanged in `x-out`, and two cookies.

use wayside::{Request, Response};

pub(crate) async fn handle(request: Request) -> Response {
    let mut response = Response::new("".into());
    for value in request.headers().get_all("x-in") {
        response.headers_mut().append("x-out", value.clone());
    }
    for cookie in ["a=1", "b=2"] {
        response.headers_mut().append("set-cookie", wayside::HeaderValue::from_static(cookie));
    }
    response
}
