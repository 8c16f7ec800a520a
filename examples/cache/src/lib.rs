//! Middleware that remembers small answers, and gives them again without asking anybody.
//!
//! What it remembers is gone with its instance, so instances must be used again:
//!
//! ```text
//! cargo run -- serve examples/hello --middleware examples/cache --reuse 1000
//! ```

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use wayside::http::header::{AUTHORIZATION, COOKIE};
use wayside::http_body::Body as _;
use wayside::middleware::Next;
use wayside::{Bytes, Error, HeaderMap, IntoResponse, Method, Request, Response, StatusCode, http_middleware};

/// The answers to GET, by path and query.
static ANSWERS: LazyLock<Mutex<HashMap<String, (HeaderMap, Bytes)>>> = LazyLock::new(Mutex::default);

const MOST_ANSWERS: usize = 1000;
const MOST_BYTES: u64 = 64 * 1024;

#[http_middleware]
async fn cache(req: Request, next: Next) -> Result<Response, Error> {
    let is_for_all = !req.headers().contains_key(AUTHORIZATION) && !req.headers().contains_key(COOKIE);
    let key = match req.uri().path_and_query() {
        Some(path) if req.method() == Method::GET && is_for_all => path.to_string(),
        _ => return Ok(next.run(req).await),
    };
    if let Some((headers, bytes)) = answers().get(&key) {
        return Ok((headers.clone(), ([("x-cache", "hit")], bytes.clone())).into_response());
    }
    let response = next.run(req).await;
    let is_small = response.body().size_hint().upper().is_some_and(|bytes| bytes <= MOST_BYTES);
    if response.status() != StatusCode::OK || !is_small {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = body.bytes().await?;
    let mut answers = answers();
    if answers.len() < MOST_ANSWERS {
        answers.insert(key, (parts.headers.clone(), bytes.clone()));
    }
    Ok(Response::from_parts(parts, bytes.into()))
}

fn answers() -> std::sync::MutexGuard<'static, HashMap<String, (HeaderMap, Bytes)>> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use wayside::middleware::Next;
    use wayside::{Request, test};

    static ASKED: AtomicU32 = AtomicU32::new(0);

    #[test]
    fn the_second_answer_asks_nobody() {
        for _ in 0..2 {
            let next = Next::from_fn(async |_| {
                ASKED.fetch_add(1, Ordering::Relaxed);
                "an answer"
            });
            let request = Request::get("http://example.org/a").body("".into()).unwrap();
            let text =
                test::block_on(async { super::cache(request, next).await.unwrap().into_body().text().await.unwrap() });
            assert_eq!(text, "an answer");
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    }
}
