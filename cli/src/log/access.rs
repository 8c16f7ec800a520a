//! Logs a line for each request, and the output of components with the number of the request that wrote it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use wayside_harness::{BodyEnd, Event, Exchange, LogStream, show};

use super::{mark, now, print};
use crate::units;

/// The length in bytes beyond which an unfinished line of a component's output is logged in parts.
const LINE_BYTES: usize = 64 * 1024;

/// The shortest work after a response that the log shows as text. Every component takes a moment to end.
const SHOWN_WORK: Duration = Duration::from_millis(1);

/// Logs the requests of one component.
#[derive(Debug)]
pub(crate) struct AccessLog {
    /// The name of the component, if the server has several.
    component: Option<String>,
    /// The begun lines of output whose end is still missing.
    begun: Mutex<HashMap<(u64, LogStreamKey), String>>,
}

/// The stream that a line was written to: `true` for stderr, `false` for stdout.
type LogStreamKey = bool;

#[derive(Serialize)]
struct RequestLine<'a> {
    time: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    request: u64,
    method: &'a str,
    path: &'a str,
    status: Option<u16>,
    duration_ms: f64,
    head_ms: Option<f64>,
    /// The time to the end of the response.
    response_ms: Option<f64>,
    /// The time that the component went on working after the response.
    work_ms: Option<f64>,
    busy_ms: f64,
    memory_bytes: Option<usize>,
    calls: u32,
    calls_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_calls: Option<u64>,
    response_bytes: u64,
    end: Option<String>,
    /// What the client did wrong, if that ended the request early.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_fault: Option<String>,
}

#[derive(Serialize)]
struct OutputLine<'a> {
    time: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    request: u64,
    stream: &'static str,
    /// The line as text. `None` if the line is a JSON object, which is appended unchanged as the field `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl AccessLog {
    pub(crate) fn new(component: Option<String>) -> Self {
        Self { component, begun: Mutex::default() }
    }

    /// Logs an event.
    pub(crate) fn observe(&self, event: &Event) {
        match event {
            Event::Wrote(entry) => self.wrote(entry.request, entry.stream, &entry.text),
            Event::Finished(exchange) => {
                for stream in [LogStream::Stdout, LogStream::Stderr] {
                    let rest = self.begun().remove(&(exchange.request, stream == LogStream::Stderr));
                    if let Some(rest) = rest {
                        self.output(exchange.request, stream, &rest);
                    }
                }
                self.request(exchange);
            }
            _ => {}
        }
    }

    fn wrote(&self, request: u64, stream: LogStream, text: &str) {
        let key = (request, stream == LogStream::Stderr);
        let mut text = match self.begun().remove(&key) {
            Some(begun) => begun + text,
            None => text.to_owned(),
        };
        while let Some(end) = text.find('\n') {
            let rest = text.split_off(end + 1);
            self.output(request, stream, text.trim_end_matches(['\r', '\n']));
            text = rest;
        }
        if text.len() > LINE_BYTES {
            self.output(request, stream, &text);
        } else if !text.is_empty() {
            self.begun().insert(key, text);
        }
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, HashMap<(u64, LogStreamKey), String>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self, request: u64, stream: LogStream, line: &str) {
        let component = self.component.as_deref();
        let stream = match stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        };
        let text = || format!("{}{stream}: {}", mark(component, Some(request)), show::text(line));
        let json = || {
            let is_object = serde_json::from_str::<Map<String, Value>>(line).is_ok();
            let text = (!is_object).then_some(line);
            let mut json =
                serde_json::to_string(&OutputLine { time: now(), kind: "output", component, request, stream, text })?;
            if is_object {
                // Appends the line unchanged, because parsing and formatting it would change numbers and the order of
                // keys.
                json.truncate(json.len() - 1);
                json.push_str(&format!(",\"json\":{}}}", line.trim()));
            }
            Ok(json)
        };
        print(text, json);
    }

    fn request(&self, exchange: &Exchange) {
        let component = self.component.as_deref();
        let path = show::urls(exchange.uri.path_and_query().map_or("/", |path| path.as_str()));
        let usage = exchange.usage.as_ref();
        let text = || show::line(&text(exchange, &mark(component, Some(exchange.request)), &path)).into_owned();
        let json = || {
            serde_json::to_string(&RequestLine {
                time: now(),
                kind: "request",
                component,
                request: exchange.request,
                method: exchange.method.as_str(),
                path: &path,
                status: exchange.status.map(|status| status.as_u16()),
                duration_ms: millis(exchange.duration),
                head_ms: exchange.head_after.map(millis),
                response_ms: exchange.end_after.map(millis),
                work_ms: exchange.end_after.map(|end| millis(exchange.duration.saturating_sub(end))),
                busy_ms: millis(exchange.busy),
                memory_bytes: usage.map(|usage| usage.memory_bytes),
                calls: exchange.calls,
                calls_ms: millis(exchange.calls_took),
                fuel: usage.and_then(|usage| usage.fuel),
                host_calls: usage.and_then(|usage| usage.host_calls),
                response_bytes: exchange.response_bytes,
                end: exchange.end.as_ref().map(|end| show::urls(&end.to_string())),
                client_fault: exchange.client_fault.as_ref().map(ToString::to_string),
            })
        };
        print(text, json);
    }
}

/// Formats a line such as `#1 GET /a 200 in 1.23 ms, then 2.05 s of work, busy 420 us, 1.1 MiB, 2 calls in 800 us`.
fn text(exchange: &Exchange, mark: &str, path: &str) -> String {
    let mut text = format!("{mark}{} {path} ", exchange.method);
    // Writing to a `String` never fails.
    let _ = match exchange.status {
        Some(status) => write!(text, "{}", status.as_u16()),
        None => write!(text, "no answer"),
    };
    let response = exchange.end_after.unwrap_or(exchange.duration);
    let work = exchange.duration.saturating_sub(response);
    let _ = write!(text, " in {}", units::duration(response));
    if work >= SHOWN_WORK {
        let _ = write!(text, ", then {} of work", units::duration(work));
    }
    let _ = write!(text, ", busy {}", units::duration(exchange.busy));
    if let Some(usage) = &exchange.usage {
        let _ = write!(text, ", {}", units::size(usage.memory_bytes as u64));
    }
    if exchange.calls > 0 {
        let calls = if exchange.calls == 1 { "call" } else { "calls" };
        let _ = write!(text, ", {} {calls} in {}", exchange.calls, units::duration(exchange.calls_took));
    }
    if let Some(fuel) = exchange.usage.as_ref().and_then(|usage| usage.fuel) {
        let _ = write!(text, ", fuel {fuel}");
    }
    if let Some(end) = exchange.end.as_ref().filter(|end| **end != BodyEnd::Whole) {
        let _ = write!(text, ", {}", show::urls(&end.to_string()));
    }
    if let Some(fault) = &exchange.client_fault {
        let _ = write!(text, ", {fault}");
    }
    text
}

/// Converts a duration to milliseconds, with the precision of a microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
