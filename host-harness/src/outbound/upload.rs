//! Checks the URL of every outbound request, and tells failures of its body from those of the server.

use std::sync::{Arc, OnceLock};

use http::uri::Scheme;
use http::{Request, Response, Uri};

use crate::message::body::{Body, BodyError, End, Observer, code_of, observe};
use crate::message::error_code::ErrorCode;
use crate::show;

/// Rejects a URL that is not an HTTP URL, before anything is sent. Logs the URL and the reason.
pub(super) fn check_url(uri: &Uri) -> Result<(), ErrorCode> {
    let reason = match (uri.scheme(), bad_port(uri)) {
        (Some(scheme), _) if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS => {
            format!("the scheme `{scheme}` is not supported; use `http` or `https`")
        }
        (_, Some(port)) => format!("the port `{port}` is not a number from 0 to 65535"),
        _ => return Ok(()),
    };
    tracing::warn!("refused the outbound call to `{}`: {reason}", shown(uri));
    Err(ErrorCode::HttpRequestUriInvalid)
}

/// Returns the port of a URL if it is invalid. The `http` crate accepts such a URL, and the call would go to the
/// default port.
fn bad_port(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?;
    let host_and_port = authority.as_str().rsplit('@').next()?;
    let port = host_and_port.strip_prefix(authority.host())?.strip_prefix(':')?;
    (!port.is_empty() && authority.port_u16().is_none()).then_some(port)
}

/// Formats a URL for the log, without query and password.
pub(crate) fn shown(uri: &Uri) -> String {
    let url = show::url(uri);
    url.split('?').next().unwrap_or_default().to_owned()
}

/// How a request body ended. If it failed, a failure of the call is not the server's fault.
#[derive(Clone, Default)]
pub(super) struct RequestBodyEnd(Arc<OnceLock<Result<(), ErrorCode>>>);

impl RequestBodyEnd {
    /// Observes the body of a request.
    pub(super) fn watch(&self, request: Request<Body>) -> Request<Body> {
        request.map(|body| observe(body, None, Sent(self.clone())))
    }

    /// If the request body failed, replaces the error of the response by that of the request body.
    pub(super) fn answer(self, answer: Result<Response<Body>, ErrorCode>) -> Result<Response<Body>, ErrorCode> {
        match answer {
            Err(code) => Err(self.failure().unwrap_or(code)),
            Ok(response) if matches!(self.0.get(), Some(Ok(()))) => Ok(response),
            // The request body may still fail while the response body is read.
            Ok(response) => Ok(response.map(|body| observe(body, None, Received(self)))),
        }
    }

    fn end(&self, end: Result<(), ErrorCode>) {
        // Keeps the earlier value if the end has been recorded before.
        let _ = self.0.set(end);
    }

    /// Returns the error code for a request whose body failed.
    fn failure(&self) -> Option<ErrorCode> {
        match self.0.get()? {
            Ok(()) => None,
            Err(code @ ErrorCode::HttpRequestBodySize(_)) => Some(code.clone()),
            Err(_) => Some(ErrorCode::HttpRequestBodySize(None)),
        }
    }
}

/// Observes the body of a request.
struct Sent(RequestBodyEnd);

impl Observer for Sent {
    fn end(self, _: u64, end: End<'_>) {
        // A body that is dropped cannot fail any more.
        self.0.end(if let End::Broken(error) = end { Err(code_of(error)) } else { Ok(()) });
    }
}

/// Observes the body of a response while its request is still being sent.
struct Received(RequestBodyEnd);

impl Observer for Received {
    fn error(&mut self, error: BodyError) -> BodyError {
        self.0.failure().map_or(error, Into::into)
    }

    fn end(self, _: u64, _: End<'_>) {}
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body::Frame;

    use super::*;

    #[test]
    fn only_urls_of_http_are_sent() {
        for (uri, allowed) in [
            ("http://a.test/", true),
            ("HTTPS://a.test:8443/", true),
            ("http://ada:80@a.test:80/", true),
            ("http://[::1]/", true),
            ("http://[::1]:80/", true),
            ("http://a.test:/", true),
            ("ftp://a.test/", false),
            ("ws://a.test/", false),
            ("httpx://a.test/", false),
            ("http://a.test:99999/", false),
            ("http://[::1]:65536/", false),
            ("http://a.test:8x/", false),
        ] {
            if let Ok(parsed) = uri.parse() {
                assert_eq!(check_url(&parsed).is_ok(), allowed, "{uri}");
            }
        }
    }

    #[test]
    fn the_log_has_neither_password_nor_query() {
        assert_eq!(shown(&Uri::from_static("http://ada:pw@a.test:99999/x?key=1")), "http://redacted@a.test:99999/x");
    }

    async fn answer_to(body: Body) -> Result<Response<Body>, ErrorCode> {
        let upload = RequestBodyEnd::default();
        let request = upload.watch(Request::new(body));
        let answer = request.into_body().bytes().await.map(|_| Response::new(Body::empty()));
        upload.answer(answer.map_err(|_| ErrorCode::ConnectionTerminated))
    }

    fn failing(error: impl Into<BodyError>) -> Body {
        let frames = futures_util::stream::iter([Ok(Frame::data(Bytes::from("part"))), Err(error.into())]);
        Body::new(http_body_util::StreamBody::new(frames))
    }

    #[tokio::test]
    async fn a_request_whose_own_body_fails_is_not_the_fault_of_the_server() {
        assert!(answer_to("whole".into()).await.is_ok());
        let code = answer_to(failing("cut")).await.unwrap_err();
        assert!(matches!(code, ErrorCode::HttpRequestBodySize(None)), "{code}");
        let code = answer_to(failing(ErrorCode::HttpRequestBodySize(Some(7)))).await.unwrap_err();
        assert!(matches!(code, ErrorCode::HttpRequestBodySize(Some(7))), "{code}");
    }
}
