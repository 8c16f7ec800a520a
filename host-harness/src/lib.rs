//! Runs WASI HTTP components natively: for tests, and for the `wayside` command.
//!
//! A [`Harness`] holds one component, built from a crate or loaded from a file, and sends requests to it: in process
//! with [`Harness::request`], or over a socket with [`Harness::serve`]. It works with any component that exports
//! `wasi:http/incoming-handler@0.2` or `wasi:http/handler@0.3`, in any language and with any SDK.
//!
//! A request passes through three parts: the server, the guest, and the [`tower_service::Service`] that answers
//! outbound calls. In a test, a function answers them; in production, the network does. Server and guest are the same
//! in both cases.
//!
//! # Tests
//!
//! The environment that a test controls, and the records that it reads:
//!
//! | | |
//! |---|---|
//! | [`Outbound::mock`] | expected outbound calls, with replies that may be late, cut or failed |
//! | [`Outbound::from_fn`] | outbound calls that a function answers |
//! | [`Outbound::record`], [`Outbound::replay`] | recorded outbound calls, in a readable and editable file |
//! | [`Outbound::faults`] | injected faults, reproducible by their seed |
//! | [`Outbound::allow`], [`Outbound::learn`] | outbound calls over the network, limited by rules; a list of the rules that a component needs |
//! | [`HarnessBuilder::clock`], [`HarnessBuilder::seed`] | time and random numbers |
//! | [`Harness::ask`] | a response with checks; a failed check shows expected and actual value |
//! | [`Harness::logs`], [`traps`](Harness::traps), [`calls`](Harness::calls), [`usage`](Harness::usage), [`memory`](Harness::memory), [`fuel`](Harness::fuel) | output, traps, outbound calls, and the resources used |
//!
//! # Features
//!
//! No feature is on by default, so that a test crate builds only the dependencies that it uses.
//!
//! | feature | |
//! |---|---|
//! | `compose` | `compose`: turns middleware and an application into one component; adds the dependency `wac-graph` |
//! | `live` | `HarnessBuilder::live`: builds a crate at each change of its sources; adds `notify` and `ignore` |
//! | `redis` | `KeyValue::redis`: a key-value store on a Redis server; adds `redis` |
//!
//! # Examples
//!
//! ```no_run
//! use wayside_harness::mock::Call;
//! use wayside_harness::{Harness, Outbound, http};
//!
//! # async fn example() -> Result<(), wayside_harness::Error> {
//! let mock = Outbound::mock().reply(Call::get("http://upstream.example/path"), "from the mock");
//! let app = Harness::build("examples/proxy").env("UPSTREAM", "http://upstream.example").outbound(&mock).await?;
//! let request = http::Request::get("/path").body(()).unwrap();
//! app.ask(request).await.assert_status(200).assert_body("from the mock");
//! mock.verify();
//! # Ok(()) }
//! ```

mod bindings;
mod builds;
pub mod cargo;
mod chain;
mod clock;
mod component;
#[cfg(feature = "compose")]
mod compose;
mod config;
mod engine;
mod environment;
mod error;
mod file;
mod guest;
mod harness;
mod head;
mod inbound;
mod inspector;
mod keyvalue;
mod limits;
mod message;
mod outbound;
#[cfg(feature = "live")]
mod reload;
mod routes;
mod server;
pub mod show;
mod strip;
mod telemetry;
mod test_response;

pub use {bytes, http, http_body};

pub use builds::{Build, Builds, Outcome};
pub use clock::Clock;
pub use component::{Component, Description, Import, World};
#[cfg(feature = "compose")]
pub use compose::compose;
pub use environment::check_variable;
pub use error::Error;
pub use harness::{Harness, HarnessBuilder};
pub use inspector::Inspector;
pub use keyvalue::KeyValue;
pub use limits::Limits;
pub use message::body::{Body, BodyError};
pub use message::client_fault::ClientFault;
pub use message::error_code::ErrorCode;
pub use message::timeouts::Timeouts;
pub use outbound::{Fault, Outbound, Redaction, Rule, mock};
#[cfg(feature = "live")]
pub use reload::Live;
pub use routes::Routes;
pub use server::{Server, ServerBuilder};
pub use strip::strip;
pub use telemetry::{BodyEnd, Capture, Event, Exchange, LogEntry, LogStream, OutboundCall, Trap, Usage};
pub use test_response::TestResponse;
