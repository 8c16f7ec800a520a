//! Reads mocks from TOML files.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Call, Mock, Reply, Times};
use crate::message::framing::is_final;
use crate::outbound::json::Json;
use crate::outbound::toml_file::{self, Base64, Code, Fields};
use crate::{Error, show};

/// The description of the format in error messages.
const HOW: &str = "write a `[[call]]` with what is expected (`method`, `url`, `query`, `fields`, `body` or `json`, \
                   `times`), and below it a `[call.reply]` (`status`, `fields`, `body`, `json` or `pieces`, or `error`)";

pub(super) fn read(path: &Path) -> Result<Mock, Error> {
    let file: File = toml_file::read(path, "mock", HOW)?;
    let mut mock = Mock::new();
    for ExpectedCall { call, reply } in file.call {
        mock = mock.reply(call, reply);
    }
    Ok(if file.in_order { mock.in_order() } else { mock })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    in_order: bool,
    #[serde(default)]
    call: Vec<ExpectedCall>,
}

#[derive(Deserialize)]
#[serde(try_from = "CallText")]
struct ExpectedCall {
    call: Call,
    reply: Reply,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CallText {
    #[serde(default, deserialize_with = "method")]
    method: Option<Method>,
    url: Option<String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    fields: Fields,
    body: Option<String>,
    body_base64: Option<Base64>,
    json: Option<JsonText>,
    #[serde(default, deserialize_with = "times")]
    times: Option<Times>,
    #[serde(default)]
    reply: ReadReply,
}

#[derive(Deserialize)]
#[serde(try_from = "ReplyText")]
struct ReadReply(Reply);

impl Default for ReadReply {
    fn default() -> Self {
        Self(Reply::ok())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ReplyText {
    #[serde(default, deserialize_with = "status")]
    status: Option<u16>,
    #[serde(default)]
    fields: Fields,
    body: Option<String>,
    body_base64: Option<Base64>,
    json: Option<JsonText>,
    #[serde(default)]
    trailers: Fields,
    delay_ms: Option<u64>,
    error: Option<Code>,
    #[serde(default)]
    silence: bool,
    truncate_after: Option<u64>,
    reset_after: Option<u64>,
    stall_after: Option<u64>,
    #[serde(default)]
    pieces: Vec<String>,
    pause_ms: Option<u64>,
}

/// A JSON document: a string of JSON, or a TOML value.
struct JsonText(Json);

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => {
                Json::read(text.as_bytes()).map_err(|error| format!("the text is no JSON document: {error}"))
            }
            value => Json::of_toml(value),
        };
        document.map(Self).map_err(D::Error::custom)
    }
}

fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Method>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| D::Error::custom(format!("`{text}` is no method")))
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let number = u16::deserialize(deserializer)?;
    match StatusCode::from_u16(number) {
        Ok(status) if is_final(status) => Ok(Some(number)),
        _ => Err(D::Error::custom(format!("`{number}` is not a status of a response; use 200 to 599"))),
    }
}

fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Times>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "write a number, or a text as \"1..=3\", \"2..\" or \"any\"")]
    enum Text {
        Number(usize),
        Range(String),
    }
    match Text::deserialize(deserializer)? {
        Text::Number(number) => Ok(Some(number.into())),
        Text::Range(text) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

/// One of the ways to write a body.
enum BodyText {
    Bytes(Bytes),
    Json(Json),
}

fn body(text: Option<String>, base64: Option<Base64>, json: Option<JsonText>) -> Result<Option<BodyText>, String> {
    match (text, base64, json) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => Ok(Some(BodyText::Bytes(text.into()))),
        (None, Some(Base64(bytes)), None) => Ok(Some(BodyText::Bytes(bytes))),
        (None, None, Some(JsonText(document))) => Ok(Some(BodyText::Json(document))),
        _ => Err("there is more than one of `body`, `body-base64` and `json`".to_owned()),
    }
}

impl TryFrom<CallText> for ExpectedCall {
    type Error = String;

    fn try_from(text: CallText) -> Result<Self, String> {
        let mut call = Call::any();
        if let Some(method) = text.method {
            call = call.method(method);
        }
        if let Some(url) = text.url {
            call = call.url(with_scheme(url)?);
        }
        for (name, value) in text.query {
            call = call.query(name, value);
        }
        for (name, value) in &text.fields.0 {
            call = call.header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        call = match body(text.body, text.body_base64, text.json)? {
            Some(BodyText::Bytes(body)) => call.body(body),
            Some(BodyText::Json(document)) => call.document(document),
            None => call,
        };
        if let Some(times) = text.times {
            call = call.times(times);
        }
        Ok(Self { call, reply: text.reply.0 })
    }
}

impl TryFrom<ReplyText> for ReadReply {
    type Error = String;

    fn try_from(text: ReplyText) -> Result<Self, String> {
        let body = body(text.body, text.body_base64, text.json)?;
        if body.is_some() && !text.pieces.is_empty() {
            return Err("there is more than one of `body`, `body-base64`, `json` and `pieces`".to_owned());
        }
        let has_body = body.is_some() || !text.pieces.is_empty();
        let is_response = text.status.is_some() || has_body || !text.fields.is_empty() || !text.trailers.is_empty();
        if usize::from(is_response) + usize::from(text.error.is_some()) + usize::from(text.silence) > 1 {
            return Err("a reply is a response, an `error` or `silence`, and only one of them".to_owned());
        }
        let mut reply = match (text.error, text.silence, body) {
            (Some(Code(code)), ..) => return Ok(Self(delayed(Reply::fail(code), text.delay_ms))),
            (None, true, _) => return Ok(Self(delayed(Reply::silence(), text.delay_ms))),
            (None, false, Some(BodyText::Bytes(body))) => Reply::from(body),
            (None, false, Some(BodyText::Json(document))) => Reply::document(&document),
            (None, false, None) => Reply::ok(),
        };
        if let Some(status) = text.status {
            reply = reply.status(status);
        }
        if !text.pieces.is_empty() {
            reply = reply.pieces(text.pieces);
        }
        if let Some(pause) = text.pause_ms {
            reply = reply.pause(Duration::from_millis(pause));
        }
        for (name, value) in &text.fields.0 {
            reply = reply.header(name.as_str(), value);
        }
        for (name, value) in &text.trailers.0 {
            reply = reply.trailer(name.as_str(), value);
        }
        reply = match (text.truncate_after, text.reset_after, text.stall_after) {
            (None, None, None) => reply,
            (Some(bytes), None, None) => reply.truncate_after(bytes),
            (None, Some(bytes), None) => reply.reset_after(bytes),
            (None, None, Some(bytes)) => reply.stall_after(bytes),
            _ => return Err("there is more than one of `truncate-after`, `reset-after` and `stall-after`".to_owned()),
        };
        Ok(Self(delayed(reply, text.delay_ms)))
    }
}

/// Rejects a URL without a scheme, which no call can match.
fn with_scheme(url: String) -> Result<String, String> {
    if url.contains("://") || url.starts_with('*') {
        return Ok(url);
    }
    let shown = show::urls(&url);
    let Some(path) = url.strip_prefix('/') else {
        return Err(format!(
            "`{shown}` has no scheme, so no call matches it; write `https://{shown}`, or `*://{shown}` for any scheme"
        ));
    };
    Err(format!("`{shown}` has no scheme and no host, so no call matches it; write `*/{path}` for any server"))
}

fn delayed(reply: Reply, delay_ms: Option<u64>) -> Reply {
    reply.delay(Duration::from_millis(delay_ms.unwrap_or(0)))
}
