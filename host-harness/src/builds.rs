//! The progress of builds under live reload.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::component::Description;
use crate::error::Error;

/// A build of a crate under live reload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Build {
    /// The number of the build, counted from 1.
    pub number: u64,
    /// The files that changed since the previous build; empty for the first.
    pub changed: Vec<PathBuf>,
    /// The result so far.
    pub outcome: Outcome,
}

/// The result of a build.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The build is running.
    Running,
    /// The build succeeded. Its component answers requests from now on.
    Swapped {
        /// The description of the new component.
        description: Box<Description>,
        /// How long cargo took.
        build: Duration,
        /// How long wasmtime took to compile the component for this machine.
        compile: Duration,
    },
    /// The build produced the same component as before, which continues to answer requests.
    Unchanged,
    /// The build failed. The component of the last successful build, if any, still answers requests.
    Failed(Arc<Error>),
}

/// Follows the builds of a crate under live reload.
#[derive(Clone, Debug)]
pub struct Builds(watch::Receiver<Build>);

impl Builds {
    #[cfg(feature = "live")]
    pub(crate) fn new(builds: watch::Receiver<Build>) -> Self {
        Self(builds)
    }

    /// Returns the newest build.
    #[must_use]
    pub fn newest(&mut self) -> Build {
        self.0.borrow_and_update().clone()
    }

    /// Waits until the newest build changes, or another one starts, and returns it. Skips changes that later ones have
    /// replaced. Returns `None` once live reload has ended.
    pub async fn next(&mut self) -> Option<Build> {
        self.0.changed().await.ok()?;
        Some(self.newest())
    }
}

/// Formats an error with its causes and its help, as a terminal shows it.
pub(crate) fn message(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(":\n{error}"));
        cause = error.source();
    }
    if let Some(help) = error.help() {
        text.push_str(&format!("\n\nhelp: {help}"));
    }
    text
}
