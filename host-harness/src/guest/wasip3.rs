//! Runs components of WASI 0.3. An instance handles one request, or several, in sequence or concurrently.

mod flights;
mod job;
mod next;
mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use http::{Request, Response, header};
use http_body::Body as _;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use super::response::{GuestResponse, ResponseDelivery};
use super::state::{InstanceState, Settings};
use super::{Failure, Guest, clock, linker};
use crate::component::Component;
use crate::message::body::Begun;
use crate::message::body::Body;
use crate::telemetry::Running;
use flights::Flights;
use job::Job;
use worker::Worker;

pub(super) struct Wasip3(Arc<Instances>);

/// One component, and those of its instances that may still get requests.
struct Instances {
    pre: ServicePre<InstanceState>,
    settings: Arc<Settings>,
    live: Mutex<Vec<Live>>,
}

/// A handle of an instance. When `jobs` is dropped, the instance finishes its requests and ends.
struct Live {
    flights: Arc<Flights>,
    jobs: mpsc::UnboundedSender<Job>,
    /// The number of requests that the instance may still get.
    left: u32,
}

impl Wasip3 {
    /// Links a component, and its next handler if it is middleware.
    pub(super) fn link(component: &Component, next: Option<Guest>, settings: Arc<Settings>) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(component.compiled.engine());
        // Links WASI 0.2 as well, because Rust's standard library imports it in components of 0.3 too.
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        linker::add_to_linker(&mut linker)?;
        if settings.clock.is_some() {
            clock::add_to_linker(&mut linker)?;
        }
        if let Some(next) = next {
            next::add_to_linker(&mut linker, next)?;
        }
        let pre = ServicePre::new(linker.instantiate_pre(&component.compiled)?)?;
        Ok(Self(Arc::new(Instances { pre, settings, live: Mutex::default() })))
    }

    /// Sends a request to the component, and returns as soon as the head of the response is known. The component
    /// continues in a separate task.
    pub(super) async fn handle(&self, request: Request<Body>, running: Running) -> GuestResponse {
        let (delivery, answered) = ResponseDelivery::new();
        let waiting = WaitingClient { delivery: Arc::clone(&delivery), answered };
        self.0.give(Job { request, running, delivery });
        Ok(look_for_the_end(waiting.answer().await?).await)
    }
}

/// A client that waits for a response. Dropping it wakes the worker, which then checks whether the client has gone.
struct WaitingClient {
    delivery: Arc<ResponseDelivery>,
    answered: tokio::sync::oneshot::Receiver<GuestResponse>,
}

impl WaitingClient {
    async fn answer(mut self) -> GuestResponse {
        (&mut self.answered).await.unwrap_or(Err(Failure::Trapped))
    }
}

impl Drop for WaitingClient {
    fn drop(&mut self) {
        self.answered.close();
        self.delivery.tell();
    }
}

impl Instances {
    /// Sends a request to the youngest instance that has a free place, or to a new instance if none has.
    fn give(self: &Arc<Self>, mut job: Job) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        for number in (0..live.len()).rev() {
            let instance = &mut live[number];
            if instance.jobs.is_closed() {
                live.remove(number);
                continue;
            }
            if !instance.flights.reserve(self.settings.at_once()) {
                continue;
            }
            job.delivery.watch(instance.flights.changed());
            match instance.jobs.send(job) {
                Ok(()) => {
                    instance.left -= 1;
                    if instance.left == 0 {
                        live.remove(number);
                    }
                    return;
                }
                // The instance has ended since the check above.
                Err(mpsc::error::SendError(unsent)) => job = unsent,
            }
        }
        let flights = Arc::new(Flights::new(self.settings.limits.timeout));
        flights.reserve(1);
        job.delivery.watch(flights.changed());
        let (jobs, receiver) = mpsc::unbounded_channel();
        if self.settings.reuse > 1 {
            live.push(Live { flights: Arc::clone(&flights), jobs, left: self.settings.reuse - 1 });
        }
        drop(live);
        let instances = Arc::downgrade(self);
        let others = move |job| {
            if let Some(instances) = instances.upgrade() {
                instances.give(job);
            }
        };
        let worker = Worker::new(&self.pre, &self.settings, Box::new(others), flights, receiver, &job.running);
        let span = worker.span();
        tokio::spawn(worker.run(job).instrument(span));
    }
}

/// Checks whether a response without a declared length has an empty body, so that its head can say so.
async fn look_for_the_end(response: Response<Body>) -> Response<Body> {
    if response.headers().contains_key(header::CONTENT_LENGTH) || response.body().size_hint().exact().is_some() {
        return response;
    }
    let (head, body) = response.into_parts();
    let mut body = Begun::new(body);
    std::future::poll_fn(|cx| {
        // If the body has no frame yet, the head is sent unchanged.
        let _ = body.poll_begin(cx);
        Poll::Ready(())
    })
    .await;
    Response::from_parts(head, Body::new(body))
}
