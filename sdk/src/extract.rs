//! Extractors: the arguments of handlers.

mod builtin;
#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
pub(crate) mod json;
#[cfg(feature = "multipart")]
mod multipart;
mod payload;
pub(crate) mod request;
#[cfg(feature = "headers")]
mod typed_header;

#[cfg(feature = "form")]
pub use form::{Form, Query};
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, Part};
#[cfg(feature = "headers")]
pub use typed_header::TypedHeader;

/// The default limit for bodies that an extractor reads into memory: 2 MiB. `#[http_component(max_body = "…")]`
/// changes it.
///
/// A longer body is rejected with the status 413. If its length is known in advance, none of it is read. The limit
/// does not apply to handlers that take [`Body`](crate::Body) or [`Request`](crate::Request); such a handler can call
/// [`Body::limited`](crate::Body::limited).
pub const BODY_LIMIT: u64 = 2 * 1024 * 1024;

#[cfg(test)]
mod tests;
