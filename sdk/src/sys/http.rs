//! The rules of HTTP that all worlds share, in plain Rust. They call no host, so they are tested natively.

pub(crate) mod error_code;
pub(crate) mod field;
pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod length;
pub(crate) mod media_type;
pub(crate) mod options;
#[cfg(any(feature = "charset", feature = "multipart"))]
pub(crate) mod parameters;
pub(crate) mod problem;
pub(crate) mod reason;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod target;
