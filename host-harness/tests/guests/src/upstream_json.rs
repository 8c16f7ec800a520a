//! Reads a JSON response from `UPSTREAM`, and returns any failure with `?`.

use wayside::{Error, Request, client};

pub(crate) async fn handle(_: Request) -> Result<String, Error> {
    let numbers: Vec<u32> = client::get(std::env::var("UPSTREAM")?).await?.into_body().json().await?;
    Ok(format!("{} numbers\n", numbers.len()))
}
