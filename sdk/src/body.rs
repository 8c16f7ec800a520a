//! Bodies of requests and responses.

mod channel;
mod convert;
#[cfg(feature = "json")]
mod json;
mod limited;
pub(crate) mod message;
mod source;
mod trailers;

pub use crate::sys::body::Error;
pub use channel::Sender;
pub(crate) use message::Body;
