//! The rules of HTTP that all worlds share, in plain Rust: they call no host, so they are tested natively.

pub(crate) mod error_code;
pub(crate) mod field;
pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod target;
