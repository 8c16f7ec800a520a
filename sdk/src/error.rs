//! Errors that answer a request.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use crate::respond::Answer;
use crate::sys::{Here, World};
use crate::{IntoResponse, Response, body, client};

/// An error that a handler answers with: a status, a sentence for the client, and a source for the operator.
///
/// Every [`std::error::Error`] becomes one with `?`. The client gets a problem document (RFC 9457,
/// `application/problem+json`) with the status and the sentence; the source never leaves the component. It goes to
/// stderr instead, with its chain of causes and the method and path of the request.
///
/// The status of an error made by `?` is 500, with these exceptions. A [`client::Error`] is 502, or 504 if it is a timeout,
/// and so is a [`body::Error`] about the body of a response from another server. A [`body::Error`] about another body is
/// 413 if that exceeded a limit, and 400 otherwise.
///
/// # Examples
///
/// ```
/// use wayside::{Error, Request, StatusCode};
///
/// async fn handle(req: Request) -> Result<String, Error> {
///     let id = req.uri().query().ok_or_else(|| Error::new(StatusCode::BAD_REQUEST, "the query has no id"))?;
///     let id: u32 = id.parse()?;
///     Ok(format!("number {id}"))
/// }
/// ```
pub struct Error {
    // Boxed, because a handler's `Result` is moved several times and is rarely an error.
    inner: Box<ErrorParts>,
}

struct ErrorParts {
    status: StatusCode,
    detail: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error with a status and a sentence that the client may read.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, IntoResponse, StatusCode};
    ///
    /// let response = Error::new(StatusCode::NOT_FOUND, "there is no user 7").into_response();
    /// assert_eq!(response.status(), 404);
    /// assert_eq!(response.headers()["content-type"], "application/problem+json");
    /// ```
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { inner: Box::new(ErrorParts { status, detail: Some(detail.into()), source: None }) }
    }

    /// Makes an error with a status, whose name is all that the client gets.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, StatusCode};
    ///
    /// let error = Error::from_status(StatusCode::FORBIDDEN);
    /// assert_eq!(error.detail(), None);
    /// ```
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        Self { inner: Box::new(ErrorParts { status, detail: None, source: None }) }
    }

    /// Sets the source: what the operator should know and the client should not.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, StatusCode};
    ///
    /// fn parse(text: &str) -> Result<u32, Error> {
    ///     text.parse::<u32>().map_err(|error| Error::new(StatusCode::BAD_REQUEST, "n is no number").with_source(error))
    /// }
    /// assert_eq!(parse("seven").unwrap_err().status(), 400);
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Sets the sentence that the client may read.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.inner.detail = Some(detail.into());
        self
    }

    /// Sets another status.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::{Error, StatusCode};
    ///
    /// let error = "seven".parse::<u32>().map_err(|error| Error::from(error).with_status(StatusCode::BAD_REQUEST));
    /// assert_eq!(error.unwrap_err().status(), 400);
    /// ```
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = status;
        self
    }

    /// The status with which this error answers.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status
    }

    /// The sentence that the client gets, if there is one beside the status.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.inner.detail.as_deref()
    }

    /// What the operator gets to see.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

/// The status that fits an error which reached a handler's `?`.
fn status_of(error: &(dyn StdError + 'static)) -> StatusCode {
    if let Some(error) = error.downcast_ref::<body::Error>() {
        return match (error.is_of_response(), error.is_timeout(), error.is_too_large()) {
            (true, true, _) => StatusCode::GATEWAY_TIMEOUT,
            (true, ..) => StatusCode::BAD_GATEWAY,
            (_, _, true) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
    }
    if let Some(error) = error.downcast_ref::<client::Error>() {
        return if error.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
    }
    StatusCode::INTERNAL_SERVER_ERROR
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        let status = status_of(&source);
        Self { inner: Box::new(ErrorParts { status, detail: None, source: Some(Box::new(source)) }) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.detail {
            Some(detail) => f.write_str(detail),
            None => write!(f, "{}", self.inner.status),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.inner.status)
            .field("detail", &self.inner.detail)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into_answer().into_response()
    }

    fn into_answer(self) -> Answer {
        let ErrorParts { status, detail, source } = *self.inner;
        if let Some(source) = source {
            Here::log(&format!("{status}: {}", Chain(&*source)));
        }
        Answer::typed(PROBLEM_JSON, problem(status, detail.as_deref())).with_status(status)
    }
}

/// Shows an error with its causes in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The media type of a problem document (RFC 9457, section 6.1).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The problem document of a status 500 of which nothing is told.
#[allow(dead_code, reason = "for the worlds that have a host")]
pub(crate) const INTERNAL: &str = r#"{"title":"Internal Server Error","status":500}"#;

/// A problem document (RFC 9457) of the type `about:blank`, whose title is that of the status.
pub(crate) fn problem(status: StatusCode, detail: Option<&str>) -> String {
    let mut json = String::with_capacity(64 + detail.map_or(0, str::len));
    json.push_str("{\"title\":\"");
    json.push_str(status.canonical_reason().unwrap_or("Unknown"));
    json.push_str("\",\"status\":");
    json.push_str(status.as_str());
    if let Some(detail) = detail {
        json.push_str(",\"detail\":\"");
        detail.chars().for_each(|c| push_escaped(&mut json, c));
        json.push('"');
    }
    json.push('}');
    json
}

/// Escapes as RFC 8259, section 7, asks; `serde_json` is not there without the feature `json`.
fn push_escaped(json: &mut String, c: char) {
    match c {
        '"' => json.push_str("\\\""),
        '\\' => json.push_str("\\\\"),
        c if c.is_control() => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                json.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = u32::from(*unit >> shift & 0xf);
                    json.extend(char::from_digit(digit, 16));
                }
            }
        }
        c => json.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_escapes_what_json_cannot_hold() {
        let detail = "a \"quoted\" \\ line\nand \u{7f}";
        let document = problem(StatusCode::BAD_REQUEST, Some(detail));
        assert_eq!(document, r#"{"title":"Bad Request","status":400,"detail":"a \"quoted\" \\ line\u000aand \u007f"}"#);
    }

    #[test]
    fn the_source_stays_out_of_the_response() {
        let error = Error::from(std::io::Error::other("password is hunter2"));
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = crate::test::block_on(response.into_body().text()).unwrap();
        assert_eq!(body, INTERNAL);
    }

    #[test]
    fn the_log_shows_the_source_with_its_causes() {
        #[derive(Debug)]
        struct Outer(std::fmt::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot write the report")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }
        let logged = Chain(&Outer(fmt::Error)).to_string();
        assert_eq!(logged, format!("cannot write the report: {}", fmt::Error));
    }

    #[test]
    fn a_body_over_its_limit_becomes_413() {
        let error = crate::test::block_on(crate::Body::from("12345").limited(4).bytes()).unwrap_err();
        assert_eq!(Error::from(error).status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
