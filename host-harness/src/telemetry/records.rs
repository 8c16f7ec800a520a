//! Keeps the newest records of requests.

use std::collections::VecDeque;

use super::{LogEntry, LogStream, OutboundCall, Trap, Usage};

/// The most entries of each kind that are kept. The oldest are dropped first.
const KEPT: usize = 10_000;
/// The most bytes that are kept of the entries of each kind. The oldest are dropped first.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// The size in bytes from which an output entry no longer grows. Further output begins a new entry, even within a line.
const ENTRY_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) requests: u64,
    pub(super) instances: u64,
    pub(super) logs: Newest<LogEntry>,
    pub(super) traps: Newest<Trap>,
    pub(super) usage: Newest<Usage>,
    pub(super) calls: Newest<OutboundCall>,
}

impl Records {
    pub(super) fn log(&mut self, request: u64, stream: LogStream, text: String) {
        // Formatted output comes in pieces, which are joined up to the end of the line.
        match self.logs.entries.back_mut() {
            Some(last)
                if last.request == request
                    && last.stream == stream
                    && !last.text.ends_with('\n')
                    && last.text.len() < ENTRY_BYTES =>
            {
                last.text.push_str(&text);
                self.logs.bytes += text.len();
                self.logs.shed();
            }
            _ => self.logs.push(LogEntry { request, stream, text }),
        }
    }
}

/// The newest entries of a kind.
#[derive(Debug)]
pub(super) struct Newest<T> {
    entries: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Weighed + Clone> Newest<T> {
    pub(super) fn push(&mut self, entry: T) {
        self.bytes += entry.kept_bytes();
        self.entries.push_back(entry);
        self.shed();
    }

    pub(super) fn all(&self) -> Vec<T> {
        self.entries.iter().cloned().collect()
    }

    fn shed(&mut self) {
        while self.entries.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.kept_bytes();
        }
    }
}

/// A record that tells how many bytes its contents of variable length take.
pub(super) trait Weighed {
    fn kept_bytes(&self) -> usize;
}

impl Weighed for LogEntry {
    fn kept_bytes(&self) -> usize {
        self.text.len()
    }
}

impl Weighed for Trap {
    fn kept_bytes(&self) -> usize {
        self.component.len() + self.reason.len()
    }
}

impl Weighed for Usage {
    fn kept_bytes(&self) -> usize {
        0
    }
}

impl Weighed for OutboundCall {
    fn kept_bytes(&self) -> usize {
        self.kept_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap(request: u64, bytes: usize) -> Trap {
        Trap { request, component: String::new(), reason: "x".repeat(bytes) }
    }

    fn log(records: &mut Records, request: u64, bytes: usize) {
        records.log(request, LogStream::Stderr, "x".repeat(bytes));
    }

    #[test]
    fn the_newest_are_kept_up_to_a_number() {
        let mut traps = Newest::default();
        (0..KEPT as u64 + 2).for_each(|number| traps.push(trap(number, 1)));
        let all = traps.all();
        assert_eq!((all.len(), all[0].request), (KEPT, 2));
    }

    #[test]
    fn the_newest_are_kept_up_to_so_many_bytes() {
        let mut traps = Newest::default();
        (0..6).for_each(|number| traps.push(trap(number, KEPT_BYTES / 4)));
        assert_eq!(traps.all().iter().map(|trap| trap.request).collect::<Vec<_>>(), [2, 3, 4, 5]);
        traps.push(trap(6, KEPT_BYTES / 2 + 1));
        assert_eq!(traps.all().iter().map(|trap| trap.request).collect::<Vec<_>>(), [5, 6]);
        traps.push(trap(7, KEPT_BYTES + 1));
        assert!(traps.all().is_empty() && traps.bytes == 0);
    }

    #[test]
    fn output_in_pieces_is_one_entry_and_counts_whole() {
        let mut records = Records::default();
        (0..3).for_each(|_| log(&mut records, 1, 10));
        log(&mut records, 2, 10);
        let lengths: Vec<_> = records.logs.all().iter().map(|entry| entry.text.len()).collect();
        assert_eq!((lengths, records.logs.bytes), (vec![30, 10], 40));
        (0..2 * KEPT_BYTES / ENTRY_BYTES).for_each(|_| log(&mut records, 3, ENTRY_BYTES));
        assert_eq!(records.logs.bytes, KEPT_BYTES);
    }
}
