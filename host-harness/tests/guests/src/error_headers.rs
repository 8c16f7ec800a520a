//! Returns an error with headers, including one that only the host may set.

use wayside::{Error, Request, StatusCode};

pub(crate) async fn handle(_: Request) -> Result<String, Error> {
    Err(Error::new(StatusCode::UNAUTHORIZED, "a token is needed")
        .with_header("www-authenticate", "Basic realm=\"a\"")
        .with_header("www-authenticate", "Bearer")
        .with_header("retry-after", 30)
        .with_header("transfer-encoding", "chunked"))
}
