//! Extension methods for responses.

use super::{Error, Kind};
use crate::Response;
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
}
