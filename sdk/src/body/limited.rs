//! Bodies with a size limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Body, Error};

pub(super) struct Limited {
    body: Body,
    left: u64,
    limit: u64,
}

impl Limited {
    pub(super) fn new(body: Body, limit: u64) -> Self {
        Self { body, left: limit, limit }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if this.body.size_hint().lower() > this.left {
            this.body = Body::empty();
            return Poll::Ready(Some(Err(Error::too_large(this.limit))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            match this.left.checked_sub(data.len() as u64) {
                Some(left) => this.left = left,
                None => {
                    this.body = Body::empty();
                    return Poll::Ready(Some(Err(Error::too_large(this.limit))));
                }
            }
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
