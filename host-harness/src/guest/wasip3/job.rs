//! Requests on their way to an instance.

use std::sync::Arc;

use http::Request;

use crate::guest::response::ResponseDelivery;
use crate::message::body::Body;
use crate::telemetry::Running;

/// A request for an instance.
pub(super) struct Job {
    pub(super) request: Request<Body>,
    pub(super) running: Running,
    pub(super) delivery: Arc<ResponseDelivery>,
}

/// The request before the component gets it, its delivery, and its number in the instance.
pub(super) type Started = (Request<Body>, Arc<ResponseDelivery>, u64);
