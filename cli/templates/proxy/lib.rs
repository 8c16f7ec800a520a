//! The handler passes the request on, whole, and answers with what comes back.

use wayside::http::uri::{PathAndQuery, Uri};
use wayside::{Error, Request, Response, StatusCode, client, http_component};

#[http_component]
async fn handle(req: Request) -> Result<Response, Error> {
    let upstream = std::env::var("UPSTREAM").map_err(|_| {
        Error::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the environment variable UPSTREAM is not set",
        )
    })?;
    forward(req, &upstream).await
}

async fn forward(mut req: Request, upstream: &str) -> Result<Response, Error> {
    let path = req.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    *req.uri_mut() = Uri::try_from(format!("{}{path}", upstream.trim_end_matches('/')))?;
    Ok(client::send(req).await?)
}

#[cfg(test)]
mod tests {
    use wayside::{Request, test};

    #[wayside::test]
    async fn path_and_body_reach_the_upstream() {
        let _upstream = test::outbound(|request: Request| async move {
            assert_eq!(request.uri(), "http://upstream.example/path?q=1");
            format!("upstream got {}", request.into_body().text().await.unwrap())
        });
        let request = Request::post("http://front.example/path?q=1")
            .body("hello".into())
            .unwrap();
        let response = super::forward(request, "http://upstream.example/")
            .await
            .unwrap();
        assert_eq!(
            response.into_body().text().await.unwrap(),
            "upstream got hello"
        );
    }
}
