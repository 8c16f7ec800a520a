//! What holds for every outbound request, whoever answers it.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::message::body::Body;
use crate::message::body::{BodyError, code_of};
use crate::message::error_code::ErrorCode;
use crate::message::error_code::copy;
use crate::show;

/// Refuses a URL that no HTTP can be sent to, before anything is sent. The log names it.
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

/// The port of a URL that is not one. `http` lets it pass, and its default would take its place.
fn bad_port(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?;
    let host_and_port = authority.as_str().rsplit('@').next()?;
    let port = host_and_port.strip_prefix(authority.host())?.strip_prefix(':')?;
    (!port.is_empty() && authority.port_u16().is_none()).then_some(port)
}

/// A URL for the log, without its query and its password.
pub(crate) fn shown(uri: &Uri) -> String {
    let url = show::url(uri);
    url.split('?').next().unwrap_or_default().to_owned()
}

/// How the body of a request ended, once it has. What goes wrong after its failure is not the fault of the server.
#[derive(Clone, Default)]
pub(super) struct Upload(Arc<OnceLock<Result<(), ErrorCode>>>);

impl Upload {
    /// Watches the body of a request.
    pub(super) fn watch(&self, request: Request<Body>) -> Request<Body> {
        request.map(|body| Body::new(Sent { body, upload: self.clone() }))
    }

    /// The answer, with the failure of the request in place of what came of it.
    pub(super) fn answer(self, answer: Result<Response<Body>, ErrorCode>) -> Result<Response<Body>, ErrorCode> {
        match answer {
            Err(code) => Err(self.failure().unwrap_or(code)),
            Ok(response) if matches!(self.0.get(), Some(Ok(()))) => Ok(response),
            // The upload goes on beside the response.
            Ok(response) => Ok(response.map(|body| Body::new(Received { body, upload: self }))),
        }
    }

    fn end(&self, end: Result<(), ErrorCode>) {
        // The first end counts.
        let _ = self.0.set(end);
    }

    /// The code for a request whose own body failed.
    fn failure(&self) -> Option<ErrorCode> {
        match self.0.get()? {
            Ok(()) => None,
            Err(code @ ErrorCode::HttpRequestBodySize(_)) => Some(copy(code)),
            Err(_) => Some(ErrorCode::HttpRequestBodySize(None)),
        }
    }
}

/// The body of a request.
struct Sent {
    body: Body,
    upload: Upload,
}

impl Drop for Sent {
    fn drop(&mut self) {
        // What is not read cannot fail any more.
        self.upload.end(Ok(()));
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Err(error)) = &frame {
            self.upload.end(Err(code_of(error)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response whose request is still being sent.
struct Received {
    body: Body,
    upload: Upload,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Err(error)) => Some(Err(self.upload.failure().map_or(error, Into::into))),
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
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
        let upload = Upload::default();
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
