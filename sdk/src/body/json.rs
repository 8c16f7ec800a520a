//! Bodies as JSON documents.

use serde::de::DeserializeOwned;

use super::{Body, Error};

impl Body {
    /// Reads the whole body as a JSON document. Needs the feature `json`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`bytes`](Body::bytes), and an error with [`Error::is_decode`] if the body is not JSON that
    /// matches `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// let numbers: Vec<u32> = Body::from("[1, 2]").json().await?;
    /// assert_eq!(numbers, [1, 2]);
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let of_response = self.of_response;
        serde_json::from_slice(&self.bytes().await?).map_err(|error| Error::json(error).of_response(of_response))
    }
}
