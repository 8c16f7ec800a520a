//! Forms with files for the example `multipart`, which returns the name and the length of each part.

use std::time::Duration;

use http_body_util::StreamBody;
use wayside_harness::bytes::Bytes;
use wayside_harness::http::Request;
use wayside_harness::http_body::Frame;
use wayside_harness::{Body, Harness, Limits};

use super::fixture::{Wire, example, text_of};

const MIB: usize = 1024 * 1024;

/// Returns the response to a form whose boundary is `cut`.
async fn answer(app: &Harness, body: impl Into<Body>) -> (u16, String) {
    let request = Request::post("/").header("content-type", "multipart/form-data; boundary=cut").body(body.into());
    text_of(app, request.unwrap()).await
}

/// Returns the response to a form with one part, which has this `content-disposition`.
async fn named(disposition: &str) -> (u16, String) {
    let app = example("multipart").await.unwrap();
    // One byte per character, so that a name can be Latin-1.
    let head: Vec<u8> = disposition.chars().map(|character| character as u8).collect();
    let form = [b"--cut\r\nContent-Disposition: ", &head[..], b"\r\n\r\none\r\n--cut--\r\n"].concat();
    answer(&app, form).await
}

/// Returns a form with one file of this many pieces.
fn file_of(pieces: usize, piece: Bytes) -> Body {
    let head = Bytes::from_static(b"--cut\r\ncontent-disposition: form-data; name=f; filename=big\r\n\r\n");
    let tail = Bytes::from_static(b"\r\n--cut--\r\n");
    let pieces = std::iter::once(head).chain(std::iter::repeat_n(piece, pieces)).chain([tail]);
    Body::new(StreamBody::new(futures_util::stream::iter(
        pieces.map(|piece| Ok::<_, std::io::Error>(Frame::data(piece))),
    )))
}

#[tokio::test]
async fn a_part_of_600_mb_is_read_within_16_mib_of_memory() {
    // The time limit is long, because a busy machine needs long for 600 MB.
    let limits = Limits::default().memory_bytes(16 * MIB).timeout(Duration::from_secs(600));
    let app = example("multipart").limits(limits).await.unwrap();
    let answered = answer(&app, file_of(10_000, Bytes::from(vec![b'x'; 60_000]))).await;
    app.idle().await;
    assert!(app.traps().is_empty(), "{:?}", app.traps());
    assert_eq!(answered, (200, "f: file big, 600000000 bytes\n".to_owned()));
    assert!(app.memory() < 4 * MIB, "the component took {} bytes", app.memory());
}

#[tokio::test]
async fn a_part_that_looks_like_delimiters_is_read_in_little_memory() {
    let app = example("multipart").limits(Limits::default().timeout(Duration::from_secs(600))).await.unwrap();
    for piece in [&b"\r\n--cu"[..], b"\r\n--cutter", b"\r", b"\r\n--cut \t \tx"] {
        let piece = Bytes::from(piece.repeat(4096));
        let answered = answer(&app, file_of(200, piece.clone())).await;
        assert_eq!(answered, (200, format!("f: file big, {} bytes\n", 200 * piece.len())));
    }
    assert!(app.memory() < 4 * MIB, "the component took {} bytes", app.memory());
}

#[tokio::test]
async fn a_parameter_within_quotes_is_none() {
    let (_, text) = named(r#"form-data; filename="x; name=evil; y"; name="real""#).await;
    assert_eq!(text, "real: file x; name=evil; y, 3 bytes\n");
}

#[tokio::test]
async fn the_plain_name_of_a_file_wins_over_the_extended_one() {
    let (_, text) = named("form-data; name=a; filename*=UTF-8''%e2%82%ac.txt; filename=\"eur.txt\"").await;
    assert_eq!(text, "a: file eur.txt, 3 bytes\n");
    let (_, text) = named("form-data; name=a; filename*=UTF-8''%e2%82%ac.txt").await;
    assert_eq!(text, "a: file \u{20ac}.txt, 3 bytes\n");
}

#[tokio::test]
async fn parameters_have_names_in_any_case_and_values_in_latin_1() {
    let (_, text) = named("FORM-DATA; Name=\"caf\u{e9}\"; FileName=\"\u{fc}.txt\"").await;
    assert_eq!(text, "caf\u{e9}: file \u{fc}.txt, 3 bytes\n");
}

#[tokio::test]
async fn escapes_of_names_are_taken_back() {
    let (_, text) = named(r#"form-data; name="a\"b\\c"; filename="x%22y%0D%0Az%20""#).await;
    assert_eq!(text, "a\"b\\c: file x\"y\r\nz%20, 3 bytes\n");
}

#[tokio::test]
async fn a_form_without_its_last_delimiter_is_400() {
    let app = example("multipart").await.unwrap();
    for form in [
        "--cut\r\ncontent-disposition: form-data; name=a\r\n\r\none\r\n",
        "--cut\r\ncontent-disposition: form-data; name=a\r\n\r\none\r\n--cut\r\n",
        "--cut\r\ncontent-disposition: form-data; name=a\r\n",
        "--cut\ncontent-disposition: form-data; name=a\n\none\n--cut--\n",
        "",
    ] {
        let (status, text) = answer(&app, form).await;
        assert_eq!(status, 400, "{form:?}: {text}");
        assert!(text.contains("the request body is not a valid form"), "{text}");
    }
}

#[tokio::test]
async fn headers_of_a_part_have_a_limit() {
    let app = example("multipart").await.unwrap();
    let form = |length| format!("--cut\r\nx-long: {}\r\n\r\none\r\n--cut--\r\n", "v".repeat(length));
    assert_eq!(answer(&app, form(16_000)).await, (200, "no name: text, 3 bytes\n".to_owned()));
    assert_eq!(answer(&app, form(16 * 1024)).await.0, 400);
}

#[tokio::test]
async fn a_boundary_has_1_to_70_characters() {
    let app = example("multipart").await.unwrap();
    for (length, expected) in [(0, 400), (1, 200), (70, 200), (71, 400)] {
        let boundary = "b".repeat(length);
        let form = format!("--{boundary}\r\n\r\none\r\n--{boundary}--\r\n");
        let request =
            Request::post("/").header("content-type", format!("multipart/form-data; boundary=\"{boundary}\""));
        assert_eq!(text_of(&app, request.body(form.into()).unwrap()).await.0, expected, "{length}");
    }
}

#[tokio::test]
async fn a_form_may_come_in_any_pieces() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let server = example("multipart").await.unwrap().serve("127.0.0.1:0").await.unwrap();
    let form = "before\r\n--cut \r\ncontent-disposition: form-data; name=a\r\n\r\no\r\n--cutter\r\n--cut\r\n\r\n\r\n--cut--\t\r\nafter";
    let head = "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                content-type: multipart/form-data; boundary=\"cut\"\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in form.bytes() {
        stream.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(Wire::parse(&all).whole_text(), "a: text, 11 bytes\nno name: text, 0 bytes\n");
}
