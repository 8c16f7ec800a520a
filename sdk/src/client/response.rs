//! Extension methods for responses.

#[cfg(feature = "charset")]
use encoding_rs::Encoding;

use super::{Error, Kind};
use crate::Response;
#[cfg(feature = "charset")]
use crate::sys::http::media_type::charset;
pub use crate::url::FinalUrl;

/// Extension methods for responses from an upstream.
///
/// # Examples
///
/// ```
/// use wayside::client::{self, ResponseExt as _};
///
/// async fn handle() -> Result<String, wayside::Error> {
///     let response = client::get("https://api.example.org/").await?.error_for_status()?;
///     Ok(response.into_body().text().await?)
/// }
/// ```
pub trait ResponseExt: Sized {
    /// Returns the response unless its status is 4xx or 5xx.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::is_status`] if the status is 4xx or 5xx. [`Error::status`] returns that status, and
    /// [`Error::method`] and [`Error::url`] the request.
    fn error_for_status(self) -> Result<Self, Error>;

    /// Returns the URL of the response after all redirects. The URL is stored in the body, so it is lost if the body is
    /// replaced.
    ///
    /// Returns `None` for a response of [`send`](super::send), which follows no redirects; only a
    /// [`Client`](super::Client) stores the URL.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::client::{self, ResponseExt as _};
    /// use wayside::test::{self, Call, Mock};
    /// use wayside::StatusCode;
    ///
    /// let mock = Mock::new()
    ///     .reply(Call::get("http://old.example/"), |_| (StatusCode::FOUND, [("location", "http://new.example/")], ""))
    ///     .reply(Call::get("http://new.example/"), |_| "here");
    /// let _upstream = test::outbound(mock);
    /// let response = client::get("http://old.example/").await?;
    /// assert_eq!(response.final_url().unwrap().uri(), "http://new.example/");
    /// # Ok::<(), wayside::Error>(()) }).unwrap();
    /// ```
    fn final_url(&self) -> Option<&FinalUrl>;

    /// Reads the body as text in the charset that the `content-type` names (WHATWG Encoding). Without a charset, and
    /// for a charset of UTF-8, that is UTF-8. A byte order mark takes precedence. Needs the feature `charset`.
    ///
    /// [`Body::text`](crate::Body::text) reads UTF-8 only, whatever the `content-type`.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off, and with [`is_decode`](crate::body::Error::is_decode) if the charset is unknown or
    /// the body is not valid in it.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::client::ResponseExt as _;
    /// use wayside::IntoResponse as _;
    ///
    /// let response = ([("content-type", "text/plain; charset=iso-8859-1")], &b"caf\xe9"[..]).into_response();
    /// assert_eq!(response.text().await.unwrap(), "caf\u{e9}");
    /// # });
    /// ```
    #[cfg(feature = "charset")]
    fn text(self) -> impl Future<Output = Result<String, crate::body::Error>> + Send;
}

impl ResponseExt for Response {
    fn error_for_status(self) -> Result<Self, Error> {
        if self.status().is_client_error() || self.status().is_server_error() {
            let error = Error::new(Kind::Status, format!("the server answered {}", self.status()));
            let error = error.with_status(self.status());
            return Err(match self.body().url() {
                Some(FinalUrl { url, method }) => error.with_target(method, &url.uri),
                None => error,
            });
        }
        Ok(self)
    }

    fn final_url(&self) -> Option<&FinalUrl> {
        self.body().url()
    }

    #[cfg(feature = "charset")]
    async fn text(self) -> Result<String, crate::body::Error> {
        let charset = charset(self.headers()).unwrap_or_else(|| b"utf-8".to_vec());
        let name = || String::from_utf8_lossy(&charset).into_owned();
        let encoding = Encoding::for_label(&charset).ok_or_else(|| crate::body::Error::charset(name(), false))?;
        let body = self.into_body().bytes().await?;
        match encoding.decode(&body) {
            (text, _, false) => Ok(text.into_owned()),
            (_, read_as, true) => Err(crate::body::Error::charset(read_as.name().to_owned(), true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use super::*;
    use crate::client;
    use crate::test::{self, Call, Mock};

    #[test]
    fn the_error_for_a_status_names_the_last_request_without_its_credentials() {
        let mock = Mock::new()
            .reply(Call::post("http://a.test/old"), |_| (StatusCode::SEE_OTHER, [("location", "/new")], ""))
            .reply(Call::get("http://a.test/new"), |_| StatusCode::SERVICE_UNAVAILABLE);
        let _upstream = test::outbound(mock);
        let response = test::block_on(client::Client::new().post("http://u:p@a.test/old").send()).unwrap();
        let error = response.error_for_status().unwrap_err();
        assert_eq!(error.to_string(), "GET http://a.test/new: the server answered 503 Service Unavailable");
        assert_eq!((error.method(), error.url()), (Some(&Method::GET), Some("http://a.test/new")));
        assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert!(error.is_transient());
    }

    #[test]
    fn a_response_of_no_client_has_an_error_without_a_request() {
        let error = crate::IntoResponse::into_response(StatusCode::NOT_FOUND).error_for_status().unwrap_err();
        assert_eq!(error.to_string(), "the server answered 404 Not Found");
        assert!(error.method().is_none() && !error.is_transient());
    }

    #[cfg(feature = "charset")]
    #[test]
    fn text_is_read_in_its_charset() {
        use crate::IntoResponse as _;

        let read = |content_type: &str, body: &'static [u8]| {
            let response = ([("content-type", content_type)], body).into_response();
            test::block_on(response.text()).map_err(|error| {
                assert!(error.is_decode());
                error.to_string()
            })
        };
        assert_eq!(read("text/plain", "caf\u{e9}".as_bytes()).unwrap(), "caf\u{e9}");
        assert_eq!(read("text/plain; charset=Latin1", b"caf\xe9 \x80").unwrap(), "caf\u{e9} \u{20ac}");
        assert_eq!(read("text/plain; charset=\"Shift_JIS\"", b"\x83\x65").unwrap(), "\u{30c6}");
        assert_eq!(read("text/plain; charset=latin1", b"\xef\xbb\xbfcaf\xc3\xa9").unwrap(), "caf\u{e9}");
        assert_eq!(read("text/plain", b"caf\xe9").unwrap_err(), "the body is not valid in its charset `UTF-8`");
        assert_eq!(
            read("text/plain; charset=klingon", b"x").unwrap_err(),
            "the charset `klingon` of the body is unknown"
        );
    }
}
