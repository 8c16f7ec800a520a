//! Recorded outbound calls, which are replayed without a network.

mod file;
mod record;
mod redaction;
mod replay;
mod tape;

pub(super) use record::record;
pub use redaction::Redaction;
pub(super) use replay::replay;

/// How many bytes of a body are recorded. A call with a longer body passes, but cannot be replayed.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
