//! Behaviour on the wire: real components over real HTTP where the wire matters, in process elsewhere.

#![allow(clippy::duplicate_mod, reason = "the files of tests over every world are there once for each")]

mod allow;
mod bench;
mod blame;
mod browser;
mod build;
mod builds;
mod cassette;
mod check;
mod cli;
mod command;
mod component;
mod compose;
mod doubles;
mod faults;
mod fixture;
mod help;
mod hostile;
mod inspector;
mod keyvalue;
mod limits;
mod live;
mod log;
mod middleware;
mod mock;
mod other_crates;
mod readme;
mod recorded;
mod request;
mod saved;
mod serve;
mod serving;
mod settings;
mod spawn_local;
mod telemetry;
mod terminal;
mod test_response;
mod wasip3;
mod wit;
mod world;

/// The cargo features of the components for WASI 0.2.
const FEATURES: &[&str] = &[];

/// The files of `each_world.rs`, with components that are built for WASI 0.2.
mod over_wasip2 {
    /// The cargo features with which components are built for WASI 0.2.
    const FEATURES: &[&str] = &[];

    include!("each_world.rs");
}

/// The files of `each_world.rs`, with components that are built for WASI 0.3.
mod over_wasip3 {
    /// The cargo features with which components are built for WASI 0.3.
    const FEATURES: &[&str] = &["wayside/wasip3"];

    include!("each_world.rs");
}
