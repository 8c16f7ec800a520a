//! Signals that end the command.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use wayside_harness::cargo::Interrupt;
use wayside_harness::{Error, Server};

use crate::report;
use signals::Signals;

/// How long the command may take to end after a second signal, and its threads after the end.
const GRACE: Duration = Duration::from_millis(500);

/// The signals of this process.
static HEARD: OnceLock<Heard> = OnceLock::new();

struct Heard {
    count: watch::Sender<u32>,
    /// Whether the first signal ends the command at once.
    is_graceful: AtomicBool,
}

/// Runs the command. Ctrl-C ends it and its cargo processes, and so does SIGTERM on Unix, which service managers and
/// containers send.
///
/// A server ends by itself at the first signal, see [`Stop`]; any other command ends at once. A second signal always
/// ends it at once.
pub(crate) fn run<T>(command: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    listen().map_err(|error| Error::new("cannot wait for Ctrl-C and for SIGTERM").with_source(error))?;
    let runtime =
        Runtime::new().map_err(|error| Error::new("cannot start the threads of the command").with_source(error))?;
    let done = runtime.block_on(command);
    if HEARD.get().is_some_and(|heard| *heard.count.borrow() > 0) {
        // A thread may still compile a component that is no longer needed.
        runtime.shutdown_timeout(GRACE);
    }
    done
}

/// Listens on its own thread, so that signals are handled whatever the others do.
fn listen() -> io::Result<()> {
    let heard = HEARD.get_or_init(|| Heard { count: watch::Sender::new(0), is_graceful: AtomicBool::new(false) });
    let builds = Interrupt::of_process();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (ready, is_ready) = mpsc::channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            match Signals::listen() {
                Ok(signals) => {
                    let _ = ready.send(Ok(()));
                    act(signals, heard, &builds).await;
                }
                Err(error) => _ = ready.send(Err(error)),
            }
        });
    })?;
    is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that listens has ended")))
}

/// Handles each signal.
async fn act(mut signals: Signals, heard: &'static Heard, builds: &Interrupt) {
    loop {
        let number = signals.next().await;
        // The exit code of a shell for a command that was ended by a signal.
        let code = 128 + number;
        builds.end();
        if !heard.is_graceful.load(Ordering::Acquire) {
            process::exit(code);
        }
        heard.count.send_modify(|count| *count += 1);
        if *heard.count.borrow() > 1 {
            tokio::time::sleep(GRACE).await;
            process::exit(code);
        }
    }
}

/// Receives the signals for a server. After the first of these is made, the first signal does not end the process.
pub(crate) struct Stop {
    count: watch::Receiver<u32>,
    seen: u32,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, Error> {
        let heard = HEARD.get().ok_or_else(|| Error::new("cannot wait for Ctrl-C and for SIGTERM"))?;
        heard.is_graceful.store(true, Ordering::Release);
        Ok(Self { count: heard.count.subscribe(), seen: 0 })
    }

    /// Completes at the first signal, and again at the next one.
    pub(crate) async fn told(&mut self) {
        // The sender is never dropped.
        let _ = self.count.wait_for(|count| *count > self.seen).await;
        self.seen += 1;
    }

    /// Lets a server finish its requests; a second signal ends it at once. The server reports what it cuts.
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

        /// Returns the number of the next signal.
        pub(super) async fn next(&mut self) -> i32 {
            tokio::select! {
                _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
                _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
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

        /// The number that Ctrl-C has on Unix.
        pub(super) async fn next(&mut self) -> i32 {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            2
        }
    }
}
