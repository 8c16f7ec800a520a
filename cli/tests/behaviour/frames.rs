//! An HTTP/2 client that sends and receives single frames.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::fixture::within;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

pub(crate) struct Frames(pub(crate) TcpStream);

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    fn is_of_response(&self) -> bool {
        self.stream > 0 && matches!(self.kind, DATA | HEADERS | RST_STREAM)
    }

    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// Returns the status of a response whose head is this frame. HPACK encodes seven statuses as an index, and all
    /// others as three digits.
    pub(crate) fn status(&self) -> u16 {
        assert_eq!(self.kind, HEADERS, "{self:?}");
        match self.payload[0] {
            index @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(index) - 0x88],
            // One byte is the index of `:status`. The digits follow, plain or in Huffman code.
            _ => huffman_digits(&self.payload[2..], self.payload[1]),
        }
    }
}

/// Decodes three digits, plain or in HPACK's Huffman code. The codes of 0, 1 and 2 have five bits, those of 3 to 9 have
/// six (RFC 7541, appendix B).
fn huffman_digits(bytes: &[u8], length: u8) -> u16 {
    let size = usize::from(length & 0x7f);
    if length & 0x80 == 0 {
        return std::str::from_utf8(&bytes[..size]).unwrap().parse().unwrap();
    }
    let bits: Vec<u8> = bytes[..size].iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut at, mut number) = (0, 0);
    let value =
        |range: std::ops::Range<usize>| bits[range].iter().fold(0_u16, |value, bit| value << 1 | u16::from(*bit));
    for _ in 0..3 {
        let short = value(at..at + 5);
        let digit = if short < 3 { short } else { value(at..at + 6) - 0x19 + 3 };
        at += if short < 3 { 5 } else { 6 };
        number = number * 10 + digit;
    }
    number
}

impl Frames {
    /// Connects. `window` is the number of bytes that the server may send of each response.
    pub(crate) async fn connect(addr: std::net::SocketAddr, window: u32) -> Self {
        let mut frames = Self(TcpStream::connect(addr).await.unwrap());
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        // The setting 4 is SETTINGS_INITIAL_WINDOW_SIZE.
        frames.send(SETTINGS, 0, 0, &[&[0, 4], &window.to_be_bytes()[..]].concat()).await;
        frames
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).await.unwrap();
    }

    /// Sends the head of a request: POST if a body follows, else GET.
    pub(crate) async fn request(&mut self, stream: u32, path: &str, has_body: bool) {
        let literal = |index: u8, text: &str| {
            let length = u8::try_from(text.len()).unwrap();
            [&[index, length], text.as_bytes()].concat()
        };
        // The bytes are indexes in HPACK's static table: `:method`, `:scheme: http`, then `:path` and `:authority` with
        // their values.
        let method = if has_body { 0x83 } else { 0x82 };
        let block = [&[method, 0x86][..], &literal(0x04, path), &literal(0x01, "test")].concat();
        self.send(HEADERS, if has_body { END_HEADERS } else { END_HEADERS | END_STREAM }, stream, &block).await;
    }

    pub(crate) async fn data(&mut self, stream: u32, bytes: &[u8], is_end: bool) {
        self.send(DATA, if is_end { END_STREAM } else { 0 }, stream, bytes).await;
    }

    /// Returns the next frame, or `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        within("a frame", async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        })
        .await
    }

    /// Sends a ping, and returns the response frames that arrive before its answer. The server sends pending frames
    /// before that.
    pub(crate) async fn until_ping(&mut self) -> Vec<Frame> {
        self.send(PING, 0, 0, &[7; 8]).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.expect("the connection goes on");
            if frame.kind == PING && frame.flags & ACK != 0 {
                return frames;
            }
            if frame.is_of_response() {
                frames.push(frame);
            }
        }
    }

    /// Returns the response frames of a stream, up to the end or the reset of the stream.
    pub(crate) async fn until_end(&mut self, stream: u32) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.expect("the connection goes on");
            if frame.stream != stream || !frame.is_of_response() {
                continue;
            }
            let is_last = frame.ends_stream() || frame.kind == RST_STREAM;
            frames.push(frame);
            if is_last {
                return frames;
            }
        }
    }
}
