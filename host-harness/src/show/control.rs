//! Escapes control characters.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The replacement of a tab in multi-line text.
const TAB: &str = "    ";

/// Whether a terminal or a browser executes a character instead of showing it: the controls of ASCII (C0 and DEL) and
/// C1, bidirectional controls (Unicode Standard Annex 9), and line and paragraph separators.
pub(crate) fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// Escapes all control characters, so that the text stays on one line.
///
/// ```
/// assert_eq!(wayside_harness::show::line("a\nb \u{1b}[31m"), r"a\nb \u{1b}[31m");
/// ```
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, is_control, |out, char| out.extend(char.escape_default()))
}

/// Escapes control characters in multi-line text. Line feeds stay; a tab becomes four spaces.
///
/// ```
/// assert_eq!(wayside_harness::show::text("a\n\tb\r"), "a\n    b\\r");
/// ```
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    escape(
        text,
        |char| char != '\n' && is_control(char),
        |out, char| match char {
            '\t' => out.push_str(TAB),
            char => out.extend(char.escape_default()),
        },
    )
}

/// Escapes control characters like [`line()`], and bytes that are not UTF-8.
///
/// ```
/// assert_eq!(wayside_harness::show::bytes(b"caf\xc3\xa9 \xe9"), r"café \xe9");
/// ```
#[must_use]
pub fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&line(chunk.valid()));
        push_bytes(&mut out, chunk.invalid());
    }
    out
}

/// Escapes control characters in a JSON document without changing its value.
///
/// In JSON, control characters are valid only within strings, where `\u001b` means the same, and as white space between
/// tokens: line feeds stay, tabs and carriage returns become spaces.
///
/// ```
/// assert_eq!(wayside_harness::show::json("{\"a\":\t\"\u{202e}\"}"), r#"{"a": "\u202e"}"#);
/// ```
#[must_use]
pub fn json(document: &str) -> Cow<'_, str> {
    escape(
        document,
        |char| char != '\n' && is_control(char),
        |out, char| match char {
            '\t' | '\r' => out.push(' '),
            // Writing to a `String` never fails. The code points of all control characters have four digits at most.
            char => _ = write!(out, "\\u{:04x}", u32::from(char)),
        },
    )
}

/// Escapes a stream of bytes like [`text`] and [`bytes()`].
///
/// A character may be split between two pieces.
#[derive(Debug, Default)]
pub struct Escaper {
    /// The first bytes of an incomplete character.
    begun: Vec<u8>,
}

impl Escaper {
    /// Escapes the next piece of the stream.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> String {
        let bytes = whole_characters(&mut self.begun, piece);
        let mut out = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            out.push_str(&text(chunk.valid()));
            push_bytes(&mut out, chunk.invalid());
        }
        out
    }

    /// Escapes the bytes of an incomplete character at the end of the stream.
    #[must_use]
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        push_bytes(&mut out, &std::mem::take(&mut self.begun));
        out
    }
}

/// Joins the bytes in `left` with the next piece of a stream. If the piece ends within a character, moves the first
/// bytes of this character to `left`.
pub(crate) fn whole_characters(left: &mut Vec<u8>, piece: &[u8]) -> Vec<u8> {
    let mut bytes = std::mem::take(left);
    bytes.extend_from_slice(piece);
    // A character has at most four bytes, so an incomplete one begins within the last three.
    let starts = bytes.len().saturating_sub(3)..bytes.len();
    let is_begun = |bytes: &[u8]| {
        std::str::from_utf8(bytes).is_err_and(|error| (error.valid_up_to(), error.error_len()) == (0, None))
    };
    if let Some(start) = starts.into_iter().find(|start| is_begun(&bytes[*start..])) {
        *left = bytes.split_off(start);
    }
    bytes
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    // Writing to a `String` never fails.
    bytes.iter().for_each(|byte| _ = write!(out, "\\x{byte:02x}"));
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool, push: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(&is_escaped) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for char in text[first..].chars() {
        if is_escaped(char) { push(&mut out, char) } else { out.push(char) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that must not reach a terminal.
    fn controls() -> impl Iterator<Item = char> {
        let separators_and_bidi = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
        ('\0'..' ')
            .chain('\u{7f}'..='\u{9f}')
            .chain(separators_and_bidi)
            .chain('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
    }

    #[test]
    fn every_control_character_is_escaped() {
        for char in controls() {
            let text = format!("a{char}b");
            assert_eq!(line(&text), format!("a{}b", char.escape_default()));
            assert!(super::text(&text).chars().all(|char| char == '\n' || !is_control(char)), "{char:?}");
            assert!(bytes(text.as_bytes()).chars().all(|char| !is_control(char)), "{char:?}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let text = "plain \\ text, \u{e9}\u{5d0}\u{1f600}, 100 %";
        assert_eq!((line(text), super::text(text), json(text)), (text.into(), text.into(), text.into()));
        assert_eq!(bytes(text.as_bytes()), text);
    }

    #[test]
    fn a_raw_c1_byte_is_escaped() {
        assert_eq!(bytes(b"a\x9b31m\x80"), r"a\x9b31m\x80");
        assert_eq!(Escaper::default().push(b"a\x9b31m"), r"a\x9b31m");
    }

    #[test]
    fn a_json_document_stays_the_same_document() {
        let value: String = controls().collect();
        let document = serde_json::to_string(&serde_json::json!({ "text": value })).unwrap();
        let escaped = json(&document);
        assert!(!escaped.chars().any(is_control), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap()["text"], value);
    }

    #[test]
    fn a_character_may_be_split_anywhere_in_a_stream() {
        let all = "a\u{e9}\u{202e}\u{1f600}\u{9b}z".as_bytes();
        for first in 0..all.len() {
            for second in first..all.len() {
                let mut escaper = Escaper::default();
                let pieces = [&all[..first], &all[first..second], &all[second..]];
                let out: String = pieces.map(|piece| escaper.push(piece)).concat();
                assert_eq!(out + &escaper.finish(), "a\u{e9}\\u{202e}\u{1f600}\\u{9b}z");
            }
        }
    }

    #[test]
    fn a_character_that_never_ends_is_escaped() {
        let mut escaper = Escaper::default();
        assert_eq!(escaper.push(b"a\xe2\x80"), "a");
        assert_eq!(escaper.push(b"b\xe2"), r"\xe2\x80b");
        assert_eq!(escaper.finish(), r"\xe2");
        assert_eq!(escaper.finish(), "");
    }
}
