//! Responses that a test checks.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::body::Body;
use crate::outbound::difference::{Difference, values};
use crate::outbound::json::Json;
use crate::telemetry::Recorder;
use crate::{Harness, show};

/// A response that has been read to its end, with checks for tests.
///
/// [`Harness::ask`] returns one; [`TestResponse::of`] turns any response into one. A failed check panics with the
/// expected and the actual value, the whole response, and the component's output and traps since the request.
///
/// # Examples
///
/// ```no_run
/// use wayside_harness::{Harness, http};
///
/// # async fn example() -> Result<(), wayside_harness::Error> {
/// let app = Harness::build("examples/json").await?;
/// let request = http::Request::post("/").header("content-type", "application/json").body(r#"{"numbers": [1, 2]}"#);
/// app.ask(request.unwrap())
///     .await
///     .assert_status(200)
///     .assert_header("content-type", "application/json")
///     .assert_body(r#"{"count":2,"sum":3}"#);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
    /// The reason why the body broke off, if it did.
    broken: Option<String>,
    /// The component's telemetry, and the number of requests before this one.
    component: Option<(Recorder, u64)>,
}

impl Harness {
    /// Sends one request to the component like [`request`](Self::request), and reads the whole response.
    pub async fn ask<B: Into<Body>>(&self, request: Request<B>) -> TestResponse {
        let before = self.requests();
        let answer = TestResponse::of(self.request(request).await).await;
        TestResponse { component: Some((self.recorder(), before)), ..answer }
    }
}

impl TestResponse {
    /// Reads a response to its end, or to the point where it breaks off.
    pub async fn of(response: Response<Body>) -> Self {
        let (parts, mut body) = response.into_parts();
        let (mut bytes, mut trailers, mut broken) = (Vec::new(), HeaderMap::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(frame)) => trailers = frame.into_trailers().unwrap_or_default(),
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            }
        }
        let (status, headers) = (parts.status, parts.headers);
        Self { status, headers, body: bytes.into(), trailers, broken, component: None }
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body, up to the point where it broke off.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the trailers, which are empty if there were none.
    #[must_use]
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// Returns the whole body as text.
    ///
    /// # Panics
    ///
    /// Panics if the body broke off or is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        self.assert_whole();
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => self.fail("body", "text in UTF-8", &error.to_string()),
        }
    }

    /// Returns the whole body, parsed from JSON.
    ///
    /// # Panics
    ///
    /// Panics if the body broke off or is not JSON of the requested type.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        self.assert_whole();
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => self.fail("body", &format!("JSON for `{}`", std::any::type_name::<T>()), &error.to_string()),
        }
    }

    /// Checks the status.
    ///
    /// # Panics
    ///
    /// Panics if the status differs.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        if self.status.as_u16() != status {
            self.fail("status", &status.to_string(), self.status.as_str());
        }
        self
    }

    /// Checks that a header has this value. A repeated header may have other values as well.
    ///
    /// # Panics
    ///
    /// Panics if the value is missing.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &Self {
        self.assert_field("field", &self.headers, name, value)
    }

    /// Checks that a trailer has this value. A repeated trailer may have other values as well.
    ///
    /// # Panics
    ///
    /// Panics if the value is missing.
    #[track_caller]
    pub fn assert_trailer(&self, name: &str, value: &str) -> &Self {
        self.assert_field("trailer", &self.trailers, name, value)
    }

    /// Checks that the body is complete and equal to these bytes.
    ///
    /// # Panics
    ///
    /// Panics if it broke off or differs.
    #[track_caller]
    pub fn assert_body(&self, body: impl AsRef<[u8]>) -> &Self {
        let mut difference = Difference::default();
        difference.body(body.as_ref(), &self.body);
        self.assert_whole().assert_same(&difference)
    }

    /// Checks that the body is complete and equal to this JSON document. White space and the order of keys do not
    /// matter. Numbers are compared by value and to the last digit, so `1` equals `1.0`.
    ///
    /// # Panics
    ///
    /// Panics if the body broke off or differs, or if the expected value cannot be serialized.
    #[track_caller]
    pub fn assert_json(&self, body: impl Serialize) -> &Self {
        let mut difference = Difference::default();
        match Json::of(body) {
            Ok(value) => difference.json(&value, &self.body),
            Err(error) => panic!("the expected body is no JSON: {error}"),
        }
        self.assert_whole().assert_same(&difference)
    }

    /// Checks that the body is complete.
    ///
    /// # Panics
    ///
    /// Panics if it broke off.
    #[track_caller]
    pub fn assert_whole(&self) -> &Self {
        if let Some(reason) = &self.broken {
            self.fail("body", "a whole one", &format!("{} bytes, then: {reason}", self.body.len()));
        }
        self
    }

    /// Checks that the body broke off.
    ///
    /// # Panics
    ///
    /// Panics if the body is complete.
    #[track_caller]
    pub fn assert_broken(&self) -> &Self {
        if self.broken.is_none() {
            self.fail("body", "one that breaks off", &format!("a whole one of {} bytes", self.body.len()));
        }
        self
    }

    #[track_caller]
    fn assert_field(&self, what: &str, fields: &HeaderMap, name: &str, value: &str) -> &Self {
        let found = HeaderName::try_from(name).map(|name| values(fields, &name)).unwrap_or_default();
        if !found.iter().any(|found| found == value) {
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join("\n            ") };
            self.fail(&format!("{what} {name}"), value, &found);
        }
        self
    }

    #[track_caller]
    fn assert_same(&self, difference: &Difference) -> &Self {
        if !difference.is_empty() {
            panic!("the response is not as expected\n  {}\n{self}", difference.lines.join("\n  "));
        }
        self
    }

    #[track_caller]
    fn fail(&self, what: &str, expected: &str, found: &str) -> ! {
        let (expected, found) = (show::text(expected), show::text(found));
        panic!("the response is not as expected\n  {what}\n  expected: {expected}\n  found:    {found}\n{self}")
    }
}

/// The largest number of bytes that a message shows of the body, and of the component's output.
const SHOWN: usize = 4 * 1024;

impl fmt::Display for TestResponse {
    /// Formats the response and the component's output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the response:\n  {}", self.status)?;
        write_fields(f, &self.headers)?;
        if !self.body.is_empty() {
            let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN)]);
            writeln!(f, "\n{}", indented(&shown))?;
            if self.body.len() > SHOWN {
                writeln!(f, "  … and {} bytes more", self.body.len() - SHOWN)?;
            }
        }
        write_fields(f, &self.trailers)?;
        if let Some(reason) = &self.broken {
            writeln!(f, "  the body broke off: {}", show::line(reason))?;
        }
        let Some((recorder, before)) = &self.component else {
            return Ok(());
        };
        let wrote: String =
            recorder.logs().into_iter().filter(|entry| entry.request > *before).map(|entry| entry.text).collect();
        if !wrote.is_empty() {
            let start = (wrote.len().saturating_sub(SHOWN)..).find(|start| wrote.is_char_boundary(*start)).unwrap_or(0);
            writeln!(f, "the component wrote:\n{}", indented(&wrote[start..]))?;
        }
        for trap in recorder.traps().iter().filter(|trap| trap.request > *before) {
            writeln!(f, "the component trapped:\n{}", indented(&trap.reason))?;
        }
        Ok(())
    }
}

fn write_fields(f: &mut fmt::Formatter<'_>, fields: &HeaderMap) -> fmt::Result {
    fields.iter().try_for_each(|(name, value)| writeln!(f, "  {name}: {}", show::bytes(value.as_bytes())))
}

fn indented(text: &str) -> String {
    show::text(text).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("trailers", &self.trailers)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
