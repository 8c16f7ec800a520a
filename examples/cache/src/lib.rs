//! Middleware that caches small responses.
//!
//! It is a shared cache: `policy.rs` decides which responses it may store and reuse, and for how long. It never
//! revalidates, so it does not store responses that demand it.
//!
//! The cache is lost with its instance, so instances must be reused:
//!
//! ```text
//! cargo run -- serve examples/hello --middleware examples/cache --reuse 1000
//! ```

mod policy;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wayside::http::header::{AGE, AUTHORIZATION};
use wayside::http_body::Body as _;
use wayside::middleware::Next;
use wayside::{
    Bytes, Error, HeaderMap, HeaderValue, IntoResponse, Request, Response, StatusCode, Uri, http_middleware,
};

/// The responses by URL. Those to one URL differ in the requests that select them.
static ANSWERS: LazyLock<Mutex<HashMap<String, Vec<Stored>>>> = LazyLock::new(Mutex::default);

const MAX_URLS: usize = 1000;
const MAX_PER_URL: usize = 10;
const MAX_BYTES: u64 = 64 * 1024;

/// A reusable response.
struct Stored {
    selection: policy::Selection,
    headers: HeaderMap,
    body: Bytes,
    lifetime: Duration,
    age_on_arrival: Duration,
    arrived: Instant,
}

#[http_middleware]
async fn cache(req: Request, next: Next) -> Result<Response, Error> {
    let key = key(req.uri());
    let asked = policy::asked(req.method(), req.headers());
    if asked.reads
        && let Some(response) = stored(&key, req.headers())
    {
        return Ok(response);
    }
    if asked.only_stored {
        return Ok(StatusCode::GATEWAY_TIMEOUT.into_response());
    }
    let (is_safe, headers, sent) = (req.method().is_safe(), req.headers().clone(), Instant::now());
    let response = next.run(req).await;
    if asked.stores {
        return store(key, &headers, sent, response).await;
    }
    // An unsafe request invalidates the stored response (section 4.4).
    if !is_safe && (response.status().is_success() || response.status().is_redirection()) {
        answers().remove(&key);
    }
    Ok(response)
}

/// Returns the URL with scheme, host and port: other hosts have other responses.
fn key(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{host}:{port}{path}")
}

/// Finds a fresh stored response to a request.
fn stored(key: &str, request: &HeaderMap) -> Option<Response> {
    let answers = answers();
    let stored = answers.get(key)?.iter().find(|stored| policy::selects(request, &stored.selection))?;
    let age = stored.age();
    let is_for_client = !request.contains_key(AUTHORIZATION) || policy::is_for_authorized(&stored.headers);
    if !is_for_client || !policy::is_fresh(age, stored.lifetime, request) {
        return None;
    }
    let mut headers = stored.headers.clone();
    headers.insert(AGE, HeaderValue::from(age.as_secs()));
    headers.insert("x-cache", HeaderValue::from_static("hit"));
    Some((headers, stored.body.clone()).into_response())
}

/// Passes a response on, and stores it if it may be reused.
async fn store(key: String, request: &HeaderMap, sent: Instant, response: Response) -> Result<Response, Error> {
    let is_small = response.body().size_hint().upper().is_some_and(|bytes| bytes <= MAX_BYTES);
    let lifetime = policy::lifetime(request, response.status(), response.headers());
    let selection = policy::selection(response.headers(), request);
    let (true, Some(lifetime), Some(selection)) = (is_small, lifetime, selection) else {
        return Ok(response);
    };
    let arrived = Instant::now();
    let (parts, body) = response.into_parts();
    let body = body.bytes().await?;
    let stored = Stored {
        selection,
        headers: parts.headers.clone(),
        body: body.clone(),
        lifetime,
        age_on_arrival: policy::age_on_arrival(&parts.headers, arrived - sent),
        arrived,
    };
    let mut answers = answers();
    if answers.len() >= MAX_URLS {
        answers.retain(|_, stored| stored.iter().any(|stored| stored.age() < stored.lifetime));
    }
    if answers.len() < MAX_URLS || answers.contains_key(&key) {
        let of_url = answers.entry(key).or_default();
        of_url.retain(|other| other.age() < other.lifetime && !policy::selects(request, &other.selection));
        if of_url.len() < MAX_PER_URL {
            of_url.push(stored);
        }
    }
    Ok(Response::from_parts(parts, body.into()))
}

impl Stored {
    fn age(&self) -> Duration {
        self.age_on_arrival.saturating_add(self.arrived.elapsed())
    }
}

fn answers() -> MutexGuard<'static, HashMap<String, Vec<Stored>>> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use wayside::middleware::Next;
    use wayside::{Body, Request, Response, test};

    /// Sends requests through the cache, each `METHOD URL NAME: VALUE`, to a server that responds with these headers.
    /// Returns which of them reached the server, and the last response.
    fn reached(answer: &'static [(&'static str, &'static str)], requests: &[&str]) -> (Vec<bool>, Response) {
        let count = Arc::new(AtomicU32::new(0));
        let mut last = Response::default();
        let reached = requests.iter().map(|request| {
            let mut words = request.splitn(3, ' ');
            let (method, url) = (words.next().unwrap(), words.next().unwrap());
            let mut request = Request::builder().method(method).uri(url);
            if let Some((name, value)) = words.next().and_then(|header| header.split_once(": ")) {
                request = request.header(name, value);
            }
            let asked = Arc::clone(&count);
            let next = Next::from_fn(move |_| {
                asked.fetch_add(1, Ordering::Relaxed);
                async move {
                    let mut response = Response::new(Body::from("an answer"));
                    for (name, value) in answer {
                        response.headers_mut().append(*name, value.parse().unwrap());
                    }
                    response
                }
            });
            let before = count.load(Ordering::Relaxed);
            last = test::block_on(super::cache(request.body("".into()).unwrap(), next)).unwrap();
            count.load(Ordering::Relaxed) > before
        });
        (reached.collect(), last)
    }

    #[test]
    fn the_second_answer_asks_nobody() {
        let (reached, last) = reached(&[], &["GET http://a.test/twice", "GET http://a.test/twice"]);
        assert_eq!(reached, [true, false]);
        assert_eq!(last.headers()["x-cache"], "hit");
        assert_eq!(test::block_on(last.into_body().text()).unwrap(), "an answer");
    }

    #[test]
    fn hosts_and_schemes_have_answers_of_their_own() {
        let requests = [
            "GET http://a.test/host",
            "GET http://b.test/host",
            "GET https://a.test/host",
            "GET http://A.test:80/host",
        ];
        assert_eq!(reached(&[], &requests).0, [true, true, true, false]);
    }

    #[test]
    fn an_answer_has_its_age() {
        let answer = &[("age", "50"), ("cache-control", "max-age=1000")];
        let (_, last) = reached(answer, &["GET http://a.test/age", "GET http://a.test/age"]);
        let age: u64 = last.headers()["age"].to_str().unwrap().parse().unwrap();
        assert!((50..1000).contains(&age), "{age}");
        assert_eq!(last.headers().get_all("age").iter().count(), 1);
        let stale = &[("age", "1000"), ("cache-control", "max-age=1000")];
        assert_eq!(reached(stale, &["GET http://a.test/old", "GET http://a.test/old"]).0, [true, true]);
    }

    #[test]
    fn answers_are_told_apart_by_what_they_vary_by() {
        let requests = [
            "GET http://a.test/vary accept-language: de",
            "GET http://a.test/vary accept-language: en",
            "GET http://a.test/vary accept-language: de",
            "GET http://a.test/vary",
            "GET http://a.test/vary accept-language: en",
        ];
        assert_eq!(reached(&[("vary", "accept-language")], &requests).0, [true, true, false, true, false]);
    }

    #[test]
    fn what_is_for_one_client_asks_each_time() {
        for (number, answer) in [
            &[("cache-control", "private")][..],
            &[("cache-control", "no-store")],
            &[("cache-control", "no-cache")],
            &[("set-cookie", "a=1")],
            &[("vary", "*")],
        ]
        .into_iter()
        .enumerate()
        {
            let request = format!("GET http://a.test/one/{number}");
            assert_eq!(reached(answer, &[&request, &request]).0, [true, true], "{answer:?}");
        }
    }

    #[test]
    fn credentials_get_only_what_is_for_them() {
        let requests = ["GET http://a.test/auth", "GET http://a.test/auth authorization: Bearer a"];
        assert_eq!(reached(&[], &requests).0, [true, true]);
        let requests = ["GET http://a.test/auth/2 authorization: Bearer a", "GET http://a.test/auth/2"];
        assert_eq!(reached(&[("cache-control", "max-age=10")], &requests).0, [true, true]);
        let requests = ["GET http://a.test/auth/3 authorization: Bearer a", "GET http://a.test/auth/3"];
        assert_eq!(reached(&[("cache-control", "public")], &requests).0, [true, false]);
    }

    #[test]
    fn a_request_that_wants_no_stored_answer_gets_none() {
        let requests = [
            "GET http://a.test/fresh",
            "GET http://a.test/fresh cache-control: no-cache",
            "GET http://a.test/fresh cache-control: only-if-cached",
        ];
        assert_eq!(reached(&[], &requests).0, [true, true, false]);
        let (reached, last) = reached(&[], &["GET http://a.test/none cache-control: only-if-cached"]);
        assert_eq!((reached, last.status().as_u16()), (vec![false], 504));
    }

    #[test]
    fn a_change_drops_what_was_stored() {
        let requests = ["GET http://a.test/change", "POST http://a.test/change", "GET http://a.test/change"];
        assert_eq!(reached(&[], &requests).0, [true, true, true]);
    }
}
