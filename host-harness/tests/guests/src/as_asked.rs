//! Responds with the headers that the request headers `x-answer` contain, each in the form `name: value`.

use wayside::{Error, HeaderName, HeaderValue, Request, Response};

pub(crate) async fn handle(request: Request) -> Result<Response, Error> {
    let mut response = Response::new("an answer".into());
    for header in request.headers().get_all("x-answer") {
        if let Some((name, value)) = header.to_str()?.split_once(": ") {
            response.headers_mut().append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
    }
    Ok(response)
}
