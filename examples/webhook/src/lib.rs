//! A service of real size: receives signed webhooks, answers at once, and passes each event on to `TARGET` afterwards.
//!
//! The sender signs the raw body with HMAC-SHA-256 and the key `SECRET`, and sends the signature in the header
//! `x-signature-256` as `sha256=` and hexadecimal digits.
//!
//! ```text
//! cargo run -- serve examples/webhook --env SECRET=s3cret --env TARGET=http://127.0.0.1:8000/events \
//!     --allow-outbound 127.0.0.1:8000 --log text
//! ```

#[cfg(not(test))]
use std::env::var as setting;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wayside::client::{Client, ResponseExt as _, Retry};
use wayside::{Bytes, Error, FromRequest, IncomingRequest, StatusCode, http_component, wait_until};

#[cfg(test)]
use tests::setting;

/// What happened at the sender. Unknown fields are passed on too, because the raw body is.
#[derive(Debug, Deserialize)]
struct Event {
    id: String,
}

/// The answer to the sender.
#[derive(Debug, PartialEq, Serialize)]
struct Accepted {
    id: String,
}

#[http_component]
fn receive(SignedBody(body): SignedBody) -> Result<(StatusCode, wayside::Json<Accepted>), Error> {
    let event: Event = serde_json::from_slice(&body)
        .map_err(|error| Error::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let target = setting("TARGET")?;
    let accepted = Accepted { id: event.id.clone() };
    // The sender need not wait until the event is delivered. The host keeps the instance until the delivery ends.
    wait_until(async move {
        match deliver(&target, &event.id, body).await {
            Ok(status) => eprintln!("delivered {}: {status}", event.id),
            Err(error) => eprintln!("not delivered {}: {error}", event.id),
        }
    });
    Ok((StatusCode::ACCEPTED, wayside::Json(accepted)))
}

/// Sends an event, up to five times. The receiver recognizes a repeated event by its ID, so the POST may arrive twice.
async fn deliver(target: &str, id: &str, body: Bytes) -> Result<StatusCode, Error> {
    let retry = Retry::new(5)
        .backoff(Duration::from_millis(500), Duration::from_secs(10))
        .attempt_timeout(Duration::from_secs(5));
    let client = Client::builder().timeout(Duration::from_secs(25)).retry(retry).build();
    let request = client.post(target).header("content-type", "application/json").header("event-id", id).body(body);
    Ok(request.retryable().send().await?.error_for_status()?.status())
}

/// A body whose signature is valid.
struct SignedBody(Bytes);

impl FromRequest for SignedBody {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        let signature = request.headers()?.get("x-signature-256").and_then(|value| signature(value.to_str().ok()?));
        // A request without a signature is rejected before its body is read.
        let signature = signature.ok_or_else(|| unauthorized("the signature is missing or malformed"))?;
        let body = Bytes::from_request(request).await?;
        // Compares in constant time, so that the time tells nothing about the right signature.
        mac(&body)?.verify_slice(&signature).map_err(|_| unauthorized("the signature is wrong"))?;
        Ok(Self(body))
    }
}

fn mac(body: &[u8]) -> Result<Hmac<Sha256>, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(setting("SECRET")?.as_bytes())?;
    mac.update(body);
    Ok(mac)
}

fn unauthorized(detail: &str) -> Error {
    Error::new(StatusCode::UNAUTHORIZED, detail).with_header("www-authenticate", "HMAC-SHA-256")
}

/// Reads `sha256=` and 64 hexadecimal digits.
fn signature(header: &str) -> Option<[u8; 32]> {
    let digits = header.strip_prefix("sha256=")?;
    let mut signature = [0; 32];
    if digits.len() != 2 * signature.len() || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in signature.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(signature)
}

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::fmt::Write as _;

    use wayside::test::{self, Call, ErrorCode, Mock, Reply};
    use wayside::{FromRequest as _, IntoResponse as _, Request, Response};

    use super::*;

    const EVENT: &str = r#"{"id": "e7", "kind": "paid"}"#;

    /// Stands in for the environment, which the tests of a process share.
    pub(super) fn setting(name: &str) -> Result<String, VarError> {
        match name {
            "SECRET" => Ok("s3cret".to_owned()),
            "TARGET" => Ok("http://shop.test/events".to_owned()),
            _ => Err(VarError::NotPresent),
        }
    }

    fn sign(body: &str) -> String {
        mac(body.as_bytes()).unwrap().finalize().into_bytes().iter().fold("sha256=".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    async fn post(body: &'static str, signature: Option<&str>) -> Response {
        let mut request = Request::post("http://hooks.test/").body(body).unwrap();
        if let Some(signature) = signature {
            request.headers_mut().insert("x-signature-256", signature.parse().unwrap());
        }
        match SignedBody::from_request(test::incoming(request)).await {
            Ok(signed) => receive(signed).into_response(),
            Err(rejection) => rejection.into_response(),
        }
    }

    #[wayside::test]
    async fn an_event_is_accepted_at_once_and_delivered_until_it_arrives() {
        let _paused = test::pause();
        let call = || Call::post("http://shop.test/events").header("event-id", "e7").body(EVENT);
        let mock = Mock::new()
            .reply(call(), Reply::fail(ErrorCode::ConnectionRefused))
            .reply(call(), Reply::ok().status(503).header("retry-after", "2"))
            .reply(call(), Reply::silence())
            .reply(call(), "got it")
            .in_order();
        let _upstream = test::outbound(mock);
        let response = post(EVENT, Some(&sign(EVENT))).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(response.into_body().text().await.unwrap(), r#"{"id":"e7"}"#);
        // The work of `wait_until` runs to its end before the test ends, and then the mock verifies its calls.
    }

    #[wayside::test]
    async fn what_is_not_signed_is_not_delivered() {
        let _upstream = test::outbound(Mock::new());
        let other = sign("other");
        for signature in [None, Some("sha256=00"), Some("s3cret"), Some(&*other)] {
            let response = post(EVENT, signature).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{signature:?}");
            assert_eq!(response.headers()["www-authenticate"], "HMAC-SHA-256");
        }
    }

    #[wayside::test]
    async fn a_signed_body_that_is_no_event_is_422() {
        assert_eq!(post("{}", Some(&sign("{}"))).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}
