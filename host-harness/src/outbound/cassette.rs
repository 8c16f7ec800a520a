//! Outbound calls that were recorded once, and are replayed without a network.

mod file;
mod record;
mod redaction;
mod replay;
mod tape;

pub(super) use record::record;
pub use redaction::Redaction;
pub(super) use replay::replay;

/// How many bytes of one body are recorded. A call with a longer one passes, but cannot be replayed.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
