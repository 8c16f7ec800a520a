//! Reserves file descriptors for requests: memory of instances, and outbound calls.

use socket2::{SockRef, Socket};
use tokio::net::TcpListener;

const DESCRIPTORS: usize = 16;

/// Unused descriptors, which are released when the system has no more.
#[derive(Debug)]
pub(super) struct Reserve {
    held: Vec<Socket>,
    size: usize,
}

impl Reserve {
    /// Reserves as many descriptors as available, up to a limit.
    pub(super) fn of(listener: &TcpListener) -> Self {
        let mut reserve = Self { held: Vec::new(), size: DESCRIPTORS };
        while reserve.held.len() < DESCRIPTORS && reserve.take(listener) {}
        reserve.size = reserve.held.len();
        reserve
    }

    fn take(&mut self, listener: &TcpListener) -> bool {
        SockRef::from(listener).try_clone().map(|socket| self.held.push(socket)).is_ok()
    }

    pub(super) fn release(&mut self) {
        self.held.clear();
    }

    /// Reserves descriptors again after a release. Returns whether there are enough.
    pub(super) fn fill(&mut self, listener: &TcpListener) -> bool {
        while self.held.len() < self.size {
            if !self.take(listener) {
                self.release();
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reserve_is_filled_again_after_it_was_released() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut reserve = Reserve::of(&listener);
        assert_eq!(reserve.held.len(), DESCRIPTORS);
        reserve.release();
        assert!(reserve.held.is_empty());
        assert!(reserve.fill(&listener));
        assert_eq!(reserve.held.len(), DESCRIPTORS);
    }
}
