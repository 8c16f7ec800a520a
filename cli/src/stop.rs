//! Handles the signals that end the command.

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

/// How long the command may go on after a second signal, and how long its threads may go on after the command has
/// returned.
const GRACE: Duration = Duration::from_millis(500);

/// The signals that this process has received.
static HEARD: OnceLock<Heard> = OnceLock::new();

struct Heard {
    count: watch::Sender<u32>,
    /// Whether the command handles the first signal itself, as servers do. Otherwise the first signal ends the process
    /// at once.
    is_graceful: AtomicBool,
}

/// Runs the command. Ctrl-C ends the command and its cargo processes. On Unix, so does SIGTERM, which service managers
/// and containers send.
///
/// At the first signal, a server finishes its requests and returns, see [`Stop`]; any other command ends at once. A
/// second signal ends a server within [`GRACE`].
pub(crate) fn run<T>(command: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    listen().map_err(|error| Error::new("cannot wait for Ctrl-C and for SIGTERM").with_source(error))?;
    let runtime =
        Runtime::new().map_err(|error| Error::new("cannot start the threads of the command").with_source(error))?;
    let done = runtime.block_on(command);
    if HEARD.get().is_some_and(|heard| *heard.count.borrow() > 0) {
        // Waits for the other threads no longer than `GRACE`: one of them may still compile a component that is no
        // longer needed.
        runtime.shutdown_timeout(GRACE);
    }
    done
}

/// Listens for signals on a separate thread, so that they are handled even if all other threads are busy.
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
        // Shells return this exit code for a command that a signal has ended.
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

/// Tells a server about signals. Once a `Stop` has been made, the first signal no longer ends the process.
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

    /// Completes at the first signal. The next call completes at the second signal.
    pub(crate) async fn told(&mut self) {
        // This does not fail: the sender is in a static, which is never dropped.
        let _ = self.count.wait_for(|count| *count > self.seen).await;
        self.seen += 1;
    }

    /// Lets a server finish its requests. A second signal ends the server at once, and the server logs the requests
    /// that it cuts.
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

        /// Waits for a signal, and returns its number.
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

        /// Waits for Ctrl-C, and returns the number that its signal has on Unix.
        pub(super) async fn next(&mut self) -> i32 {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            2
        }
    }
}
