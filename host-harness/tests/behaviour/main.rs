//! What crosses the wire: real components, real HTTP where the wire matters, in process elsewhere.

mod cli;
mod component;
mod examples;
mod failures;
mod fields;
mod fixture;
mod lengths;
mod outbound;
mod readme;
mod reuse;
mod roundtrip;
mod sent;
mod server;
mod streaming;
mod telemetry;
mod wasip3;
mod wit;
