//! The time limits of outbound calls.

use std::time::Duration;

/// The time limits that a component asks for, in the extensions of its outbound requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// How long connecting may take, TLS included.
    pub connect: Option<Duration>,
    /// How long the head of the response may take.
    pub first_byte: Option<Duration>,
    /// How long the body of the response may pause.
    pub between_bytes: Option<Duration>,
}
