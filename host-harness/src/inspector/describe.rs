//! Describes requests as JSON for the page of the inspector.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::history::Entry;
use super::plain_text::text;
use super::saved;
use crate::builds::{Build, Outcome, message};
use crate::harness::Origin;
use crate::telemetry::Capture;
use crate::{LogStream, OutboundCall, show};

/// Describes what has changed: the given requests, the number of lost events, and the state of the build.
pub(super) fn update(entries: &[&Entry], missed: u64, build: Option<&Build>, origin: &Origin) -> Value {
    json!({
        "requests": entries.iter().map(|entry| line(entry)).collect::<Vec<_>>(),
        "missed": missed,
        "build": build.map(build_state),
        "target": target_name(origin),
        "tests": if saved::in_tests_of_its_own(origin) { "component-tests/tests" } else { "tests" },
    })
}

/// Returns the file name of the component or its crate. Resolves the path first, because `.` contains no name.
fn target_name(origin: &Origin) -> String {
    let path = std::fs::canonicalize(&origin.target).unwrap_or_else(|_| origin.target.clone());
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn build_state(build: &Build) -> Value {
    let (state, text) = match &build.outcome {
        Outcome::Running => ("running", None),
        Outcome::Failed(error) => ("failed", Some(message(error))),
        Outcome::Swapped { .. } | Outcome::Unchanged => ("ready", None),
    };
    json!({ "number": build.number, "state": state, "message": text })
}

/// Describes a request with the data that the list on the page shows in one line.
fn line(entry: &Entry) -> Value {
    let exchange = &entry.exchange;
    json!({
        "number": exchange.request,
        "method": exchange.method.as_str(),
        "path": show::urls(exchange.uri.path_and_query().map_or("/", |path| path.as_str())),
        "status": exchange.status.map(|status| status.as_u16()),
        "duration": milliseconds(exchange.duration),
        "bytes": exchange.response_bytes,
        "finished": entry.finished,
        "incomplete": entry.is_incomplete,
        "trapped": exchange.trap.is_some(),
        "broken": matches!(exchange.end, Some(crate::BodyEnd::Broken(_))),
        "calls": exchange.calls,
        "resent": exchange.resent,
    })
}

/// Describes a request with all details.
pub(super) fn whole(entry: &Entry) -> Value {
    let exchange = &entry.exchange;
    let mut whole = line(entry);
    let more = json!({
        "url": show::url(&exchange.uri),
        "started": exchange.started.duration_since(UNIX_EPOCH).map_or(0.0, milliseconds),
        "head": exchange.head_after.map(milliseconds),
        "ended": exchange.end_after.map(milliseconds),
        "busy": milliseconds(exchange.busy),
        "end": exchange.end.as_ref().map(ToString::to_string),
        "memory": exchange.usage.map(|usage| usage.memory_bytes),
        "fuel": exchange.usage.and_then(|usage| usage.fuel),
        "trap": exchange.trap,
        "unrepeatable": entry.unrepeatable(),
        "unsavable": saved::objection(entry),
        "request": message_of(&exchange.request_headers, &exchange.request_body),
        "response": message_of(&exchange.response_headers, &exchange.response_body),
        "made": entry.calls.iter().map(call).collect::<Vec<_>>(),
        "unlogged": entry.unlogged_bytes,
        "logs": entry.logs.iter().map(|log| json!({
            "stream": if log.stream == LogStream::Stderr { "stderr" } else { "stdout" },
            "text": log.text,
        })).collect::<Vec<_>>(),
    });
    if let (Value::Object(whole), Value::Object(more)) = (&mut whole, more) {
        whole.extend(more);
    }
    whole
}

fn call(call: &OutboundCall) -> Value {
    json!({
        "method": call.method.as_str(),
        "url": show::url(&call.uri),
        "status": call.status.as_ref().ok().map(|status| status.as_u16()),
        "error": call.status.as_ref().err(),
        "after": milliseconds(call.after),
        "duration": milliseconds(call.duration),
        "end": call.end.as_ref().map(ToString::to_string),
        "request": message_of(&call.headers, &call.body),
        "response": message_of(&call.response_headers, &call.response_body),
    })
}

fn message_of(headers: &HeaderMap, body: &Capture) -> Value {
    let bytes = body.bytes();
    let mut message = json!({
        "headers": fields(headers),
        "trailers": body.trailers().as_ref().map(fields),
        "kept": bytes.len(),
        "total": body.total_bytes(),
    });
    match text(&bytes, body.is_cut()) {
        Some(text) => message["text"] = text.into(),
        None => message["base64"] = BASE64.encode(&bytes).into(),
    }
    message
}

fn fields(headers: &HeaderMap) -> Value {
    headers.iter().map(|(name, value)| json!([name.as_str(), field(name, value)])).collect()
}

/// Returns the value of a header, without the credentials in its URLs.
fn field(name: &HeaderName, value: &HeaderValue) -> String {
    let value = match *name {
        header::HOST => show::without_userinfo(value.as_bytes()).to_vec(),
        _ => show::redact_userinfo(value.as_bytes()),
    };
    String::from_utf8_lossy(&value).into_owned()
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn bytes_are_text_where_they_are_utf_8_up_to_a_cut() {
        let bytes = "aé".as_bytes();
        assert_eq!(text(bytes, false), Some("aé"));
        assert_eq!(text(&bytes[..2], true), Some("a"));
        assert_eq!(text(&bytes[..2], false), None);
        assert_eq!(text(b"a\xff", true), None);
        assert_eq!(text(b"a\0", false), None);
    }
}
