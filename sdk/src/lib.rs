#![doc = include_str!("lib.md")]
// A panic ends the instance, so each exception to these lints states why its code cannot panic.
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unreachable, clippy::unwrap_used)
)]

#[cfg(feature = "allocator")]
#[allow(dead_code, reason = "native builds use it only in tests")]
mod allocator;
pub mod body;
pub mod client;
mod component;
mod error;
pub mod extract;
pub mod middleware;
mod respond;
#[cfg(feature = "tower")]
mod service;
pub mod sse;
mod sys;
mod task;
#[cfg(not(target_family = "wasm"))]
pub mod test;
pub mod time;
mod url;

#[doc(no_inline)]
pub use bytes::Bytes;
#[cfg(feature = "headers")]
pub use headers;
#[doc(no_inline)]
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
pub use {bytes, http, http_body};

pub use body::message::Body;
pub use error::Error;
#[cfg(feature = "json")]
pub use extract::json::Json;
pub use extract::request::{FromRequest, FromRequestParts, IncomingRequest};
pub use respond::{AppendHeaders, Html, IntoResponse, IntoResponseParts, ResponseParts, Text};
pub use task::{Task, spawn, wait_until};
pub use wayside_macros::{http_component, http_middleware, test};

/// An HTTP request: the type of the `http` crate, with [`Body`] as the default body.
pub type Request<B = Body> = http::Request<B>;

/// An HTTP response: the type of the `http` crate, with [`Body`] as the default body.
pub type Response<B = Body> = http::Response<B>;

/// Items that the code of the attribute macros uses. They are not part of the API and change without notice.
#[doc(hidden)]
pub mod __private {
    #[cfg(not(feature = "tower"))]
    pub use crate::component::answer_service;
    pub use crate::component::{ArrivingRequest, answer, answer_part, incoming, next, response};
    #[cfg(feature = "tower")]
    pub use crate::service::answer_service;
    pub use crate::sys::HandlerResult;
    pub use crate::sys::export::*;
}
