//! HTTP messages: bodies, error codes, headers and their rules. These modules use no other module of the harness.

pub(crate) mod body;
pub(crate) mod client_fault;
pub(crate) mod error_code;
pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod problem;
pub(crate) mod timeouts;
