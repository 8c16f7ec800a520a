//! Interrupts builds.

use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::toolchain::not_runnable;
use crate::Error;

/// The interrupt that ends all builds of this process. Set by [`Interrupt::of_process`].
static PROCESS: OnceLock<Interrupt> = OnceLock::new();

/// Kills running builds, with all processes that cargo started. Builds that start later under the same interrupt fail
/// at once.
///
/// On Windows nothing is killed: the processes run to their end, and then the build fails.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Mutex<InterruptState>>);

#[derive(Debug, Default)]
struct InterruptState {
    has_ended: bool,
    /// The process groups of the running builds.
    groups: Vec<u32>,
}

impl Interrupt {
    /// Makes an interrupt for all builds that this process starts from now on.
    ///
    /// Each build runs in its own process group, which Ctrl-C in a terminal does not reach. The caller must handle the
    /// signals that end the process, and call [`end`](Self::end). Without an interrupt, builds end with the process
    /// group of the caller.
    pub fn of_process() -> Self {
        PROCESS.get_or_init(Self::default).clone()
    }

    /// Kills the running builds, and makes later ones fail.
    pub fn end(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        for group in state.groups.drain(..) {
            kill(group);
        }
    }

    fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    fn add(&self, group: u32) {
        let mut state = self.lock();
        if state.has_ended {
            kill(group);
        } else {
            state.groups.push(group);
        }
    }

    fn remove(&self, group: u32) {
        self.lock().groups.retain(|other| *other != group);
    }

    fn lock(&self) -> MutexGuard<'_, InterruptState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running cargo process, and the interrupts that can end it.
pub(super) struct Running {
    pub(super) child: Child,
    interrupts: Vec<Interrupt>,
}

impl Running {
    /// Starts cargo. Both the given interrupt and [`PROCESS`] can end it.
    pub(super) fn start(cargo: &mut Command, interrupt: Option<&Interrupt>) -> Result<Self, Error> {
        let interrupts: Vec<Interrupt> = interrupt.into_iter().chain(PROCESS.get()).cloned().collect();
        #[cfg(unix)]
        if !interrupts.is_empty() {
            std::os::unix::process::CommandExt::process_group(cargo, 0);
        }
        let child = cargo.spawn().map_err(|error| not_runnable("cargo", error))?;
        for interrupt in &interrupts {
            interrupt.add(child.id());
        }
        Ok(Self { child, interrupts })
    }

    /// Waits until cargo exits, and returns whether it succeeded.
    pub(super) fn wait(mut self) -> Result<bool, Error> {
        let status = self.child.wait().map_err(|error| not_runnable("cargo", error))?;
        if self.interrupts.iter().any(Interrupt::has_ended) {
            return Err(Error::new("the build was interrupted").with_help("start it again"));
        }
        Ok(status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for interrupt in &self.interrupts {
            interrupt.remove(self.child.id());
        }
    }
}

#[cfg(unix)]
fn kill(group: u32) {
    let group = i32::try_from(group).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // The process may have ended by itself.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(_group: u32) {}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Stdio;

    use super::*;

    /// A process that starts a second one, which keeps the output of the first open.
    fn shell() -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo started; wait"]).stdin(Stdio::null()).stdout(Stdio::piped());
        shell
    }

    #[test]
    fn an_interrupt_ends_what_was_started_with_all_that_it_started() {
        let interrupt = Interrupt::default();
        let mut running = Running::start(&mut shell(), Some(&interrupt)).unwrap();
        let mut stdout = std::io::BufReader::new(running.child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        interrupt.end();
        // The output ends only with the last process that can write to it.
        assert_eq!(std::io::read_to_string(&mut stdout).unwrap(), "");
        assert_eq!(running.wait().unwrap_err().to_string(), "the build was interrupted");
    }

    #[test]
    fn nothing_starts_after_an_interrupt() {
        let interrupt = Interrupt::default();
        interrupt.end();
        let mut running = Running::start(&mut shell(), Some(&interrupt)).unwrap();
        let stdout = running.child.stdout.take().unwrap();
        std::io::read_to_string(stdout).unwrap();
        assert!(running.wait().is_err());
    }
}
