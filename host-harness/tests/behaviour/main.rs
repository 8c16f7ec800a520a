//! What crosses the wire: real components, real HTTP where the wire matters, in process elsewhere.

mod allow;
mod cassette;
mod cli;
mod command;
mod component;
mod examples;
mod failures;
mod fields;
mod fixture;
mod help;
mod lengths;
mod limits;
mod log;
mod middleware;
mod mock;
mod outbound;
mod readme;
mod reuse;
mod roundtrip;
mod sent;
mod serve;
mod server;
mod streaming;
mod telemetry;
mod wasip3;
mod wit;
