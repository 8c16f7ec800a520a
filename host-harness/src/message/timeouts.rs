//! The time limits of outbound calls.

use std::time::Duration;

/// The time limits of an outbound call, as the component sets them; an extension of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For connecting, including TLS.
    pub connect: Option<Duration>,
    /// For the head of the response.
    pub first_byte: Option<Duration>,
    /// For each pause in the response body.
    pub between_bytes: Option<Duration>,
}
