//! Headers that a tuple adds to its last value.

use std::convert::Infallible;
use std::error::Error as StdError;

use http::header::SET_COOKIE;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};

use super::IntoResponse;
use crate::{Error, Response};

/// A value that a tuple adds to the response of its last value: headers, or other changes that [`ResponseParts`]
/// allows.
///
/// All values of a repeated name in an array or a [`HeaderMap`] are sent, in order. They replace all headers of that
/// name in the last value, such as its `content-type`. The exception is `set-cookie`: each such header sets a
/// separate cookie (RFC 6265, section 3), so it replaces none. [`AppendHeaders`] replaces no headers. `None` adds
/// nothing.
///
/// # Examples
///
/// ```
/// use wayside::{Error, IntoResponse, IntoResponseParts, ResponseParts};
///
/// struct RequestId(u64);
///
/// impl IntoResponseParts for RequestId {
///     type Error = Error;
///
///     fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Error> {
///         parts.headers_mut().insert("x-request-id", self.0.into());
///         Ok(parts)
///     }
/// }
///
/// let response = (RequestId(7), [("vary", "accept")], "hello").into_response();
/// assert_eq!(response.headers()["x-request-id"], "7");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to a response",
    label = "expected headers, as `[(\"name\", \"value\")]`, a `HeaderMap` or `wayside::AppendHeaders`",
    note = "a tuple is an optional `StatusCode`, values that implement `wayside::IntoResponseParts`, and a body or response"
)]
pub trait IntoResponseParts {
    /// The response that is sent if this value cannot be added.
    type Error: IntoResponse;

    /// Adds this value to a response.
    ///
    /// # Errors
    ///
    /// Fails with the response to send instead, for example because a header name is invalid.
    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error>;
}

/// The response head that [`IntoResponseParts`] changes.
#[derive(Debug)]
pub struct ResponseParts {
    response: Response,
}

impl ResponseParts {
    pub(super) fn of(response: Response) -> Self {
        Self { response }
    }

    pub(super) fn into_response(self) -> Response {
        self.response
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns the headers mutably.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.response.headers_mut()
    }

    /// Returns the extensions mutably. Extensions are not sent to the client.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.response.extensions_mut()
    }
}

/// Headers that are added to existing headers of the same name, for example `vary` or `link`.
///
/// # Examples
///
/// ```
/// use wayside::{AppendHeaders, IntoResponse};
///
/// let page = ([("vary", "accept")], "hello");
/// let response = (AppendHeaders([("vary", "origin")]), page).into_response();
/// let values: Vec<_> = response.headers().get_all("vary").iter().collect();
/// assert_eq!(values, ["accept", "origin"]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AppendHeaders<I>(
    /// Names and values: an array, a vector or another iterator.
    pub I,
);

impl<I, K, V> IntoResponseParts for AppendHeaders<I>
where
    I: IntoIterator<Item = (K, V)>,
    K: TryInto<HeaderName, Error: StdError + Send + Sync + 'static>,
    V: TryInto<HeaderValue, Error: StdError + Send + Sync + 'static>,
{
    type Error = Error;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Error> {
        append(parts.headers_mut(), self.0)?;
        Ok(parts)
    }
}

impl<const N: usize, K, V> IntoResponseParts for [(K, V); N]
where
    K: TryInto<HeaderName, Error: StdError + Send + Sync + 'static>,
    V: TryInto<HeaderValue, Error: StdError + Send + Sync + 'static>,
{
    type Error = Error;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Error> {
        let mut added = HeaderMap::with_capacity(N);
        append(&mut added, self)?;
        replace(parts.headers_mut(), added);
        Ok(parts)
    }
}

impl IntoResponseParts for HeaderMap {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        replace(parts.headers_mut(), self);
        Ok(parts)
    }
}

impl IntoResponseParts for () {
    type Error = Infallible;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        Ok(parts)
    }
}

impl<T: IntoResponseParts> IntoResponseParts for Option<T> {
    type Error = T::Error;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, T::Error> {
        match self {
            Some(value) => value.into_response_parts(parts),
            None => Ok(parts),
        }
    }
}

/// Adds headers. Fails at the first invalid name or value.
fn append<K, V>(headers: &mut HeaderMap, added: impl IntoIterator<Item = (K, V)>) -> Result<(), Error>
where
    K: TryInto<HeaderName, Error: StdError + Send + Sync + 'static>,
    V: TryInto<HeaderValue, Error: StdError + Send + Sync + 'static>,
{
    for (name, value) in added {
        headers.append(name.try_into()?, value.try_into()?);
    }
    Ok(())
}

/// Inserts headers. They replace existing headers of the same name, except for `set-cookie`.
fn replace(headers: &mut HeaderMap, added: HeaderMap) {
    let mut name = SET_COOKIE;
    // The iterator of a `HeaderMap` yields a name only with the first of its values, and `None` with the others.
    for (next, value) in added {
        match next {
            Some(next) if next != SET_COOKIE => {
                headers.insert(next.clone(), value);
                name = next;
            }
            next => {
                name = next.unwrap_or(name);
                headers.append(name.clone(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn repeated_fields_of_a_map_stay_in_order() {
        let mut fields = HeaderMap::new();
        fields.append("set-cookie", HeaderValue::from_static("a=1"));
        fields.append("set-cookie", HeaderValue::from_static("b=2"));
        let response = (fields, ()).into_response();
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }

    fn values<'a>(response: &'a Response, name: &str) -> Vec<&'a HeaderValue> {
        response.headers().get_all(name).iter().collect()
    }

    #[test]
    fn every_entry_of_an_array_is_sent() {
        let fields =
            [("set-cookie", "a=1"), ("x-own", "1"), ("set-cookie", "b=2"), ("x-own", "2"), ("set-cookie", "c=3")];
        let created = (StatusCode::CREATED, fields, "").into_response();
        for response in [(fields, "").into_response(), created] {
            assert_eq!(values(&response, "set-cookie"), ["a=1", "b=2", "c=3"]);
            assert_eq!(values(&response, "x-own"), ["1", "2"]);
        }
    }

    #[test]
    fn a_header_of_a_tuple_replaces_those_of_its_last_value() {
        let inner = ([("vary", "accept"), ("vary", "origin"), ("etag", "\"1\"")], "body");
        let response = ([("vary", "cookie"), ("vary", "host"), ("content-type", "text/css")], inner).into_response();
        assert_eq!(values(&response, "vary"), ["cookie", "host"]);
        assert_eq!(values(&response, "content-type"), ["text/css"]);
        assert_eq!(values(&response, "etag"), ["\"1\""]);
    }

    #[test]
    fn cookies_of_a_tuple_are_added_to_those_of_its_last_value() {
        let response = ([("set-cookie", "c=3")], ([("set-cookie", "a=1"), ("set-cookie", "b=2")], "")).into_response();
        assert_eq!(values(&response, "set-cookie"), ["a=1", "b=2", "c=3"]);
        let mut fields = HeaderMap::new();
        fields.append("set-cookie", HeaderValue::from_static("d=4"));
        fields.append("vary", HeaderValue::from_static("origin"));
        fields.append("set-cookie", HeaderValue::from_static("e=5"));
        let response = (fields, ([("vary", "cookie")], response)).into_response();
        assert_eq!(values(&response, "set-cookie"), ["a=1", "b=2", "c=3", "d=4", "e=5"]);
        assert_eq!(values(&response, "vary"), ["origin"]);
    }

    #[test]
    fn appended_headers_are_added_to_those_of_the_last_value() {
        let inner = ([("vary", "accept"), ("link", "</a>")], "body");
        let response = (AppendHeaders([("vary", "origin"), ("vary", "cookie")]), inner).into_response();
        assert_eq!(values(&response, "vary"), ["accept", "origin", "cookie"]);
        assert_eq!(values(&response, "link"), ["</a>"]);
    }

    #[test]
    fn a_tuple_takes_several_parts_and_none() {
        let response = (
            StatusCode::CREATED,
            [("location", "/7")],
            None::<[(&str, &str); 1]>,
            Some(AppendHeaders(vec![("vary", "origin")])),
            (),
            HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"1\""))]),
            "made",
        )
            .into_response();
        assert_eq!(response.status(), StatusCode::CREATED);
        for (name, value) in [("location", "/7"), ("vary", "origin"), ("etag", "\"1\"")] {
            assert_eq!(values(&response, name), [value], "{name}");
        }
    }

    #[test]
    fn an_invalid_header_among_several_parts_turns_the_response_into_an_error() {
        let response = (StatusCode::CREATED, [("vary", "a")], AppendHeaders([("a b", "c")]), "made").into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn headers_alone_are_a_response_without_a_body() {
        let response = [("location", "/7")].into_response();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(values(&response, "location"), ["/7"]);
        assert!(!response.headers().contains_key("content-type"));
    }
}
