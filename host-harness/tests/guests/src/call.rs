//! Calls `UPSTREAM` with the method and the body of the request, and reports the result.

use wayside::{Body, Request, client};

pub(crate) async fn handle(request: Request) -> String {
    let upstream = std::env::var("UPSTREAM").unwrap_or_default();
    let (parts, body) = request.into_parts();
    let mut request = Request::builder().method(parts.method).uri(&upstream);
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length") {
        request = request.header(name, value);
    }
    let request = match request.body(body) {
        Ok(request) => request,
        Err(error) => return format!("no request: {error}\n"),
    };
    match client::send(request).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            format!("status {}\n{}", parts.status.as_u16(), read(body).await)
        }
        Err(error) => format!("{}: {error}\n", kind(&error)),
    }
}

async fn read(mut body: Body) -> String {
    let mut received = 0;
    while let Some(chunk) = body.next_chunk().await {
        match chunk {
            Ok(chunk) => received += chunk.len(),
            Err(error) => return format!("{received} bytes, then incomplete={}: {error}\n", error.is_incomplete()),
        }
    }
    match body.trailers().await {
        Ok(Some(trailers)) => format!("{received} bytes, trailers {trailers:?}\n"),
        Ok(None) => format!("{received} bytes\n"),
        Err(error) => format!("{received} bytes, then no trailers: {error}\n"),
    }
}

fn kind(error: &client::Error) -> &'static str {
    let kinds = [
        (error.is_timeout(), "timeout"),
        (error.is_dns(), "dns"),
        (error.is_connect(), "connect"),
        (error.is_tls(), "tls"),
        (error.is_denied(), "denied"),
        (error.is_incomplete(), "incomplete"),
        (error.is_request(), "request"),
        (error.is_body(), "body"),
    ];
    kinds.into_iter().find_map(|(is, name)| is.then_some(name)).unwrap_or("other")
}
