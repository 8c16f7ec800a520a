//! Reserves file descriptors, so that new connections do not take those that requests need for the memory of instances
//! and for outbound calls.

use socket2::{SockRef, Socket};
use tokio::net::TcpListener;

const DESCRIPTORS: usize = 16;

/// Unused file descriptors. The server releases them when the system has no more, so that requests can use them.
#[derive(Debug)]
pub(super) struct Reserve {
    held: Vec<Socket>,
    size: usize,
}

impl Reserve {
    /// Reserves up to `DESCRIPTORS` file descriptors: as many as the system gives.
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

    /// Reserves the descriptors again after a release. If the system does not give as many as before, reserves none and
    /// returns `false`.
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
