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

/// A request that the component has not received yet, the delivery of its response, and its number within the instance.
pub(super) type Started = (Request<Body>, Arc<ResponseDelivery>, u64);
