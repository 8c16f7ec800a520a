//! Errors: the client gets a status and a sentence, stderr gets the cause.
//!
//! ```text
//! cargo run -- request examples/errors '/?n=7'
//! cargo run -- request examples/errors '/?n=seven'
//! cargo run -- request examples/errors /
//! ```

use wayside::{Error, StatusCode, Uri, http_component};

#[http_component]
fn handle(uri: Uri) -> Result<String, Error> {
    let number = uri.query().and_then(|query| query.strip_prefix("n="));
    // An error with a message for the client.
    let number = number.ok_or_else(|| Error::new(StatusCode::BAD_REQUEST, "the query has no n"))?;
    // Any other error: its text stays inside, and the client gets a 500.
    let number: u32 = number.parse()?;
    Ok(format!("{}\n", number * 2))
}

#[cfg(test)]
mod tests {
    use wayside::{StatusCode, Uri};

    fn status(uri: &'static str) -> StatusCode {
        super::handle(Uri::from_static(uri)).map_or_else(|error| error.status(), |_| StatusCode::OK)
    }

    #[test]
    fn each_error_has_its_status() {
        assert_eq!(status("/?n=7"), StatusCode::OK);
        assert_eq!(status("/"), StatusCode::BAD_REQUEST);
        assert_eq!(status("/?n=seven"), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
