//! The time limits of outbound calls.

use std::time::Duration;

/// The time limits of an outbound call, as the component sets them; an extension of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// The limit for connecting, including the TLS handshake.
    pub connect: Option<Duration>,
    /// The limit for the arrival of the response head.
    pub first_byte: Option<Duration>,
    /// The limit for each pause in the response body.
    pub between_bytes: Option<Duration>,
}
