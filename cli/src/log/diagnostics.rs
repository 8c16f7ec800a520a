//! Logs warnings and errors of the harness, and other `tracing` events that `WAYSIDE_LOG` selects.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use wayside_harness::show;

use super::{mark, now, print};

/// A layer that prints the `tracing` events of this process.
pub(super) struct Diagnostics;

impl<S: Subscriber> Layer<S> for Diagnostics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let level = level(*metadata.level());
        // Lines of the levels DEBUG and TRACE name the module that they come from.
        let target = (*metadata.level() > Level::INFO).then(|| metadata.target());
        print(|| fields.text(level, target), || fields.json(level, target));
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[derive(Serialize)]
struct DiagnosticLine<'a> {
    time: String,
    kind: &'static str,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    message: &'a str,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The fields of a `tracing` event or span.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) request: Option<u64>,
    /// All fields except `message` and `request`. A value that is neither an integer nor a boolean is stored as text.
    pub(super) others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn text(&self, level: &str, target: Option<&str>) -> String {
        let target = target.map(|target| format!("{target}: ")).unwrap_or_default();
        let message = indented(&show::urls(&self.message));
        let mut text = format!("{}{level}: {target}{message}", mark(None, self.request));
        for (name, value) in &self.others {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            text.push_str(&format!(" {name}={}", show::line(&show::urls(&value))));
        }
        text
    }

    fn json(&self, level: &str, target: Option<&str>) -> serde_json::Result<String> {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.clone(), |text| show::urls(text).into());
        let others = self.others.iter().map(|(name, value)| ((*name).to_owned(), shown(value))).collect();
        let request = self.request;
        serde_json::to_string(&DiagnosticLine {
            time: now(),
            kind: "log",
            level,
            request,
            target,
            message: &show::urls(&self.message),
            others,
        })
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            ("request", value) if value.is_u64() => self.request = value.as_u64(),
            (name, value) => self.others.push((name, value)),
        }
    }
}

/// Indents all lines of a message but the first, so that none of them looks like an entry of the log.
fn indented(message: &str) -> String {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |all, line| {
        let indent = if line.starts_with(' ') { "" } else { "  " };
        all + "\n" + indent + line
    })
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn no_line_of_a_message_passes_for_an_entry() {
        assert_eq!(indented("one\n#2 GET / 200\n    three"), "one\n  #2 GET / 200\n    three");
        assert_eq!(indented("one"), "one");
        assert_eq!(indented(""), "");
    }
}
