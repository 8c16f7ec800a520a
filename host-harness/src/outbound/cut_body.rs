//! Response bodies that are cut, reset or stalled.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::message::body::Body;
use crate::message::body::BodyError;
use crate::message::error_code::ErrorCode;
use crate::message::timeouts::Timeouts;

/// The abnormal end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The sender closes the connection as if the body were complete.
    Truncated,
    /// The connection is reset.
    Reset,
    /// No more data comes. The body fails at the component's time limit between bytes, or after this time if that is
    /// earlier.
    Stalled(Option<Duration>),
}

impl Ending {
    /// Ends a body abnormally after this number of bytes, or at the end of the body if it is shorter.
    pub(super) fn after(self, bytes: u64, body: Body, timeouts: Timeouts) -> Body {
        Body::new(Ended { body, left: bytes, ending: self, timeouts, stall: None })
    }
}

struct Ended {
    body: Body,
    left: u64,
    ending: Ending,
    timeouts: Timeouts,
    stall: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Ended {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.left > 0 {
            if let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                // Drops trailers, which would end the body normally.
                if let Ok(mut data) = frame?.into_data() {
                    data.truncate(usize::try_from(this.left).unwrap_or(usize::MAX));
                    this.left -= data.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
            this.left = 0;
        }
        let code = match this.ending {
            Ending::Truncated => ErrorCode::HttpResponseIncomplete,
            Ending::Reset => ErrorCode::ConnectionTerminated,
            Ending::Stalled(own) => {
                let Some(limit) = own.into_iter().chain(this.timeouts.between_bytes).min() else {
                    return Poll::Pending;
                };
                ready!(this.stall.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
                ErrorCode::ConnectionReadTimeout
            }
        };
        Poll::Ready(Some(Err(code.into())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
