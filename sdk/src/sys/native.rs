//! The native world. It has no host and exports nothing, because tests call handlers as functions.

pub(crate) mod error_code;
pub(crate) mod export;
pub(crate) mod timer;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body::SizeHint;

use self::error_code::ErrorCode;
use super::World;
use super::body::{self, MessageBody, Origin, Outgoing};
use super::executor::Job;
use super::executor::blocking::{Blocking, Root};
use super::http::framing;
use super::outbound::{self, Kind, Timeouts};
use super::request::{IncomingRequest, RequestError};

/// The native world.
pub(crate) struct Native;

/// An uninhabited type, because natively no body comes from a host.
pub(crate) type ArrivingBody = Infallible;

impl World for Native {
    type IncomingRequest = ArrivingRequest;
    type IncomingBody = ArrivingBody;
    type Sleep = timer::Sleep;

    const HAS_THREADS: bool = true;

    fn now() -> Duration {
        timer::elapsed()
    }

    async fn send<B: MessageBody>(
        mut request: Box<Request<B>>,
        timeouts: Timeouts,
    ) -> Result<Box<Response<B>>, outbound::Error> {
        CALLS.set(CALLS.get() + 1);
        let upstream = outbound();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        frame(&mut request).map_err(|error| error.with_target(&method, &uri))?;
        let response = upstream.map(|upstream| upstream.call(request.map(MessageBody::into_outgoing)));
        let response = match response {
            Some(response) => within(timeouts.total, response).await,
            None => Err(outbound::Error::new(
                Kind::Denied,
                "a native test has no network; answer the call with `wayside::test::outbound`",
            )),
        };
        response
            .and_then(|mut response| {
                if let Some(code) = response.extensions_mut().remove::<ErrorCode>() {
                    return Err(code.into_error());
                }
                received(&method, response.map(|body| MessageBody::from_outgoing(body, Origin::Response)))
            })
            .map(Box::new)
            .map_err(|error| error.with_target(&method, &uri))
    }

    async fn pass_on<B: MessageBody>(_: Box<Request<B>>) -> Result<Box<Response<B>>, outbound::Error> {
        let reason = "a native test has no next handler; make one with `wayside::middleware::Next::from_fn`";
        Err(outbound::Error::new(Kind::Unsupported, reason))
    }

    fn sleep(duration: Duration) -> timer::Sleep {
        timer::Sleep::new(duration)
    }

    fn log(message: &str) {
        eprintln!("{message}");
    }

    fn unparker() -> impl Fn() + Send + Sync + 'static {
        let thread = thread::current();
        move || thread.unpark()
    }
}

impl Blocking for Native {
    type Beside = ();
    const BESIDE: () = ();

    fn park() {
        timer::park();
    }

    fn look() {
        timer::wake_due();
    }

    fn root() -> impl Root {
        Job::new()
    }
}

/// Waits for a response, and fails once the total time limit has passed. The other time limits concern connections,
/// which a native test does not have.
async fn within<T>(limit: Option<Duration>, response: impl Future<Output = T>) -> Result<T, outbound::Error> {
    let mut response = std::pin::pin!(response);
    let mut sleep = limit.map(timer::Sleep::new);
    poll_fn(|cx| {
        if let Poll::Ready(response) = response.as_mut().poll(cx) {
            return Poll::Ready(Ok(response));
        }
        match &mut sleep {
            Some(sleep) => {
                Pin::new(sleep).poll(cx).map(|()| Err(outbound::Error::new(Kind::Timeout, "no response in time")))
            }
            None => Poll::Pending,
        }
    })
    .await
}

/// Gives a request the `content-length` that it would have on the wire.
fn frame<B: MessageBody>(request: &mut Request<B>) -> Result<(), outbound::Error> {
    let invalid = |reason: String| outbound::Error::new(Kind::Request, reason);
    let set = framing::of_headers(request.headers_mut()).map_err(invalid)?;
    let framing = framing::of_request(request.method(), set, request.body().known()).map_err(invalid)?;
    if let framing::Header::Add(length) = framing.header {
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(())
}

/// Reduces a response to the parts that would arrive over the wire: at most one `content-length`, and no body if the
/// method or the status forbids one.
fn received<B: MessageBody>(method: &Method, mut response: Response<B>) -> Result<Response<B>, outbound::Error> {
    framing::of_headers(response.headers_mut())
        .map_err(|reason| outbound::Error::new(Kind::Protocol, format!("the response is not valid: {reason}")))?;
    if *method == Method::HEAD || framing::is_bodiless(response.status()) {
        *response.body_mut() = B::default();
    }
    if [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&response.status()) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    Ok(response)
}

/// Responds to the outbound calls of a thread.
pub(crate) trait Upstream {
    fn call(&self, request: Request<Outgoing>) -> Pin<Box<dyn Future<Output = Response<Outgoing>> + Send>>;
}

thread_local! {
    /// The number of outbound calls that this thread has made.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static OUTBOUND: RefCell<Option<Rc<dyn Upstream>>> = const { RefCell::new(None) };
}

/// Returns the number of outbound calls that this thread has made.
pub(crate) fn calls() -> u64 {
    CALLS.get()
}

/// Sets the upstream of this thread's outbound calls, and returns the previous one.
pub(crate) fn set_outbound(upstream: Option<Rc<dyn Upstream>>) -> Option<Rc<dyn Upstream>> {
    OUTBOUND.replace(upstream)
}

/// Returns the upstream of this thread's outbound calls.
pub(crate) fn outbound() -> Option<Rc<dyn Upstream>> {
    OUTBOUND.with_borrow(Option::clone)
}

/// A request that a test made.
pub struct ArrivingRequest(pub(crate) Request<Outgoing>);

impl IncomingRequest for ArrivingRequest {
    fn method(&self) -> Result<Method, RequestError> {
        Ok(self.0.method().clone())
    }

    fn uri(&self) -> Result<Uri, RequestError> {
        Ok(self.0.uri().clone())
    }

    fn headers(&self) -> Result<HeaderMap, RequestError> {
        Ok(self.0.headers().clone())
    }

    fn into_body<B: MessageBody>(self) -> B {
        B::from_outgoing(self.0.into_body(), Origin::Request)
    }
}

impl body::IncomingBody for Infallible {
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
