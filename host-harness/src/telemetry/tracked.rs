//! The record of one request and of its outbound calls, while they last.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response};

use super::exchange::{AtEnd, Count};
use super::{Capture, Event, Exchange, OutboundCall, Recorder, declared_bytes};
use crate::inbound::Client;
use crate::message::body::{Body, observe};
use crate::message::client_fault::ClientFault;
use crate::message::error_code::ErrorCode;

/// The record of a request. The request is finished when the last reference is dropped: the component holds one, and so
/// does the response body.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(super) request: u64,
    pub(super) started: Instant,
    pub(super) exchange: Mutex<Exchange>,
    pub(super) recorder: Recorder,
    /// The client, if the request came over a socket.
    pub(super) client: Option<Arc<Client>>,
}

impl Tracked {
    /// The number of the request, counted from 1.
    pub(crate) fn number(&self) -> u64 {
        self.request
    }

    /// Names the request for messages: `#1 GET /a`, without its query, which may contain secrets.
    pub(crate) fn name(&self) -> String {
        let exchange = self.lock();
        let path: String = exchange.uri.path().chars().take(100).collect();
        let work = if exchange.end.is_some() { " (work after the response)" } else { "" };
        format!("#{} {} {path}{work}", self.request, exchange.method)
    }

    /// Returns the fault of the client that ended the request early.
    pub(crate) fn client_fault(&self) -> Option<ClientFault> {
        self.client.as_ref()?.fault()
    }

    /// If the component still waits for the request body, blames the client for the time-out of the request. Returns
    /// whether the client is to blame.
    pub(crate) fn blame_slow_upload(&self, limit: Duration) -> bool {
        let Some(client) = self.client.as_ref().filter(|client| client.is_awaited()) else { return false };
        client.blame(ClientFault::SlowUpload(limit));
        true
    }

    /// Captures the body of the request.
    pub(crate) fn asked(&self, request: Request<Body>) -> Request<Body> {
        let capture = self.lock().request_body.clone();
        request.map(|body| capture.watch(body))
    }

    /// Records the head of the response, and observes its body.
    pub(crate) fn answered(self: &Arc<Self>, response: Response<Body>) -> Response<Body> {
        let (declared, capture) = {
            let mut exchange = self.lock();
            exchange.status = Some(response.status());
            exchange.response_headers = self.recorder.headers(response.headers());
            exchange.head_after = Some(self.started.elapsed());
            exchange.duration = self.started.elapsed();
            exchange.client_fault = self.client_fault();
            self.recorder.tell(|| Event::Answered(Box::new(exchange.clone())));
            (declared_bytes(&exchange.method, response.headers()), exchange.response_body.clone())
        };
        let tracked = Arc::clone(self);
        response.map(|body| {
            let at_end = AtEnd(move |bytes, end| {
                let mut exchange = tracked.lock();
                exchange.response_bytes = bytes;
                exchange.end = Some(end);
                exchange.end_after = Some(tracked.started.elapsed());
            });
            observe(capture.watch(body), declared, at_end)
        })
    }

    /// Records an outbound call, which `send` makes, until its response body ends.
    pub(crate) fn call<F>(
        self: Arc<Self>,
        request: Request<Body>,
        send: impl FnOnce(Request<Body>) -> F,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Body>, ErrorCode>> + Send>>
    where
        F: Future<Output = Result<Response<Body>, ErrorCode>> + Send + 'static,
    {
        self.lock().calls += 1;
        let call = OutboundCall {
            request: self.request,
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            request_bytes: 0,
            body: Capture::up_to(self.recorder.capture_bytes),
            status: Err("the component gave it up".to_owned()),
            error: None,
            response_headers: HeaderMap::new(),
            response_body: Capture::up_to(self.recorder.capture_bytes),
            response_bytes: 0,
            end: None,
            after: self.started.elapsed(),
            duration: Duration::ZERO,
        };
        let capture = call.body.clone();
        let sent = Arc::new(AtomicU64::new(0));
        let mut calling = Calling { call, sent: Arc::clone(&sent), started: Instant::now(), tracked: self };
        let answer = send(request.map(|body| observe(capture.watch(body), None, Count(sent))));
        Box::pin(async move {
            let response = answer.await;
            match &response {
                Ok(response) => {
                    calling.call.status = Ok(response.status());
                    calling.call.response_headers = response.headers().clone();
                }
                Err(code) => {
                    calling.call.status = Err(code.to_string());
                    calling.call.error = Some(Arc::new(code.clone()));
                }
            }
            let response = response?;
            let declared = declared_bytes(&calling.call.method, response.headers());
            let capture = calling.call.response_body.clone();
            Ok(response.map(|body| {
                let at_end = AtEnd(move |bytes, end| {
                    let mut calling = calling;
                    calling.call.response_bytes = bytes;
                    calling.call.end = Some(end);
                });
                observe(capture.watch(body), declared, at_end)
            }))
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let (duration, fault) = (self.started.elapsed(), self.client_fault());
        let exchange = self.exchange.get_mut().unwrap_or_else(PoisonError::into_inner);
        exchange.duration = duration;
        exchange.client_fault = fault;
        self.recorder.tell(|| Event::Finished(Box::new(exchange.clone())));
    }
}

/// An unfinished outbound call. Dropping this value records the call.
struct Calling {
    call: OutboundCall,
    /// The number of bytes of the request body that were sent.
    sent: Arc<AtomicU64>,
    started: Instant,
    tracked: Arc<Tracked>,
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.call.duration = self.started.elapsed();
        self.call.request_bytes = self.sent.load(Ordering::Relaxed);
        self.tracked.lock().calls_took += self.call.duration;
        let recorder = &self.tracked.recorder;
        recorder.tell(|| Event::Called(Box::new(self.call.clone())));
        // Only the event keeps the bodies: those of all recorded calls would need too much memory.
        let call = OutboundCall { body: Capture::default(), response_body: Capture::default(), ..self.call.clone() };
        recorder.lock().calls.push(call);
    }
}
