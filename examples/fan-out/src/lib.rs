//! Calls three servers concurrently, which takes as long as the slowest, and joins their responses.
//!
//! ```text
//! cargo run -- serve examples/fan-out --env UPSTREAM=http://127.0.0.1:8000 --allow-outbound http://127.0.0.1:8000
//! ```

use futures_util::future::try_join3;
use wayside::{Error, StatusCode, client, http_component};

#[http_component]
async fn handle() -> Result<String, Error> {
    let upstream = std::env::var("UPSTREAM")
        .map_err(|_| Error::new(StatusCode::SERVICE_UNAVAILABLE, "the environment variable UPSTREAM is not set"))?;
    ask_three(&upstream).await
}

async fn ask_three(upstream: &str) -> Result<String, Error> {
    let ask = async |path: &str| -> Result<String, Error> {
        let response = client::get(format!("{upstream}{path}")).await?;
        Ok(response.into_body().text().await?)
    };
    let (one, two, three) = try_join3(ask("/one"), ask("/two"), ask("/three")).await?;
    Ok(format!("{one}\n{two}\n{three}\n"))
}

#[cfg(test)]
mod tests {
    use wayside::{Request, test};

    #[test]
    fn three_answers_become_one() {
        let _upstream = test::outbound(async |request: Request| format!("this is {}", request.uri().path()));
        let text = test::block_on(super::ask_three("http://upstream.example")).unwrap();
        assert_eq!(text, "this is /one\nthis is /two\nthis is /three\n");
    }
}
