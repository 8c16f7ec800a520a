//! Logs the host calls of components. wasmtime's bindings trace each call as a span with two events, one for the
//! arguments and one for the result.

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use wayside_harness::show;

use super::diagnostics::Fields;
use super::{mark, now, print};

/// The name of the span that wasmtime's bindings open for a host call.
const CALL: &str = "wit-bindgen import";
/// The name of the span that the harness opens for an instance; its field is the number of the current request.
const REQUEST: &str = "request";

/// Selects the spans and events of wasmtime's bindings, and the harness's spans of instances.
pub(super) fn filter() -> FilterFn {
    filter_fn(|metadata| is_request(metadata) || metadata.name() == CALL || interface(metadata.target()).is_some())
}

fn is_request(metadata: &Metadata<'_>) -> bool {
    metadata.name() == REQUEST && metadata.is_span() && metadata.target().starts_with("wayside_harness")
}

/// Derives the name of an interface, such as `wasi:http/types`, from the path of the Rust module with its bindings.
fn interface(module: &str) -> Option<String> {
    let (_, path) = module.split_once("::wasi::")?;
    let (package, interface) = path.split_once("::")?;
    Some(format!("wasi:{package}/{interface}").replace('_', "-"))
}

#[derive(Serialize)]
struct WasiLine<'a> {
    time: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    interface: &'a str,
    function: &'a str,
    arguments: Map<String, Value>,
    /// The result of the call; `None` if the call did not return.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
}

/// Shortens a value that the bindings print. Removes the outer `Ok`, which only says that the host did not trap, and
/// replaces each resource by its number.
fn readable(value: &str) -> String {
    let value = value.strip_prefix("Ok(").and_then(|value| value.strip_suffix(')')).unwrap_or(value);
    let mut pieces = value.split("Resource { rep: ");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let number = piece.split(|char: char| !char.is_ascii_digit()).next().unwrap_or_default();
        let rest = piece.split_once(" }").map_or("", |(_, rest)| rest);
        text.push_str(&format!("resource {number}{rest}"));
    }
    text.replace("\"...\"", "...")
}

/// Redacts the user information of URLs and authorities in a value.
fn shown(function: &str, value: &str) -> String {
    let value = show::urls(value);
    match (value.find('"'), value.rfind('@')) {
        // `show::urls` looks for `//`, which does not precede an authority that is logged alone.
        (Some(start), Some(end)) if function.ends_with("authority") && start < end => {
            format!("{}redacted{}", &value[..=start], &value[end..])
        }
        _ => value,
    }
}

/// A layer that prints a line for each host call when the call ends.
pub(super) struct Calls;

impl Calls {
    fn print(&self, call: &Call, result: Option<&str>) {
        let text = || {
            let arguments: Vec<String> = call
                .arguments
                .iter()
                .map(|(name, value)| {
                    let value = value.as_str().map_or_else(|| value.to_string(), readable);
                    format!("{}: {value}", name.trim_end_matches('_'))
                })
                .collect();
            let result = match result.map(readable).as_deref() {
                Some("()") => String::new(),
                Some(result) => format!(" -> {result}"),
                None => " did not return".to_owned(),
            };
            let (interface, function) = (&call.interface, &call.function);
            let text = format!("{interface} {function}({}){result}", arguments.join(", "));
            mark(None, call.request) + &show::line(&text)
        };
        let json = || {
            let arguments = call.arguments.iter();
            serde_json::to_string(&WasiLine {
                time: now(),
                kind: "wasi",
                request: call.request,
                interface: &call.interface,
                function: &call.function,
                arguments: arguments
                    .map(|(name, value)| (name.trim_end_matches('_').to_owned(), value.clone()))
                    .collect(),
                result,
            })
        };
        print(text, json);
    }
}

/// A host call that has not returned yet.
struct Call {
    request: Option<u64>,
    interface: String,
    function: String,
    arguments: Vec<(&'static str, Value)>,
}

/// The number of the current request, stored with the span of its instance.
struct Request(u64);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Calls {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if is_request(attributes.metadata()) {
            if let Some(request) = fields.request {
                span.extensions_mut().insert(Request(request));
            }
            return;
        }
        let request = span.scope().skip(1).find_map(|outer| outer.extensions().get::<Request>().map(|found| found.0));
        let function = fields.others.iter().find(|(name, _)| *name == "function");
        let function = function.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned();
        let interface = interface(attributes.metadata().target()).unwrap_or_default();
        span.extensions_mut().insert(Call { request, interface, function, arguments: Vec::new() });
    }

    /// Called when an instance turns to another request, and the harness records the number of that request in the
    /// span.
    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let (Some(request), Some(noted)) = (fields.request, span.extensions_mut().get_mut::<Request>()) {
            noted.0 = request;
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut extensions = span.extensions_mut();
        if fields.message == "call" {
            if let Some(call) = extensions.get_mut::<Call>() {
                let function = &call.function;
                let shown = |value: Value| value.as_str().map(|text| shown(function, text).into()).unwrap_or(value);
                call.arguments = fields.others.into_iter().map(|(name, value)| (name, shown(value))).collect();
            }
        } else if let Some(call) = extensions.remove::<Call>() {
            let result = fields.others.iter().find(|(name, _)| *name == "result");
            let result = result.and_then(|(_, value)| value.as_str()).unwrap_or("()");
            self.print(&call, Some(&shown(&call.function, result)));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let call = span.extensions_mut().remove::<Call>();
        if let Some(call) = call {
            self.print(&call, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{interface, readable, shown};

    #[test]
    fn a_password_in_an_authority_is_not_shown() {
        for (function, value, expected) in [
            ("[method]outgoing-request.set-authority", r#"Some("ada:s3cret@a.test")"#, r#"Some("redacted@a.test")"#),
            ("[method]request.get-authority", r#"Ok(Some("ada:s3@cret@a.test"))"#, r#"Ok(Some("redacted@a.test"))"#),
            ("[method]request.get-authority", r#"Ok(Some("a.test:80"))"#, r#"Ok(Some("a.test:80"))"#),
            ("[method]incoming-request.path-with-query", r#"Ok(Some("/?mail=ada@b"))"#, r#"Ok(Some("/?mail=ada@b"))"#),
            ("get", r#"Ok(Ok(Some("http://ada:s3cret@b/")))"#, r#"Ok(Ok(Some("http://redacted@b/")))"#),
        ] {
            assert_eq!(shown(function, value), expected);
        }
    }

    #[test]
    fn values_are_short() {
        let resource = r#"Resource { rep: 3, state: "own (not in table)" }"#;
        assert_eq!(readable(&format!("Ok(Ok({resource}))")), "Ok(resource 3)");
        assert_eq!(readable("Ok(())"), "()");
        assert_eq!(readable(&format!("Ok([{resource}, {resource}])")), "[resource 3, resource 3]");
        assert_eq!(readable("\"...\""), "...");
    }

    #[test]
    fn an_interface_is_named_as_in_wit() {
        let module = "wasmtime_wasi_http::p2::bindings::generated::wasi::http::outgoing_handler";
        assert_eq!(interface(module).as_deref(), Some("wasi:http/outgoing-handler"));
        assert_eq!(interface("wasmtime_wasi::p2"), None);
    }
}
