//! What a response is asked.

use super::{Error, Kind};
use crate::Response;

/// Turns responses with an error status into errors.
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
    /// Fails with [`Error::is_status`] if the status is 4xx or 5xx.
    ///
    /// # Errors
    ///
    /// See above; the error names the status.
    fn error_for_status(self) -> Result<Self, Error>;
}

impl ResponseExt for Response {
    fn error_for_status(self) -> Result<Self, Error> {
        if self.status().is_client_error() || self.status().is_server_error() {
            return Err(Error::new(Kind::Status, format!("the server answered {}", self.status())));
        }
        Ok(self)
    }
}
