//! Deliberate failures of outbound calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;
use tower_service::Service as _;

use super::Outbound;
use super::cut_body::Ending;
use crate::message::body::Body;
use crate::message::error_code::ErrorCode;
use crate::message::framing::content_length;
use crate::message::timeouts::Timeouts;

/// A kind of failure; see [`Outbound::faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is refused.
    Refused,
    /// The name of the server cannot be resolved.
    LookupFailed,
    /// The connection times out. The error comes at once, so that tests need not wait.
    TimedOut,
    /// The response is 500, 502, 503 or 504, and the server is not called.
    ServerError,
    /// The connection is reset within the response body.
    Reset,
    /// The connection is closed within the response body.
    Truncated,
    /// The response body stalls. It fails after 20 ms, or after the time limit of the component if that is shorter.
    Stalled,
    /// The response comes 1 to 20 ms late, and is complete.
    Slow,
}

impl Fault {
    /// All kinds of failures.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::LookupFailed,
        Self::TimedOut,
        Self::ServerError,
        Self::Reset,
        Self::Truncated,
        Self::Stalled,
        Self::Slow,
    ];
}

/// How long a body stalls. Short, so that a test with many stalled bodies stays fast.
const STALL: Duration = Duration::from_millis(20);
/// The number of bytes within which a body of unknown length breaks off.
const EARLY_BYTES: u64 = 16 * 1024;

pub(super) fn faults(inner: Outbound, rate: f64, seed: u64, kinds: Vec<Fault>) -> Outbound {
    let count = AtomicU64::new(0);
    Outbound::from_handler(move |request| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        // Each call has its own random generator, so that its faults do not depend on what other calls do.
        let mut random = StdRng::seed_from_u64(seed.rotate_left(32) ^ number);
        let mut inner = inner.clone();
        if kinds.is_empty() || !random.random_bool(rate) {
            return inner.call(request);
        }
        let fault = kinds[random.random_range(0..kinds.len())];
        Box::pin(inject(fault, random, inner, request))
    })
}

async fn inject(
    fault: Fault,
    mut random: StdRng,
    mut inner: Outbound,
    request: Request<Body>,
) -> Result<Response<Body>, ErrorCode> {
    let timeouts = request.extensions().get::<Timeouts>().copied().unwrap_or_default();
    let ending = match fault {
        Fault::Refused => return Err(ErrorCode::ConnectionRefused),
        Fault::LookupFailed => {
            return Err(ErrorCode::DnsError { rcode: Some("NXDOMAIN".to_owned()), info_code: None });
        }
        Fault::TimedOut => return Err(ErrorCode::ConnectionTimeout),
        Fault::ServerError => return Ok(server_error(&mut random)),
        Fault::Slow => {
            sleep(Duration::from_millis(random.random_range(1..=20))).await;
            return inner.call(request).await;
        }
        Fault::Reset => Ending::Reset,
        Fault::Truncated => Ending::Truncated,
        Fault::Stalled => Ending::Stalled(Some(STALL)),
    };
    let response = inner.call(request).await?;
    let length = content_length(response.headers());
    let bytes = random.random_range(0..length.unwrap_or(EARLY_BYTES).max(1));
    Ok(response.map(|body| ending.after(bytes, body, timeouts)))
}

fn server_error(random: &mut StdRng) -> Response<Body> {
    let status = [
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ][random.random_range(0..4)];
    let mut response = Response::new("an injected fault\n".into());
    *response.status_mut() = status;
    response
}
