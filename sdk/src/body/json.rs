//! Bodies as JSON documents.

use serde::de::DeserializeOwned;

use super::{Body, Error};

impl Body {
    /// Reads the whole body as a JSON document. Needs the feature `json`.
    ///
    /// # Errors
    ///
    /// Fails like [`bytes`](Body::bytes), and with [`Error::is_decode`] if the body is no such document.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let of_response = self.of_response;
        serde_json::from_slice(&self.bytes().await?).map_err(|error| Error::json(error).of_response(of_response))
    }
}
