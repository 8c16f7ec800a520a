//! Time limits of outbound calls.

use wayside_harness::http::{Request, Response};
use wayside_harness::{Body, Outbound, Timeouts};

use super::super::fixture::{Upstream, get};
use super::{call, stalling, within};

#[tokio::test]
async fn a_server_that_stays_silent_runs_into_the_deadline() {
    let upstream = stalling("").await;
    let text = within("/deadline/100", &upstream.url).await;
    assert!(text.starts_with("head: timeout=true"), "{text}");
    assert!(text.ends_with(": no response in time\n"), "{text}");
}

#[tokio::test]
async fn a_tls_handshake_that_hangs_runs_into_the_deadline() {
    let upstream = stalling("").await;
    let text = within("/deadline/100", &upstream.url.replace("http:", "https:")).await;
    assert!(text.starts_with("head: timeout=true"), "{text}");
}

#[tokio::test]
async fn a_body_that_stalls_runs_into_the_deadline() {
    let upstream = stalling("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    let text = within("/deadline/200", &upstream.url).await;
    assert_eq!(text, "body: timeout=true incomplete=false: the exchange took too long; 5 bytes had arrived\n");
}

#[tokio::test]
async fn a_limit_for_connecting_is_kept_by_the_host_and_holds_for_tls() {
    let upstream = stalling("").await;
    let text = within("/deadline/100?connect", &upstream.url.replace("http:", "https:")).await;
    assert!(text.starts_with("head: timeout=true"), "{text}");
    assert!(text.ends_with(": the connection timed out\n"), "{text}");
}

#[tokio::test]
async fn the_limits_of_a_client_reach_whoever_answers_its_calls() {
    let limit = Some(std::time::Duration::from_millis(250));
    for (part, limits) in [
        ("connect", Timeouts { connect: limit, ..Timeouts::default() }),
        ("first", Timeouts { first_byte: limit, ..Timeouts::default() }),
        ("pause", Timeouts { between_bytes: limit, ..Timeouts::default() }),
    ] {
        let outbound = Outbound::from_fn(move |request: Request<Body>| async move {
            assert_eq!(request.extensions().get(), Some(&limits));
            Ok(Response::new("fine".into()))
        });
        let text = call("http://made-up.test", outbound, get(&format!("/deadline/250?{part}"))).await;
        assert_eq!(text, "4 bytes\n");
    }
}

#[tokio::test]
async fn a_limit_for_the_first_byte_is_kept_by_the_host() {
    let upstream = stalling("").await;
    let text = within("/deadline/100?first", &upstream.url).await;
    assert!(text.starts_with("head: timeout=true"), "{text}");
}

#[tokio::test]
async fn a_limit_for_pauses_is_kept_by_the_host() {
    let upstream = stalling("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    let text = within("/deadline/100?pause", &upstream.url).await;
    assert!(text.starts_with("body: timeout=false incomplete=true"), "{text}");
}

#[tokio::test]
async fn an_exchange_within_its_limit_is_whole() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
    assert_eq!(within("/deadline/60000", &upstream.url).await, "5 bytes\n");
}
