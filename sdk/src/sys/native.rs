//! The native world: no host, nothing exported. Handlers are plain functions that tests call.

pub(crate) mod export;
pub(crate) mod timer;

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body::SizeHint;

use super::World;
use super::http::framing;
use crate::client::{Kind, Timeouts};
use crate::task::{Job, Root};
use crate::test::Upstream;
use crate::time::timeout;
use crate::{Body, Request, Response, body, client, error};

pub(crate) struct Native;

impl World for Native {
    type IncomingRequest = Arrived;
    type IncomingBody = Infallible;
    type Sleep = timer::Sleep;

    fn now() -> Duration {
        timer::elapsed()
    }

    async fn send(mut request: Box<Request>, timeouts: Timeouts) -> Result<Box<Response>, client::Error> {
        crate::test::changed();
        let upstream = outbound();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        frame(&mut request).map_err(|error| error.with_target(&method, &uri))?;
        let answer = upstream.map(|upstream| upstream.answer(*request));
        let response = match answer {
            Some(answer) => match timeouts.total {
                // The finer limits are about connections, and there is none.
                Some(limit) => timeout(limit, answer).await.map_err(client::Error::timed_out),
                None => Ok(answer.await),
            },
            None => Err(client::Error::new(
                Kind::Denied,
                "a native test has no network; answer the call with `wayside::test::outbound`",
            )),
        };
        response
            .and_then(|response| received(&method, response))
            .map(|response| Box::new(response.map(Body::of_a_response)))
            .map_err(|error| error.with_target(&method, &uri))
    }

    async fn pass_on(_: Box<Request>) -> Result<Box<Response>, client::Error> {
        let reason = "a native test has no next handler; make one with `wayside::middleware::Next::from_fn`";
        Err(client::Error::new(Kind::Unsupported, reason))
    }

    fn sleep(span: Duration) -> timer::Sleep {
        timer::Sleep::new(span)
    }

    fn park() {
        timer::park();
    }

    fn look() {
        timer::wake_due();
    }

    fn root() -> impl Root {
        Job::new()
    }

    fn log(message: &str) {
        eprintln!("{message}");
    }

    const HAS_THREADS: bool = true;

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        let thread = thread::current();
        move || thread.unpark()
    }

    type Sending = Infallible;
    const SENDING: Option<&'static Infallible> = None;
}

/// Gives a request the `content-length` that it would have on the wire.
fn frame(request: &mut Request) -> Result<(), client::Error> {
    let invalid = |reason: String| client::Error::new(Kind::Request, reason);
    let set = framing::of_headers(request.headers_mut()).map_err(invalid)?;
    let framing = framing::of_request(request.method(), set, request.body().known()).map_err(invalid)?;
    if let framing::Header::Add(length) = framing.header {
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(())
}

/// Takes from a response what would not arrive from the wire.
fn received(method: &Method, mut response: Response) -> Result<Response, client::Error> {
    framing::of_headers(response.headers_mut())
        .map_err(|reason| client::Error::new(Kind::Protocol, format!("the response is not valid: {reason}")))?;
    if *method == Method::HEAD || framing::is_bodiless(response.status()) {
        *response.body_mut() = Body::empty();
    }
    if [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&response.status()) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    Ok(response)
}

thread_local! {
    static OUTBOUND: RefCell<Option<Rc<dyn Upstream>>> = const { RefCell::new(None) };
}

/// Sets who answers the outbound calls of this thread, and hands back who did before.
pub(crate) fn set_outbound(upstream: Option<Rc<dyn Upstream>>) -> Option<Rc<dyn Upstream>> {
    OUTBOUND.replace(upstream)
}

/// Who answers the outbound calls of this thread.
pub(crate) fn outbound() -> Option<Rc<dyn Upstream>> {
    OUTBOUND.with_borrow(Option::clone)
}

/// A request that a test made.
pub(crate) struct Arrived(pub(crate) Request);

impl super::IncomingRequest for Arrived {
    fn method(&self) -> Result<Method, error::Error> {
        Ok(self.0.method().clone())
    }

    fn uri(&self) -> Result<Uri, error::Error> {
        Ok(self.0.uri().clone())
    }

    fn headers(&self) -> Result<HeaderMap, error::Error> {
        Ok(self.0.headers().clone())
    }

    fn into_body(self) -> Body {
        self.0.into_body()
    }
}

/// Natively no body comes from a host.
impl super::IncomingBody for Infallible {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, body::Error>>> {
        match *self {}
    }

    fn poll_trailers(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, body::Error>> {
        match *self {}
    }

    fn size_hint(&self) -> SizeHint {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use crate::client::{get, send};
    use crate::test::block_on;
    use crate::{Request, test};

    #[test]
    fn the_lengths_of_a_request_are_natively_as_on_the_wire() {
        let _upstream = test::outbound(async |request: Request| format!("{:?}", request.headers()));
        for (method, body, expected) in [
            ("GET", "", "{}"),
            ("DELETE", "", "{}"),
            ("POST", "", r#"{"content-length": "0"}"#),
            ("GET", "hello", r#"{"content-length": "5"}"#),
        ] {
            let request = Request::builder().method(method).uri("http://h.test/").body(body).unwrap();
            let seen = block_on(async { send(request).await.unwrap().into_body().text().await.unwrap() });
            assert_eq!(seen, expected, "{method}");
        }
        for length in ["+5", "4"] {
            let request = Request::post("http://h.test/").header("content-length", length).body("hello").unwrap();
            assert!(block_on(send(request)).unwrap_err().is_request(), "{length}");
        }
    }

    #[test]
    fn responses_without_content_have_none_natively() {
        let _upstream = test::outbound(async |request: Request| {
            let status: u16 = request.uri().path()[1..].parse().unwrap();
            (StatusCode::from_u16(status).unwrap(), [("content-length", "5, 5")], "hello")
        });
        for (method, status, length) in [
            ("GET", 200, Some("5")),
            ("HEAD", 200, Some("5")),
            ("GET", 304, Some("5")),
            ("GET", 204, None),
            ("GET", 205, None),
        ] {
            let uri = format!("http://h.test/{status}");
            let response = block_on(send(Request::builder().method(method).uri(uri).body("").unwrap())).unwrap();
            let told = response.headers().get("content-length").map(|length| length.to_str().unwrap());
            assert_eq!(told, length, "{method} {status}");
            let body = block_on(response.into_body().text()).unwrap();
            assert_eq!(body, if (method, status) == ("GET", 200) { "hello" } else { "" }, "{method} {status}");
        }
    }

    #[test]
    fn a_length_of_a_response_that_is_none_is_an_error_natively() {
        let _upstream = test::outbound(async |_| ([("content-length", "+5")], "hello"));
        let error = block_on(get("http://h.test/")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "GET http://h.test/: the response is not valid: content-length `+5` is not a number of bytes"
        );
    }
}
