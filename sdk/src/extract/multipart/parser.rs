//! Splits a form into its parts while its bytes arrive (RFC 2046, section 5.1.1).
//!
//! The parser holds back only input that may be an incomplete delimiter, and the headers of a part until they are
//! complete.

use std::fmt;
use std::mem;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::search::Search;

/// The maximum size of the headers of a part, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The maximum number of spaces and tabs after a delimiter.
const MAX_PADDING_BYTES: usize = 256;

/// An event of the parser.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A part begins. Contains its headers.
    Part(HeaderMap),
    /// The next piece of the part's content. A piece is never empty.
    Data(Bytes),
    /// The part has ended.
    PartEnd,
    /// The form has ended.
    End,
}

/// The reason why a form is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    NoDelimiter,
    NoLastDelimiter,
    TooManyHeaderBytes,
    /// Contains the invalid line.
    Header(Bytes),
}

/// An incremental parser. The caller adds input with `push` and takes events with `next`.
pub(super) struct Parser {
    /// Searches for a delimiter: a line break, `--` and the boundary.
    delimiter: Search,
    /// The unprocessed input.
    buffer: Bytes,
    /// Whether the input is complete.
    is_complete: bool,
    /// Whether the buffer starts at the beginning of a line. A delimiter there has no line break before it in the
    /// buffer.
    is_line_start: bool,
    state: ParserState,
}

#[derive(Clone)]
enum ParserState {
    /// Before the first delimiter.
    Preamble,
    /// After a delimiter. The first `searched` bytes of the buffer do not contain the end of the headers.
    Headers {
        searched: usize,
    },
    Content,
    End,
    Failed(Malformed),
}

/// The result of searching the buffer for a delimiter.
enum Found {
    /// The buffer contains no complete delimiter, and no delimiter starts in its first `before` bytes.
    Nothing { before: usize },
    /// The bytes from `start` to `end` are a complete delimiter, including the line breaks before and after it if the
    /// buffer contains them.
    Delimiter { start: usize, end: usize, is_last: bool },
}

/// The result of parsing the rest of the line after a boundary.
enum LineEnd {
    Delimiter {
        length: usize,
        is_last: bool,
    },
    /// More text follows, so the line is not a delimiter.
    Other,
    /// The end of the line has not arrived.
    Incomplete,
}

impl Parser {
    pub(super) fn new(boundary: &[u8]) -> Self {
        Self {
            delimiter: Search::new([b"\r\n--", boundary].concat()),
            buffer: Bytes::new(),
            is_complete: false,
            is_line_start: true,
            state: ParserState::Preamble,
        }
    }

    /// Adds input.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = bytes;
        } else {
            let mut buffer = BytesMut::with_capacity(self.buffer.len() + bytes.len());
            buffer.extend_from_slice(&self.buffer);
            buffer.extend_from_slice(&bytes);
            self.buffer = buffer.freeze();
        }
    }

    /// Marks the input as complete: no more input follows.
    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// Returns the next event, or `None` if the parser needs more input.
    pub(super) fn next(&mut self) -> Result<Option<Event>, Malformed> {
        let event = match &self.state {
            ParserState::Preamble => self.next_in_preamble(),
            ParserState::Headers { searched } => self.next_in_headers(*searched),
            ParserState::Content => self.next_in_content(),
            ParserState::End => Ok(Some(Event::End)),
            ParserState::Failed(malformed) => Err(malformed.clone()),
        };
        if let Err(malformed) = &event {
            self.buffer = Bytes::new();
            self.state = ParserState::Failed(malformed.clone());
        }
        event
    }

    fn next_in_preamble(&mut self) -> Result<Option<Event>, Malformed> {
        match self.find_delimiter() {
            Found::Delimiter { end, is_last, .. } => {
                self.pass_delimiter(end, is_last);
                if is_last { Ok(Some(Event::End)) } else { self.next_in_headers(0) }
            }
            Found::Nothing { .. } if self.is_complete => Err(Malformed::NoDelimiter),
            Found::Nothing { before } => {
                self.take(before);
                Ok(None)
            }
        }
    }

    fn next_in_content(&mut self) -> Result<Option<Event>, Malformed> {
        match self.find_delimiter() {
            Found::Delimiter { start, .. } | Found::Nothing { before: start } if start > 0 => {
                Ok(Some(Event::Data(self.take(start))))
            }
            Found::Delimiter { end, is_last, .. } => {
                self.pass_delimiter(end, is_last);
                Ok(Some(Event::PartEnd))
            }
            Found::Nothing { .. } if self.is_complete => Err(Malformed::NoLastDelimiter),
            Found::Nothing { .. } => Ok(None),
        }
    }

    fn pass_delimiter(&mut self, end: usize, is_last: bool) {
        self.take(end);
        self.state = if is_last { ParserState::End } else { ParserState::Headers { searched: 0 } };
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.is_line_start &= length == 0;
        self.buffer.split_to(length)
    }

    fn next_in_headers(&mut self, searched: usize) -> Result<Option<Event>, Malformed> {
        // An empty line ends the headers. If the part has no headers, the first line is empty.
        let lines = if self.buffer.starts_with(b"\r\n") {
            Some(0)
        } else {
            let from = searched.saturating_sub(3);
            let unsearched = self.buffer.get(from..).unwrap_or_default();
            unsearched.windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 2)
        };
        if lines.unwrap_or(self.buffer.len()) > MAX_HEADER_BYTES {
            return Err(Malformed::TooManyHeaderBytes);
        }
        let Some(lines) = lines else {
            self.state = ParserState::Headers { searched: self.buffer.len() };
            return if self.is_complete { Err(Malformed::NoLastDelimiter) } else { Ok(None) };
        };
        let headers = read_headers(&self.buffer.split_to(lines))?;
        self.take(2);
        // If a part has no content, the line break that ends its headers may also start the next delimiter.
        self.is_line_start = true;
        self.state = ParserState::Content;
        Ok(Some(Event::Part(headers)))
    }

    fn find_delimiter(&self) -> Found {
        let pattern = self.delimiter.pattern();
        if self.is_line_start
            && let Some((_, line)) = pattern.split_at_checked(2)
        {
            if self.buffer.starts_with(line) {
                match self.line_end(line.len()) {
                    LineEnd::Delimiter { length, is_last } => {
                        return Found::Delimiter { start: 0, end: line.len() + length, is_last };
                    }
                    LineEnd::Incomplete => return Found::Nothing { before: 0 },
                    LineEnd::Other => {}
                }
            } else if line.starts_with(&self.buffer) {
                return Found::Nothing { before: 0 };
            }
        }
        let mut from = 0;
        while let Some(start) = self.delimiter.find(&self.buffer, from) {
            from = start + pattern.len();
            match self.line_end(from) {
                LineEnd::Delimiter { length, is_last } => {
                    return Found::Delimiter { start, end: from + length, is_last };
                }
                LineEnd::Incomplete => return Found::Nothing { before: start },
                LineEnd::Other => {}
            }
        }
        Found::Nothing { before: self.delimiter.find_beginning(&self.buffer, from) }
    }

    /// Parses the rest of the line after a boundary that ends at the position `at` of the buffer.
    fn line_end(&self, at: usize) -> LineEnd {
        let rest = self.buffer.get(at..).unwrap_or_default();
        let (is_last, after) = match rest {
            [] | [b'-'] if !self.is_complete => return LineEnd::Incomplete,
            [b'-', b'-', after @ ..] => (true, after),
            _ => (false, rest),
        };
        let padding = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let length = rest.len() - after.len() + padding;
        match after.get(padding..).unwrap_or_default() {
            _ if padding > MAX_PADDING_BYTES => LineEnd::Other,
            [b'\r', b'\n', ..] => LineEnd::Delimiter { length: length + 2, is_last },
            [] | [b'\r'] if !self.is_complete => LineEnd::Incomplete,
            // The last delimiter needs no line break after it: such a line break belongs to the optional epilogue.
            [] if is_last => LineEnd::Delimiter { length, is_last },
            _ => LineEnd::Other,
        }
    }
}

/// Parses header lines, each of which ends with a line break. A line that starts with a space or a tab continues the
/// previous line (RFC 5322, section 2.2.3).
fn read_headers(mut lines: &[u8]) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::new();
    let mut whole = Vec::new();
    while let Some(end) = lines.windows(2).position(|two| two == b"\r\n") {
        let (line, rest) = lines.split_at(end);
        lines = rest.get(2..).unwrap_or_default();
        whole.extend_from_slice(line);
        if !matches!(lines, [b' ' | b'\t', ..]) {
            read_header(&mut headers, &mem::take(&mut whole))?;
        }
    }
    Ok(headers)
}

fn read_header(headers: &mut HeaderMap, line: &[u8]) -> Result<(), Malformed> {
    let malformed = || Malformed::Header(Bytes::copy_from_slice(line));
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(malformed)?;
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let name = HeaderName::from_bytes(name).map_err(|_| malformed())?;
    let value = HeaderValue::from_bytes(value).map_err(|_| malformed())?;
    headers.try_append(name, value).map_err(|_| Malformed::TooManyHeaderBytes)?;
    Ok(())
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDelimiter => f.write_str("it has no delimiter line: `--` and the boundary"),
            Self::NoLastDelimiter => f.write_str("it ends before its last delimiter"),
            Self::TooManyHeaderBytes => write!(f, "a part has more than {MAX_HEADER_BYTES} bytes of headers"),
            Self::Header(line) => {
                let shown = line.get(..100).unwrap_or(line);
                write!(f, "a part has the invalid header `{}`", shown.escape_ascii())
            }
        }
    }
}

#[cfg(test)]
mod tests;
