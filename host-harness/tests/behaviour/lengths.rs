//! Lengths, statuses and bodies: what a response says of its body is true.

use super::fixture::{Wire, is_wasip3, guests, wire_get};

#[tokio::test]
async fn a_known_length_is_sent() {
    let (wire, _) = wire_get("/status/200").await;
    assert_eq!(wire.field("content-length"), ["6"]);
    assert!(wire.field("transfer-encoding").is_empty());
    assert_eq!(wire.whole_text(), "a body");
}

#[tokio::test]
async fn an_unknown_length_is_chunked() {
    let (wire, _) = wire_get("/channel").await;
    assert_eq!(wire.field("transfer-encoding"), ["chunked"]);
    assert!(wire.field("content-length").is_empty());
    assert_eq!(wire.whole_text(), "one two three");
}

#[tokio::test]
async fn an_empty_body_has_content_length_zero() {
    let (wire, _) = wire_get("/field-bytes").await;
    assert_eq!(wire.field("content-length"), ["0"]);
    assert!(wire.rest.is_empty());
}

#[tokio::test]
async fn a_204_has_neither_body_nor_length() {
    let (wire, app) = wire_get("/status/204").await;
    assert_eq!(wire.status, 204);
    assert!(wire.field("content-length").is_empty());
    assert!(wire.field("transfer-encoding").is_empty());
    assert!(wire.rest.is_empty());
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_304_has_no_body() {
    let (wire, app) = wire_get("/status/304").await;
    assert_eq!(wire.status, 304);
    assert!(wire.rest.is_empty());
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_body() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, "HEAD /status/200 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(wire.status, 200);
    assert_eq!(wire.field("content-length"), ["6"]);
    assert!(wire.rest.is_empty());
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_head_request_never_runs_a_stream() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let wire = Wire::exchange(&server, "HEAD /body-fails HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(wire.status, 200);
    assert!(wire.rest.is_empty());
    app.idle().await;
    assert_eq!(app.log_text(), "");
}

#[tokio::test]
async fn an_interim_status_becomes_500_and_a_log_line() {
    for status in [100, 101, 103] {
        let (wire, app) = wire_get(&format!("/status/{status}")).await;
        assert_eq!(wire.status, 500);
        assert!(app.log_text().contains(&format!("GET /status/{status}: ")), "{}", app.log_text());
        assert!(app.log_text().contains("interim status"), "{}", app.log_text());
    }
}

#[tokio::test]
async fn a_status_beyond_the_registered_ones_is_sent() {
    for status in [299, 599] {
        let (wire, _) = wire_get(&format!("/status/{status}")).await;
        assert_eq!((wire.status, wire.whole_text().as_str()), (status, "a body"));
    }
    let (wire, app) = wire_get("/status/999").await;
    if is_wasip3() {
        // wasmtime takes what RFC 9110, section 15, has classes for, and refuses the others.
        assert_eq!(wire.status, 500);
        assert!(app.log_text().contains("the host refused the status 999"), "{}", app.log_text());
    } else {
        assert_eq!((wire.status, wire.whole_text().as_str()), (999, "a body"));
    }
}

#[tokio::test]
async fn the_right_content_length_is_kept() {
    for path in ["/length/10", "/length/10?stream"] {
        let (wire, _) = wire_get(path).await;
        assert_eq!(wire.field("content-length"), ["10"], "{path}");
        assert_eq!(wire.whole_text(), "0123456789", "{path}");
    }
}

#[tokio::test]
async fn an_incoming_body_of_known_length_keeps_it_when_it_is_sent_back() {
    let app = guests().await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "POST /back HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.field("content-length"), ["5"]);
    assert_eq!(wire.whole_text(), "hello");
}

#[tokio::test]
async fn a_wrong_content_length_on_known_bytes_is_500_and_names_both_numbers() {
    for length in ["9", "11"] {
        let (wire, app) = wire_get(&format!("/length/{length}")).await;
        assert_eq!(wire.status, 500);
        let expected = format!("content-length {length} on a body of 10 bytes");
        assert!(app.log_text().contains(&expected), "{}", app.log_text());
    }
}

#[tokio::test]
async fn a_content_length_that_is_no_number_is_500() {
    for length in ["+5", "ten", "5%2C5"] {
        let (wire, app) = wire_get(&format!("/length/{length}")).await;
        assert_eq!(wire.status, 500, "{length}");
        assert!(app.log_text().contains("is not a number of bytes"), "{}", app.log_text());
    }
}

#[tokio::test]
async fn a_stream_shorter_than_its_content_length_is_cut() {
    let (wire, app) = wire_get("/length/11?stream").await;
    assert_eq!(wire.cut_text(), "0123456789");
    assert!(app.log_text().contains("1 bytes shorter than its content-length"), "{}", app.log_text());
}

#[tokio::test]
async fn a_stream_longer_than_its_content_length_is_cut() {
    let (wire, app) = wire_get("/length/9?stream").await;
    assert_eq!(wire.cut_text(), "01234");
    assert!(app.log_text().contains("longer than its content-length"), "{}", app.log_text());
}

#[tokio::test]
async fn a_body_taken_by_itself_knows_its_length() {
    let app = super::fixture::example("echo").await.unwrap();
    let server = app.serve("127.0.0.1:0").await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    let wire = Wire::exchange(&server, request).await;
    assert_eq!(wire.field("content-length"), ["5"]);
    assert_eq!(wire.whole_text(), "hello");
}
