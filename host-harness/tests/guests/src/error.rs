//! Returns an error of the standard library with `?`.

use std::fs;

use wayside::{Error, Request};

pub(crate) async fn handle(_: Request) -> Result<String, Error> {
    Ok(fs::read_to_string("/etc/secret-place")?)
}
