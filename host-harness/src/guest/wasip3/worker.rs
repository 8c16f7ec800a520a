//! Runs one instance: receives requests, calls the component, and reports how the instance ended.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use wasmtime::component::{Accessor, GuestTaskId};
use wasmtime::{AsContextMut as _, CallHook, Store};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use super::flights::Flights;
use super::job::{Job, Started};
use crate::guest::Failure;
use crate::guest::busy::Busy;
use crate::guest::state::{InstanceState, Settings};
use crate::guest::trap::reason;
use crate::message::body::Body;
use crate::telemetry::Running;

pub(super) struct Worker {
    /// Sends a request to another instance. Used for requests that arrive while this instance ends.
    others: Box<dyn Fn(Job) + Send + Sync>,
    pre: ServicePre<InstanceState>,
    store: Store<InstanceState>,
    flights: Arc<Flights>,
    jobs: mpsc::UnboundedReceiver<Job>,
}

impl Worker {
    pub(super) fn new(
        pre: &ServicePre<InstanceState>,
        settings: &Settings,
        others: Box<dyn Fn(Job) + Send + Sync>,
        flights: Arc<Flights>,
        jobs: mpsc::UnboundedReceiver<Job>,
        running: &Running,
    ) -> Self {
        let mut store = InstanceState::store(pre.engine(), settings, running);
        let at_next = Arc::clone(&flights);
        store.data_mut().calls_next = Some(Box::new(move |number| Box::new(at_next.calls_next(number))));
        if settings.at_once() > 1 {
            let flights = Arc::clone(&flights);
            store.call_hook(move |mut cx, hook| {
                if matches!(hook, CallHook::CallingHost)
                    && let Some(task) = root_task(&mut cx)
                {
                    flights.turn_to(task, cx.data_mut());
                }
                Ok(())
            });
        }
        Self { others, pre: pre.clone(), store, flights, jobs }
    }

    pub(super) fn span(&self) -> tracing::Span {
        self.store.data().span()
    }

    pub(super) async fn run(mut self, first: Job) {
        let busy = Busy::default();
        let flights = Arc::clone(&self.flights);
        turn_to(&mut self.store, &first.running).expect("the engine of this store counts fuel as its settings say");
        let outcome = tokio::select! {
            outcome = busy.of(self.work(first, &busy)) => outcome.map_err(Some),
            () = flights.unwanted() => Err(None),
        };
        self.jobs.close();
        while let Ok(job) = self.jobs.try_recv() {
            (self.others)(job);
        }
        let took = InstanceState::took(&self.store);
        if let Err(error) = &outcome {
            self.store.data_mut().done();
            self.store.data_mut().cut_uploads();
            if let Some(error) = error {
                let culprit = root_task(&mut self.store);
                flights.trapped(culprit, &reason(error, self.store.data().meter.exceeded_bytes()));
            }
        }
        flights.end(busy.lap(), took, &Arc::new(Mutex::new(self.store)));
    }

    /// Runs until the component traps, or until all requests are finished and no more can come.
    async fn work(&mut self, first: Job, busy: &Busy) -> wasmtime::Result<()> {
        let (flights, jobs) = (&*self.flights, &mut self.jobs);
        // Starts the request before the instantiation, so that its time limit includes the instantiation.
        let first = flights.start(first);
        self.store.data_mut().flight = first.2;
        let service = self.pre.instantiate_async(&mut self.store).await?;
        let serve =
            async |accessor: &Accessor<InstanceState>| serve(accessor, &service, flights, first, jobs, busy).await;
        self.store.run_concurrent(serve).await?
    }
}

async fn serve(
    accessor: &Accessor<InstanceState>,
    service: &Service,
    flights: &Flights,
    first: Started,
    jobs: &mut mpsc::UnboundedReceiver<Job>,
    busy: &Busy,
) -> wasmtime::Result<()> {
    let mut calls = FuturesUnordered::new();
    calls.push(call(accessor, service, flights, first));
    let mut open = true;
    loop {
        tokio::select! {
            Some(called) = calls.next() => called?,
            job = jobs.recv(), if open => match job {
                Some(job) => {
                    let is_alone = flights.is_empty();
                    if is_alone {
                        accessor.with(|mut access| turn_to(access.as_context_mut(), &job.running))?;
                    }
                    let started = flights.start(job);
                    if is_alone {
                        accessor.with(|mut access| access.data_mut().flight = started.2);
                    }
                    calls.push(call(accessor, service, flights, started));
                }
                None => open = false,
            },
            () = poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)), if calls.is_empty() && !flights.is_empty() => {
                let took = accessor.with(|mut access| {
                    access.data_mut().done();
                    InstanceState::took(access.as_context_mut())
                });
                flights.rest(busy.lap(), took);
            }
            else => return Ok(()),
        }
        if !open && calls.is_empty() && flights.is_empty() {
            // Waits until the responses have been read, because the store may still have to transfer a body that the
            // component passes through to its reader.
            flights.drained().await;
            return Ok(());
        }
    }
}

/// Attributes the output, the outbound calls and the fuel of the instance to this request from now on.
fn turn_to(mut store: impl wasmtime::AsContextMut<Data = InstanceState>, running: &Running) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    store.data_mut().next(running);
    if store.data().counts_fuel() { store.set_fuel(u64::MAX) } else { Ok(()) }
}

/// Calls the component, and sends its response to the client.
async fn call(
    accessor: &Accessor<InstanceState>,
    service: &Service,
    flights: &Flights,
    (request, delivery, number): Started,
) -> wasmtime::Result<()> {
    let handle = service.wasi_http_handler().func_handle();
    let called = accessor.with(|mut access| {
        let view = access.data_mut().http();
        let (request, _) = Request::from_http(view.hooks, request.map(Body::into_guest));
        let request = view.table.push(request)?;
        handle.start_call_concurrent(access.as_context_mut(), (request,))
    })?;
    flights.runs_as(number, called.task());
    let (answer,) = handle.finish_call_concurrent(accessor, called).await?;
    match answer {
        Ok(response) => accessor.with(|mut access| {
            let response = access.data_mut().http().table.delete(response)?;
            let response = response.into_http(access.as_context_mut(), delivery.received())?;
            delivery.answer(Ok(response));
            Ok(())
        }),
        Err(code) => {
            delivery.answer(Err(Failure::ErrorCode(code)));
            Ok(())
        }
    }
}

/// Returns the outermost task that the store works on, or worked on when it trapped.
fn root_task(mut store: impl wasmtime::AsContextMut<Data = InstanceState>) -> Option<GuestTaskId> {
    store.as_context_mut().async_call_stack().ok()?.last()
}
