//! The format of a cassette file.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Redaction;
use crate::outbound::toml_file::{self, Base64, Code, Fields};
use crate::{Error, show};

/// The comment at the top of every cassette.
const TITLE: &str = "\
# Outbound calls that were recorded, in the order in which they were made. They may be changed by hand: a replay answers
# with what stands here, and gives answers the `content-length` that they have.
";

/// The description of the format in error messages.
const HOW: &str = "mend the file, or record it anew: a `[[call]]` has a `[call.request]` (`method`, `url`, `fields`, \
                   `body` or `body-base64`, `trailers`) and a `[call.response]` (`status` and the like, or `error`)";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Cassette {
    /// The redaction of the recording. A replay applies it to the calls that it compares.
    #[serde(default)]
    redacted_fields: Vec<String>,
    #[serde(default)]
    redacted_parameters: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) call: Vec<Recorded>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    pub(super) request: Sent,
    pub(super) response: Answered,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Sent {
    pub(super) method: String,
    /// A string rather than a parsed URL, because it is only compared.
    pub(super) url: String,
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub(super) fields: Fields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<Base64>,
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub(super) trailers: Fields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) missing: Option<Missing>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Answered {
    /// `None` if there was no response.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "status")]
    pub(super) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub(super) fields: Fields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<Base64>,
    /// The lengths in bytes of the pieces in which the body arrived. Empty for a body with a declared length and for one
    /// that arrived in one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pieces: Vec<usize>,
    /// The wait in milliseconds before each piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pauses_ms: Vec<u64>,
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub(super) trailers: Fields,
    /// The reason why there was no response, or why the body of the response failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Code>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) missing: Option<Missing>,
}

/// The reason why the recorded body is incomplete.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Missing {
    /// The receiver stopped reading before the end of the body.
    Unread,
    /// The body is longer than `BODY_LIMIT`.
    TooLarge,
}

impl Sent {
    pub(super) fn new(method: String, url: String, fields: Fields) -> Self {
        Self { method, url, fields, body: None, body_base64: None, trailers: Fields::default(), missing: None }
    }

    pub(super) fn set_body(&mut self, body: Bytes) {
        (self.body, self.body_base64) = written(body);
    }

    pub(super) fn body(&self) -> Bytes {
        read_body(self.body.as_ref(), self.body_base64.as_ref())
    }
}

impl Answered {
    pub(super) fn set_body(&mut self, body: Bytes) {
        (self.body, self.body_base64) = written(body);
    }

    pub(super) fn body(&self) -> Bytes {
        read_body(self.body.as_ref(), self.body_base64.as_ref())
    }

    pub(super) fn set_pieces(&mut self, pieces: &[(Duration, usize)]) {
        self.pieces = pieces.iter().map(|(_, length)| *length).collect();
        self.pauses_ms = pieces.iter().map(|(wait, _)| wait.as_millis().try_into().unwrap_or(u64::MAX)).collect();
    }

    /// Returns the pieces of the body and the wait before each. If the lengths of the pieces do not add up to the body,
    /// because the body was edited by hand, the body is one piece.
    pub(super) fn pieces(&self) -> Vec<(Duration, Bytes)> {
        let mut body = self.body();
        let total = self.pieces.iter().try_fold(0usize, |sum, length| sum.checked_add(*length));
        if self.pieces.is_empty() || total != Some(body.len()) {
            return vec![(Duration::ZERO, body)];
        }
        let waits = self.pauses_ms.iter().copied().chain(std::iter::repeat(0)).map(Duration::from_millis);
        self.pieces.iter().zip(waits).map(|(length, wait)| (wait, body.split_to(*length))).collect()
    }

    /// Whether the response has a status, or is empty because there was none.
    fn is_consistent(&self) -> bool {
        self.status.is_some() || (self.fields.is_empty() && self.body().is_empty() && self.trailers.is_empty())
    }
}

/// Returns a body as text if it is readable text, otherwise as base64.
fn written(body: Bytes) -> (Option<String>, Option<Base64>) {
    if body.is_empty() {
        return (None, None);
    }
    // Text with control characters is not readable, because the file may be shown on a terminal.
    let readable = |text: &str| text.chars().all(|char| !show::is_control(char) || matches!(char, '\n' | '\r' | '\t'));
    match std::str::from_utf8(&body) {
        Ok(text) if readable(text) => (Some(text.to_owned()), None),
        _ => (None, Some(Base64(body))),
    }
}

fn read_body(text: Option<&String>, base64: Option<&Base64>) -> Bytes {
    match (text, base64) {
        (Some(text), _) => Bytes::copy_from_slice(text.as_bytes()),
        (None, Some(Base64(bytes))) => bytes.clone(),
        (None, None) => Bytes::new(),
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let number = u16::deserialize(deserializer)?;
    match StatusCode::from_u16(number) {
        Ok(_) => Ok(Some(number)),
        Err(_) => Err(D::Error::custom(format!("`{number}` is no status; it goes from 100 to 999"))),
    }
}

/// Writes the beginning of a cassette, before its first call.
pub(super) fn head(redaction: &Redaction) -> String {
    let Redaction { fields, parameters } = redaction.clone();
    let head = Cassette { redacted_fields: fields, redacted_parameters: parameters, call: Vec::new() };
    format!("{TITLE}{}", text_of(&head))
}

/// Formats one call.
pub(super) fn render(call: Recorded) -> String {
    #[derive(Serialize)]
    struct One {
        call: [Recorded; 1],
    }
    format!("\n{}", text_of(&One { call: [call] }))
}

fn text_of(document: &impl Serialize) -> String {
    toml::to_string_pretty(document).expect("texts, numbers and tables can all be written as TOML")
}

pub(super) fn read(path: &Path) -> Result<(Redaction, Vec<Recorded>), Error> {
    let cassette: Cassette = toml_file::read(path, "cassette", HOW)?;
    for (index, Recorded { request, response }) in cassette.call.iter().enumerate() {
        let twice = |text: &Option<String>, base64: &Option<Base64>| text.is_some() && base64.is_some();
        let wrong = if twice(&request.body, &request.body_base64) || twice(&response.body, &response.body_base64) {
            "there is both a `body` and a `body-base64`"
        } else if !response.is_consistent() {
            "the response has no `status`"
        } else {
            continue;
        };
        let what = format!(
            "the cassette `{}` cannot be understood, call {} ({} {}): {wrong}",
            path.display(),
            index + 1,
            request.method,
            show::urls(&request.url)
        );
        return Err(Error::new(what).with_help(HOW));
    }
    let redaction = Redaction { fields: cassette.redacted_fields, parameters: cassette.redacted_parameters };
    Ok((redaction, cassette.call))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(body: &[u8]) -> (String, Bytes) {
        let mut response = Answered { status: Some(200), ..Answered::default() };
        response.set_body(Bytes::copy_from_slice(body));
        let request = Sent::new("GET".to_owned(), "http://a.test/".to_owned(), Fields::default());
        let text = head(&Redaction::default()) + &render(Recorded { request, response });
        let cassette: Cassette = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        (text, cassette.call[0].response.body())
    }

    #[test]
    fn pieces_that_do_not_add_up_to_the_body_are_one_piece() {
        let mut response = Answered::default();
        response.set_body(Bytes::from_static(b"onetwo"));
        let second = Duration::from_secs(1);
        for (lengths, expected) in [
            (vec![3, 3], vec![(second, Bytes::from_static(b"one")), (second, Bytes::from_static(b"two"))]),
            (vec![3, 4], vec![(Duration::ZERO, Bytes::from_static(b"onetwo"))]),
            (vec![usize::MAX, 7], vec![(Duration::ZERO, Bytes::from_static(b"onetwo"))]),
            (vec![], vec![(Duration::ZERO, Bytes::from_static(b"onetwo"))]),
        ] {
            response.set_pieces(&lengths.into_iter().map(|length| (second, length)).collect::<Vec<_>>());
            assert_eq!(response.pieces(), expected);
        }
    }

    #[test]
    fn text_stands_as_text() {
        let (text, body) = round_trip("{\n  \"name\": \"Ada\"\n}\n".as_bytes());
        assert!(text.contains("{\n  \"name\": \"Ada\"\n}\n"), "{text}");
        assert_eq!(body, "{\n  \"name\": \"Ada\"\n}\n");
        for (body, base64) in
            [(&b"\xff\x00"[..], "/wA="), (b"\x1b[31m", "G1szMW0="), ("a\u{202e}".as_bytes(), "YeKArg==")]
        {
            let (text, _) = round_trip(body);
            assert!(text.contains(&format!("body-base64 = \"{base64}\"")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_byte_for_byte(body in "[a'\"\\\\\r\n\t #ä\u{85}\u{feff}]{0,12}") {
            prop_assert_eq!(round_trip(body.as_bytes()).1, body);
        }

        #[test]
        fn all_bytes_come_back(body in proptest::collection::vec(any::<u8>(), 0..32)) {
            prop_assert_eq!(&round_trip(&body).1[..], &body[..]);
        }
    }
}
