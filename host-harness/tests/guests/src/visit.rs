//! Requests the URL in the header `x-url`, follows redirects, and reports the final URL or the error.

use wayside::client::{Client, ResponseExt as _};
use wayside::{HeaderValue, Method, Request};

pub(crate) async fn handle(request: Request) -> String {
    let header = |name: &str| request.headers().get(name).map_or(&[][..], HeaderValue::as_bytes);
    let url = String::from_utf8_lossy(header("x-url")).into_owned();
    let method = Method::from_bytes(header("x-method")).unwrap_or(Method::GET);
    let mut visit = Client::new().request(method, url);
    for name in ["authorization", "cookie", "content-language", "digest", "x-kept"] {
        for value in request.headers().get_all(name) {
            visit = visit.header(name, value.clone());
        }
    }
    match visit.send().await {
        Ok(response) => {
            let url = response.final_url().map(ToString::to_string).unwrap_or_default();
            let status = response.status().as_u16();
            format!("status {status} of {url}: {}\n", response.into_body().text().await.unwrap_or_default())
        }
        Err(error) => format!("request={} redirect={}: {error}\n", error.is_request(), error.is_redirect()),
    }
}
