//! The framing of outbound requests, and of the responses to them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body::{Body as HttpBody, Frame};
use tokio::time::timeout;

use super::Outbound;
use crate::message::body::{Begun, Body, BodyError};
use crate::message::error_code::ErrorCode;
use crate::message::framing::{InvalidLength, check_length, is_final, without_content};

/// How long the host waits for the first frame or the end of a body before it sends a request whose method usually has
/// no content.
const FIRST_FRAME: Duration = Duration::from_millis(100);

/// Sets the framing of outbound requests, and checks the status and the framing of the responses.
pub(crate) fn framed(outbound: Outbound) -> Outbound {
    Outbound::from_fn(move |request| {
        let mut outbound = outbound.clone();
        async move {
            let is_head = request.method() == Method::HEAD;
            let request = frame(request).await;
            let mut response = tower_service::Service::call(&mut outbound, request).await?;
            if !is_final(response.status()) {
                return Err(ErrorCode::HttpProtocolError);
            }
            match check_length(response.headers_mut()) {
                Ok(()) => Ok(without_content(is_head, response)),
                Err(InvalidLength) => Err(ErrorCode::HttpProtocolError),
            }
        }
    })
}

/// Sends a request with an empty body without any framing. If its method usually has content, declares a length of
/// zero.
async fn frame(request: Request<Body>) -> Request<Body> {
    let announces = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
    let is_declared = request.headers().contains_key(header::CONTENT_LENGTH);
    let (mut parts, body) = request.into_parts();
    let body = if announces || is_declared { Begun::new(body) } else { wait_for_content(body).await };
    if !body.is_end_stream() {
        return Request::from_parts(parts, Body::new(body));
    }
    if announces {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| 0.into());
    }
    Request::from_parts(parts, Body::new(NoContent))
}

/// Waits a moment for the first frame or the end of a body, because a component may end an empty body a little later.
async fn wait_for_content(body: Body) -> Begun {
    let mut body = Begun::new(body);
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // A body that begins after the timeout is sent without a length.
        let _ = timeout(FIRST_FRAME, body.begin()).await;
    }
    body
}

/// The body of a request without content. It gives no size hint, because hyper would then send a length over HTTP/2.
struct NoContent;

impl HttpBody for NoContent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, StreamBody};

    use super::*;
    use crate::message::framing::content_length;

    async fn sent(method: &str, body: Body) -> (Option<u64>, bool) {
        let request = Request::builder().method(method).uri("http://a.test/").body(body).unwrap();
        let request = frame(request).await;
        (content_length(request.headers()), request.body().is_end_stream())
    }

    #[tokio::test]
    async fn a_request_whose_end_is_near_has_no_content() {
        let ends = || Body::new(StreamBody::new(futures_util::stream::empty::<Result<Frame<Bytes>, BodyError>>()));
        assert!(!ends().is_end_stream());
        assert_eq!(sent("DELETE", ends()).await, (None, true));
        assert_eq!(sent("GET", Body::new(Empty::new())).await, (None, true));
        assert_eq!(sent("POST", Body::empty()).await, (Some(0), true));
        // A server may respond to a POST before its content comes, so there is no wait.
        assert_eq!(sent("POST", ends()).await, (None, false));
    }

    #[tokio::test]
    async fn a_request_that_never_begins_is_sent_all_the_same() {
        let never = Body::new(StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BodyError>>()));
        assert_eq!(sent("GET", never).await, (None, false));
    }

    #[tokio::test]
    async fn the_first_frame_of_a_request_is_not_lost() {
        let frames = ["one ", "two"].map(|text| Ok::<_, BodyError>(Frame::data(Bytes::from(text))));
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let request = Request::get("http://a.test/").body(body).unwrap();
        assert_eq!(frame(request).await.into_body().text().await.unwrap(), "one two");
    }
}
