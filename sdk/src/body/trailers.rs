//! Bodies with added trailers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Body, Error};

/// A body with added trailers. This is a separate type, so that a component that adds no trailers contains none of its
/// code.
pub(super) struct WithTrailers {
    body: Body,
    /// The added trailers. `None` once they have been sent or the body has failed.
    added: Option<HeaderMap>,
}

impl WithTrailers {
    pub(super) fn new(body: Body, added: HeaderMap) -> Self {
        Self { body, added: Some(added) }
    }
}

impl HttpBody for WithTrailers {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if this.added.is_none() {
            return Poll::Ready(None);
        }
        let mut trailers = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            None => HeaderMap::new(),
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => trailers,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            },
            Some(Err(error)) => {
                this.added = None;
                return Poll::Ready(Some(Err(error)));
            }
        };
        trailers.extend(this.added.take().unwrap_or_default());
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.added.is_none()
    }

    /// Returns no length, because a message with trailers has no `content-length`.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::test::block_on;

    fn trailers<const N: usize>(lines: [(&'static str, &'static str); N]) -> HeaderMap {
        lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect()
    }

    #[test]
    fn trailers_add_up_and_replace_those_of_their_name() {
        let old = trailers([("x-kept", "1"), ("x-own", "old"), ("x-kept", "2")]);
        let new = trailers([("x-own", "new"), ("x-added", "1"), ("x-added", "2")]);
        let all = trailers([("x-kept", "1"), ("x-kept", "2"), ("x-own", "new"), ("x-added", "1"), ("x-added", "2")]);
        let bytes = Body::from("data").with_trailers(old.clone()).with_trailers(new.clone());
        let stream = Body::from_http_body(Body::from("data").with_trailers(old)).with_trailers(new);
        for mut body in [bytes, stream] {
            assert_eq!(block_on(body.next_chunk()).unwrap().unwrap(), "data");
            assert_eq!(block_on(body.trailers()).unwrap(), Some(all.clone()));
            assert_eq!(block_on(body.trailers()).unwrap(), None);
        }
    }

    #[test]
    fn a_body_that_fails_has_no_trailers() {
        let failed = Body::from_stream(futures_util::stream::iter([Err::<&str, _>(std::io::Error::other("cut"))]));
        let mut body = failed.with_trailers(trailers([("x-own", "1")]));
        assert!(block_on(body.trailers()).is_err());
        assert_eq!(block_on(body.trailers()).unwrap(), None);
    }
}
