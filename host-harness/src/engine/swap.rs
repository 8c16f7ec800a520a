//! Detects swap space: whether the kernel may write memory to disk.

use std::fs;
use std::time::{Duration, Instant};

use wasmtime::PoolingAllocationConfig;

/// The interval between checks for new swap space.
const LOOK: Duration = Duration::from_secs(1);

/// The state of swap space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    /// There is no swap space.
    Off,
    /// There is swap space, or it is unknown whether there is any.
    Possible,
}

impl Swap {
    /// Reads the state from the kernel.
    ///
    /// Ignores that a control group may forbid swapping: its limit can be raised, and does not apply to pages that are
    /// already swapped.
    pub(super) fn now() -> Self {
        fs::read_to_string("/proc/swaps").map_or(Self::Possible, |swaps| Self::parse(&swaps))
    }

    /// Parses `/proc/swaps`: a title line, and a line for each partition, file or compressed device.
    fn parse(swaps: &str) -> Self {
        let mut lines = swaps.lines();
        let titled = lines.next().is_some_and(|titles| titles.starts_with("Filename"));
        if titled && lines.all(|line| line.trim().is_empty()) { Self::Off } else { Self::Possible }
    }
}

/// Watches for swap space that is turned on while an engine relies on its absence.
pub(super) struct Watch {
    /// The time of the next check; `None` if the engine does not depend on swap space.
    next: Option<Instant>,
}

impl Watch {
    /// Creates the watch of an engine. `swap` is the state of the swap space at the creation of the engine.
    pub(super) fn new(swap: Swap) -> Self {
        let relies = swap == Swap::Off && PoolingAllocationConfig::is_pagemap_scan_available();
        Self { next: relies.then(Instant::now) }
    }

    /// Checks for swap space if the time has come. Logs an error once it has been turned on, because a running engine
    /// cannot change how it resets memory.
    pub(super) fn look(&mut self) {
        if self.next.is_none_or(|next| Instant::now() < next) {
            return;
        }
        self.next = match Swap::now() {
            Swap::Off => Some(Instant::now() + LOOK),
            Swap::Possible => {
                tracing::error!(
                    "swap space was turned on: what a request leaves in memory may reach the next one; restart this process, \
                     which then resets all memory between requests"
                );
                None
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Swap;

    const TITLES: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    #[test]
    fn titles_alone_are_no_swap_space() {
        assert_eq!(Swap::parse(TITLES), Swap::Off);
        assert_eq!(Swap::parse(&format!("{TITLES}\n")), Swap::Off);
    }

    #[test]
    fn partitions_files_and_compressed_memory_are_swap_space() {
        for line in [
            "/dev/dm-1                               partition\t8388604\t\t0\t\t-2\n",
            "/swapfile                               file\t\t2097148\t\t1024\t\t-2\n",
            "/dev/zram0                              partition\t4194300\t\t0\t\t100\n",
            "/dev/sda2\\040(deleted)                  partition\t1\t\t0\t\t-3",
        ] {
            assert_eq!(Swap::parse(&format!("{TITLES}{line}")), Swap::Possible, "{line}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_may_be_swap_space() {
        for swaps in ["", "\n", "something else\n", "/dev/sda2 partition 1 0 -2\n"] {
            assert_eq!(Swap::parse(swaps), Swap::Possible, "{swaps:?}");
        }
    }
}
