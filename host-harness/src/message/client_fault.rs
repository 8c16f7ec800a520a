//! Faults of clients.

use std::fmt;
use std::time::Duration;

/// A fault of the client that ended its request early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFault {
    /// The client sent no byte of the request body for this long, while the component waited for one.
    PausedUpload(Duration),
    /// The component still waited for the request body at its [time limit](crate::Limits::timeout).
    SlowUpload(Duration),
    /// The client read no byte of the response for this long.
    StoppedReading(Duration),
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PausedUpload(limit) => write!(f, "the client sent nothing of its request body for {limit:?}"),
            Self::SlowUpload(limit) => write!(f, "the client had not sent its request body after {limit:?}"),
            Self::StoppedReading(limit) => write!(f, "the client took nothing of the response for {limit:?}"),
        }
    }
}
