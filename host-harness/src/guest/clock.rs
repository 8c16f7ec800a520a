//! Implements clocks that the test moves.
//!
//! wasmtime reads the time from the clock that it is given, but waits in real time. This module therefore replaces the
//! functions that wait.

use std::time::Duration;

use wasmtime::component::{Accessor, HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::clocks::HostMonotonicClock;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock as p2;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock as p3;

use super::state::InstanceState;
use crate::Clock;

/// Replaces wasmtime's monotonic clocks by one that only the test moves.
pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    p2::add_to_linker::<_, Stopped>(linker, view)?;
    p3::add_to_linker::<_, Stopped>(linker, view)?;
    linker.allow_shadowing(false);
    Ok(())
}

struct Stopped;

impl HasData for Stopped {
    type Data<'a> = View<'a>;
}

struct View<'a> {
    clock: Clock,
    table: &'a mut ResourceTable,
}

fn view(state: &mut InstanceState) -> View<'_> {
    let (clock, table) = state.stopped_clock();
    View { clock, table }
}

/// The moment that a pollable waits for.
struct Deadline {
    clock: Clock,
    monotonic: Duration,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Deadline {
    async fn ready(&mut self) {
        self.clock.reached(self.monotonic).await;
    }
}

impl View<'_> {
    fn deadline(&mut self, monotonic: Duration) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline = self.table.push(Deadline { clock: self.clock.clone(), monotonic })?;
        subscribe(self.table, deadline)
    }
}

impl p2::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<p2::Instant> {
        Ok(HostMonotonicClock::now(&self.clock))
    }

    fn resolution(&mut self) -> wasmtime::Result<p2::Duration> {
        Ok(HostMonotonicClock::resolution(&self.clock))
    }

    fn subscribe_instant(&mut self, when: p2::Instant) -> wasmtime::Result<Resource<DynPollable>> {
        self.deadline(Duration::from_nanos(when))
    }

    fn subscribe_duration(&mut self, span: p2::Duration) -> wasmtime::Result<Resource<DynPollable>> {
        self.deadline(self.clock.monotonic().saturating_add(Duration::from_nanos(span)))
    }
}

impl p3::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<p3::Mark> {
        Ok(HostMonotonicClock::now(&self.clock))
    }

    fn get_resolution(&mut self) -> wasmtime::Result<p3::Duration> {
        Ok(HostMonotonicClock::resolution(&self.clock))
    }
}

impl<T> p3::HostWithStore<T> for Stopped {
    async fn wait_until(store: &Accessor<T, Self>, when: p3::Mark) -> wasmtime::Result<()> {
        let clock = store.with(|mut view| view.get().clock);
        clock.reached(Duration::from_nanos(when)).await;
        Ok(())
    }

    async fn wait_for(store: &Accessor<T, Self>, span: p3::Duration) -> wasmtime::Result<()> {
        let clock = store.with(|mut view| view.get().clock);
        clock.reached(clock.monotonic().saturating_add(Duration::from_nanos(span))).await;
        Ok(())
    }
}
