//! The elements that mock files and cassettes have in common. Both are TOML files.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::error_code::ErrorCode;
use crate::message::error_code::{Named, from_parts, named};
use crate::{Error, file};

/// The largest size of a mock file or a cassette, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Parses a file. Errors name the kind of file (`what`) and describe its format (`how`).
pub(super) fn read<T: DeserializeOwned>(path: &Path, what: &str, how: &str) -> Result<T, Error> {
    let text = file::read(path, MAX_BYTES).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
    });
    let text = text.map_err(|error| {
        Error::new(format!("cannot read the {what} `{}`", path.display()))
            .with_help("check the path; the file must be UTF-8 text")
            .with_source(error)
    })?;
    toml::from_str(&text).map_err(|error| wrong(path, what, how, &text, &error))
}

fn wrong(path: &Path, what: &str, how: &str, text: &str, error: &toml::de::Error) -> Error {
    let place = error.span().map_or(String::new(), |span| {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!(", line {line}, column {column}")
    });
    let what = format!("the {what} `{}` cannot be understood{place}: {}", path.display(), error.message());
    Error::new(what).with_help(how)
}

/// The error for a file that cannot be written.
pub(super) fn unwritable(path: &Path, what: &str, error: io::Error) -> Error {
    Error::new(format!("cannot write the {what} `{}`", path.display()))
        .with_help("check that its directory exists and that this user may write there")
        .with_source(error)
}

/// Headers in order, each as `name: value`, or as `name:: base64` if the value is not plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(pub(super) HeaderMap);

impl Fields {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(name, value)| write_field(name, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = HeaderMap::new();
        for Field(name, value) in Vec::<Field>::deserialize(deserializer)? {
            fields.try_append(name, value).map_err(|_| D::Error::custom("these are too many fields for a message"))?;
        }
        Ok(Self(fields))
    }
}

/// One header. It is deserialized as a separate type, so that errors name its position in the file.
struct Field(HeaderName, HeaderValue);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let line = String::deserialize(deserializer)?;
        let (name, value) = read_field(&line).map_err(D::Error::custom)?;
        Ok(Self(name, value))
    }
}

fn write_field(name: &HeaderName, value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) if text.trim() == text => format!("{name}: {text}"),
        _ => format!("{name}:: {}", STANDARD.encode(value)),
    }
}

fn read_field(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` is no field; write `name: value`"))?;
    let bytes = match value.strip_prefix(':') {
        Some(base64) => from_base64(base64.trim())?,
        None => value.trim().as_bytes().to_vec().into(),
    };
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no name of a field"))?;
    let value = HeaderValue::from_bytes(&bytes).map_err(|_| format!("HTTP allows no field `{line}`"))?;
    Ok((name, value))
}

fn from_base64(text: &str) -> Result<Bytes, String> {
    // Long values may be broken into lines.
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).map(Bytes::from).map_err(|error| format!("this is no base64: {error}"))
}

/// Bytes as base64, which may be broken into lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base64(pub(super) Bytes);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_base64(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// An error code: its name, or a table of its name with its text and its number.
#[derive(Debug)]
pub(super) struct Code(pub(super) ErrorCode);

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "write a name as `connection-refused`, or a table with `code`, `text` and `number`")]
enum CodeText {
    Name(String),
    Parts {
        code: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
    },
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Named { name, text, number } = named(&self.0);
        let code = name.to_owned();
        match (text, number) {
            (None, None) => CodeText::Name(code).serialize(serializer),
            (text, number) => CodeText::Parts { code, text, number }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = match CodeText::deserialize(deserializer)? {
            CodeText::Name(name) => from_parts(&name, None, None),
            CodeText::Parts { code, text, number } => from_parts(&code, text, number),
        };
        code.map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lines_and_bytes_are_base64() {
        for (name, value) in
            [("x-a", &b"b: c"[..]), ("x-b", b"caf\xe9"), ("x-c", b""), ("x-d", b" padded"), ("x-e", b":x")]
        {
            let (name, value) = (name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap());
            assert_eq!(read_field(&write_field(&name, &value)).unwrap(), (name, value));
        }
        assert_eq!(write_field(&"x-a".parse().unwrap(), &HeaderValue::from_static("b")), "x-a: b");
        assert!(read_field("no colon").unwrap_err().contains("`name: value`"));
        assert!(read_field("bad name: x").is_err());
        assert!(read_field("x:: !").unwrap_err().contains("base64"));
    }
}
