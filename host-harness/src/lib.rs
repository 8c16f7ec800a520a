//! Runs WASI HTTP components natively: for tests, and for the `wayside` command.
//!
//! A [`Harness`] holds one component, built from a crate or loaded from a file, and answers requests with it: in
//! process with [`Harness::request`], or over a socket with [`Harness::serve`]. It works with any component that exports
//! `wasi:http/incoming-handler@0.2` or `wasi:http/handler@0.3`, whoever wrote it and with whatever.
//!
//! A request flows one way: server, guest, outbound. Outbound calls are a [`tower_service::Service`], so a test answers
//! them with a function and production with the network, and nothing between them knows.
//!
//! # Examples
//!
//! ```no_run
//! use wayside_harness::{Harness, Outbound, http};
//!
//! # async fn example() -> Result<(), wayside_harness::Error> {
//! let upstream = Outbound::from_fn(async |_request| Ok(http::Response::new("from the mock".into())));
//! let app = Harness::build("examples/proxy").env("UPSTREAM", "http://upstream.example").outbound(upstream).await?;
//! let response = app.request(http::Request::get("/").body(()).unwrap()).await;
//! assert_eq!(response.into_body().text().await.unwrap(), "from the mock");
//! # Ok(()) }
//! ```

mod answer;
mod bindings;
mod body;
pub mod cargo;
mod chain;
mod clock;
mod component;
mod compose;
mod config;
mod engine;
mod error;
mod file;
mod guest;
mod inbound;
mod keyvalue;
mod limits;
mod outbound;
mod reload;
mod routes;
mod server;
mod strip;
mod telemetry;
mod testing;

pub use {bytes, http, http_body};

pub use answer::Answer;
pub use body::{Body, BodyError};
pub use clock::Clock;
pub use component::{Component, Description, Import, World};
pub use compose::compose;
pub use error::Error;
pub use keyvalue::KeyValue;
pub use limits::Limits;
pub use outbound::{ErrorCode, Fault, Outbound, Redaction, Rule, Timeouts, mock};
pub use reload::{Build, Builds, Live, Outcome};
pub use routes::Routes;
pub use server::Server;
pub use strip::strip;
pub use telemetry::{BodyEnd, Call, Event, Exchange, LogEntry, LogStream, Trap, Usage};
pub use testing::{Harness, HarnessBuilder};
