//! Bodies of replies that are sent in pieces, and bodies with an abnormal end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec;

use bytes::Bytes;
use futures_core::Stream;

use crate::Body;
use crate::body::Error;
use crate::time::{Sleep, sleep};

/// Pieces with a wait before each but the first.
pub(super) struct Pieces {
    left: vec::IntoIter<Bytes>,
    pause: Duration,
    due: Option<Sleep>,
}

impl Pieces {
    pub(super) fn new(pieces: Vec<Bytes>, pause: Duration) -> Self {
        Self { left: pieces.into_iter(), pause, due: None }
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(due) = &mut self.due {
            ready!(Pin::new(due).poll(cx));
            self.due = None;
        }
        let piece = self.left.next();
        if !self.pause.is_zero() && !self.left.as_slice().is_empty() {
            self.due = Some(sleep(self.pause));
        }
        Poll::Ready(piece.map(Ok))
    }
}

/// The abnormal end of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    BrokenOff(&'static str),
    /// No more data comes.
    Stalled,
}

impl Ending {
    /// Ends a body abnormally after this number of bytes, or at the end of the body if it is shorter.
    pub(super) fn after(self, bytes: u64, body: Body) -> Body {
        Body::from_stream(EndedBody { body, passed: 0, most: bytes, ending: self })
    }
}

struct EndedBody {
    body: Body,
    passed: u64,
    most: u64,
    ending: Ending,
}

impl Stream for EndedBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let left = this.most - this.passed;
        if left > 0
            && let Some(chunk) = ready!(this.body.poll_data(cx))
        {
            let mut chunk = chunk?;
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            this.passed += chunk.len() as u64;
            return Poll::Ready(Some(Ok(chunk)));
        }
        this.most = this.passed;
        match this.ending {
            Ending::BrokenOff(reason) => {
                Poll::Ready(Some(Err(Error::broken_off(this.passed, None, reason.to_owned()))))
            }
            Ending::Stalled => Poll::Pending,
        }
    }
}
