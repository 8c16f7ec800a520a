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
    /// Fails with [`Error::is_status`] if the status is 4xx or 5xx. [`Error::status`] returns that status.
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
            return Err(error.with_status(self.status()));
        }
        Ok(self)
    }

    fn final_url(&self) -> Option<&FinalUrl> {
        self.body().url()
    }
}
