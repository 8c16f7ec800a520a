//! Limits the number of concurrent requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// The most requests that may wait at the same time. Each keeps a connection open, and a head of some kilobytes in
/// memory.
const WAITING: usize = 1024;

/// Admits as many requests as may run at once, in the order of their arrival.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Option<Queue>);

#[derive(Clone, Debug)]
struct Queue {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    patience: Duration,
}

/// The permission of one request to run. Dropping it admits the next request.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held for what its end does")] Option<OwnedSemaphorePermit>);

/// The reason to reject a request: [`WAITING`] others wait already, or it has itself waited as long as
/// [`Limits::timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(limits.concurrency.map(|requests| Queue {
            running: Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: Arc::new(Semaphore::new(WAITING)),
            patience: limits.timeout,
        }))
    }

    /// Waits until the request may run.
    pub(crate) async fn enter(&self) -> Result<Turn, Busy> {
        let Some(Queue { running, waiting, patience }) = &self.0 else { return Ok(Turn(None)) };
        if let Ok(turn) = Arc::clone(running).try_acquire_owned() {
            return Ok(Turn(Some(turn)));
        }
        let _place = waiting.try_acquire().map_err(|_| Busy)?;
        match tokio::time::timeout(*patience, Arc::clone(running).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(Turn(Some(turn))),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_turn_that_ends_is_the_next_ones() {
        let gate = Gate::new(&Limits::default().concurrency(1));
        let first = gate.enter().await.unwrap();
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn the_queue_has_an_end_and_those_who_leave_make_room() {
        let gate = Gate::new(&Limits::default().concurrency(1));
        let _first = gate.enter().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(gate.enter())).collect();
        for turn in &mut waiting {
            assert!(turn.as_mut().now_or_never().is_none());
        }
        assert_eq!(gate.enter().await.unwrap_err(), Busy);
        waiting.pop();
        assert!(gate.enter().now_or_never().is_none());
    }

    #[tokio::test]
    async fn without_a_limit_there_is_always_a_turn() {
        let gate = Gate::new(&Limits::default());
        let turns: Vec<_> = (0..10).map(|_| gate.enter().now_or_never().unwrap().unwrap()).collect();
        assert_eq!(turns.len(), 10);
    }
}
