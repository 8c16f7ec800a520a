//! How a server is told to end.

use wayside_harness::{Error, Server};

use signals::Signals;

use crate::report;

/// Hears when the process is to end: Ctrl-C, and on Unix SIGTERM, which is what service managers and containers send.
///
/// As long as there is one of these, neither ends the process by itself.
pub(crate) struct Stop(Signals);

impl Stop {
    pub(crate) fn listen() -> Result<Self, Error> {
        let signals = Signals::listen()
            .map_err(|error| Error::new("cannot wait for Ctrl-C and for SIGTERM").with_source(error))?;
        Ok(Self(signals))
    }

    /// Completes when the process is told to end; once more when it is told again.
    pub(crate) async fn told(&mut self) {
        self.0.next().await;
    }

    /// Lets a server finish the requests that it has; a second signal ends it at once. The server says what it cuts.
    pub(crate) async fn finish(&mut self, server: Server) {
        tokio::select! {
            () = server.shutdown() => {}
            () = self.told() => report::note("told to stop a second time: not waiting for requests"),
        }
    }
}

#[cfg(unix)]
mod signals {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) struct Signals {
        interrupt: Signal,
        terminate: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
        }

        pub(super) async fn next(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
        }
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    pub(super) struct Signals;

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
