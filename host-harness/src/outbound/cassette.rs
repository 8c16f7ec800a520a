//! Recorded outbound calls, which are replayed without a network.

mod file;
mod record;
mod redaction;
mod replay;
mod tape;

pub(super) use record::record;
pub use redaction::Redaction;
pub(super) use replay::{Pace, replay};

/// The most bytes of a body that are recorded. A call with a longer body succeeds, but cannot be replayed.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
