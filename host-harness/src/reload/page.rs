//! The responses that clients get while the crate does not compile.

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};

use super::is_get;
use crate::builds::message;
use crate::message::body::Body;
use crate::message::problem;
use crate::{Error, show};

const PAGE: &str = include_str!("page.html");

/// The header of the request by which the page waits for the next build. Its value is the number of the build that the
/// page shows.
const SEEN: &str = "x-wayside-build";

/// Returns a page with the compiler's messages and the status 503. The page reloads itself after the next build.
pub(super) fn of(build: u64, error: &Error) -> Response<Body> {
    let page = PAGE.replace("{{build}}", &build.to_string()).replace("{{message}}", &escaped(&message(error)));
    respond(StatusCode::SERVICE_UNAVAILABLE, "text/html; charset=utf-8", page)
}

/// Returns the compiler's messages in a problem document with the status 503, for clients that are not browsers.
pub(super) fn problem(error: &Error) -> Response<Body> {
    problem::problem(StatusCode::SERVICE_UNAVAILABLE, Some(&message(error)))
}

/// Returns the response that tells the page that the next build has ended.
pub(super) fn look_again() -> Response<Body> {
    let mut response = respond(StatusCode::NO_CONTENT, "", String::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

fn respond(status: StatusCode, media_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the number of the build that a page shows, if the request comes from such a page.
pub(super) fn build_seen(request: &Request<Body>) -> Option<u64> {
    let seen = request.headers().get(SEEN).filter(|_| is_get(request.method()))?;
    seen.to_str().ok()?.parse().ok()
}

/// Whether a browser requests a page.
pub(super) fn is_wanted(request: &Request<Body>) -> bool {
    is_get(request.method()) && prefers_html(request.headers())
}

/// Whether `Accept` gives no other type a higher weight than HTML (RFC 9110, section 12.5.1).
fn prefers_html(headers: &HeaderMap) -> bool {
    let (mut html, mut other) = (0.0_f32, 0.0_f32);
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let weighed = if name.eq_ignore_ascii_case("text/html") { &mut html } else { &mut other };
        *weighed = weighed.max(weight);
    }
    html > 0.0 && html >= other
}

fn escaped(text: &str) -> String {
    show::text(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(accept: &'static str) -> bool {
        let request = Request::get("/").header("accept", accept).body(Body::empty()).unwrap();
        is_wanted(&request)
    }

    #[test]
    fn a_page_is_for_those_who_like_html_best() {
        assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"));
        assert!(wants("text/html"));
        assert!(!wants("*/*"));
        assert!(!wants("application/json, text/html;q=0.9"));
        assert!(!wants("text/html;q=0"));
        assert!(!wants(""));
        assert!(!is_wanted(&Request::post("/").header("accept", "text/html").body(Body::empty()).unwrap()));
    }

    #[tokio::test]
    async fn nothing_that_the_compiler_says_becomes_markup() {
        let error = Error::new("broken").with_source("expected `Vec<u8>` & <script>alert(1)</script>");
        let response = of(3, &error);
        assert_eq!(response.status(), 503);
        let text = response.into_body().text().await.unwrap();
        assert!(text.contains("expected `Vec&lt;u8&gt;` &amp; &lt;script&gt;alert(1)&lt;/script&gt;"), "{text}");
        assert!(text.contains("data-build=\"3\""), "{text}");
    }

    #[tokio::test]
    async fn control_characters_in_what_the_compiler_says_are_visible() {
        let response = of(1, &Error::new("broken").with_source("a\u{202e}b\u{1b}[31m\nc"));
        let text = response.into_body().text().await.unwrap();
        assert!(text.contains("a\\u{202e}b\\u{1b}[31m\nc"), "{text}");
    }
}
