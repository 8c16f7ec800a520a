//! Writes a recorded request and its response as the source of a test.

mod calls;
mod expected;
mod literal;

use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use http::{HeaderMap, header};

use super::history::Entry;
use crate::harness::Origin;
use crate::{Exchange, Redaction, show};

/// Headers that a test leaves out, most of them because the harness or the connection sets them.
const LEFT_OUT: [&str; 7] =
    ["connection", "content-length", "date", "host", "keep-alive", "transfer-encoding", "upgrade-insecure-requests"];

/// Returns the reason why a test of this request would fail or would be incomplete.
pub(super) fn objection(entry: &Entry) -> Option<&'static str> {
    let unanswered = || entry.exchange.status.is_none().then_some("the request was not answered");
    entry.unrepeatable().or_else(unanswered).or_else(|| calls::objection(entry))
}

/// Writes the source of a test that sends the request again and expects the same response, with a mock for each call.
pub(super) fn test(entry: &Entry, origin: &Origin) -> Result<String, &'static str> {
    if let Some(reason) = objection(entry) {
        return Err(reason);
    }
    let warning = match carries_secrets(entry, origin) {
        true => "//!\n//! It may hold secrets: look through fields and settings before it is shared.\n",
        false => "",
    };
    Ok(format!(
        "//! A request as the inspector of Wayside saw it.\n{warning}\n{}\n\
         #[tokio::test]\nasync fn {}() -> Result<(), Error> {{\n{}    Ok(())\n}}\n",
        imports(entry),
        name(&entry.exchange),
        steps(entry, origin),
    ))
}

/// Returns the statements of the test.
fn steps(entry: &Entry, origin: &Origin) -> String {
    let exchange = &entry.exchange;
    let mocks = !entry.calls.is_empty();
    let mut out = String::new();
    // Writing to a `String` never fails.
    if mocks {
        let _ = writeln!(out, "    let mock = {};", calls::mock(&entry.calls));
    }
    let _ = writeln!(out, "    let app = {}.await?;", harness(origin, mocks));
    let _ = writeln!(out, "    let request = Request::builder(){};", request(exchange));
    let _ = writeln!(out, "    let response = app.request(request).await;");
    out.push_str(&expected::checks(exchange));
    if mocks {
        let _ = writeln!(out, "    app.idle().await;\n    mock.verify();");
    }
    out
}

/// Returns the imports of the test.
fn imports(entry: &Entry) -> String {
    let trailers = entry.exchange.request_body.trailers();
    let has_bytes = trailers.iter().flat_map(HeaderMap::values).any(|value| value.to_str().is_err());
    let mocks = !entry.calls.is_empty();
    let fails = entry.calls.iter().any(|call| call.error.is_some());
    let list = |names: &[(&'static str, bool)]| {
        let names: Vec<&str> = names.iter().filter(|(_, is_used)| *is_used).map(|(name, _)| *name).collect();
        if let [name] = names[..] { name.to_owned() } else { format!("{{{}}}", names.join(", ")) }
    };
    let http =
        list(&[("HeaderMap", trailers.is_some()), ("HeaderValue", has_bytes), ("Method", mocks), ("Request", true)]);
    let own = list(&[
        ("Body", trailers.is_some()),
        ("Error", true),
        ("ErrorCode", fails),
        ("Harness", true),
        ("Outbound", mocks),
    ]);
    let mock = if mocks { "use wayside_harness::mock::{Call, Reply};\n" } else { "" };
    format!("use wayside_harness::http::{http};\n{mock}use wayside_harness::{own};\n")
}

fn name(exchange: &Exchange) -> String {
    let mut name = exchange.method.as_str().to_ascii_lowercase();
    for character in exchange.uri.path().chars().take(60) {
        name.push(if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' });
    }
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let status = exchange.status.map_or(0, |status| status.as_u16());
    format!(
        "{}_is_answered_with_{status}",
        words.join("_").replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_")
    )
}

fn harness(origin: &Origin, mocks: bool) -> String {
    let target = origin.target.to_string_lossy();
    let mut out = if !origin.is_crate {
        format!("Harness::load({target:?})")
    } else if in_tests_of_its_own(origin) {
        "Harness::build(\"..\")".to_owned()
    } else {
        "Harness::build(\".\")".to_owned()
    };
    if !origin.features.is_empty() {
        let _ = write!(out, "\n        .features({:?})", origin.features);
    }
    for target in &origin.middleware {
        let target = if origin.is_crate { from_tests_of(origin, target) } else { target.clone() };
        let _ = write!(out, "\n        .middleware({:?})", target.to_string_lossy());
    }
    for (name, value) in &origin.env {
        let _ = write!(out, "\n        .env({name:?}, {:?})", show::urls(value));
    }
    for (name, value) in &origin.config {
        let _ = write!(out, "\n        .config({name:?}, {:?})", show::urls(value));
    }
    if mocks {
        out.push_str("\n        .outbound(&mock)");
    }
    let is_long = out.contains('\n');
    out + if is_long { "\n        " } else { "" }
}

/// Returns the path of a target, relative to the directory where the tests of a crate run.
fn from_tests_of(origin: &Origin, target: &Path) -> PathBuf {
    let tests = if in_tests_of_its_own(origin) { origin.target.join("component-tests") } else { origin.target.clone() };
    let (Ok(tests), Ok(target)) = (fs::canonicalize(tests), fs::canonicalize(target)) else { return target.to_owned() };
    let shared = tests.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    let up = tests.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(target.components().skip(shared)).collect()
}

/// Whether the crate contains a separate package for component tests, such as `wayside new` creates.
pub(super) fn in_tests_of_its_own(origin: &Origin) -> bool {
    origin.is_crate && origin.target.join("component-tests").is_dir()
}

fn request(exchange: &Exchange) -> String {
    let mut out = String::new();
    let _ = write!(out, "\n        .method({:?})", exchange.method.as_str());
    let _ = match (exchange.uri.path(), exchange.uri.authority()) {
        // An absolute URL cannot have the path `*`, so the host becomes a header.
        ("*", Some(host)) => write!(
            out,
            "\n        .uri(\"*\")\n        .header(\"host\", {:?})",
            host.as_str().rsplit('@').next().unwrap_or_default()
        ),
        _ => write!(out, "\n        .uri({:?})", show::url(&exchange.uri)),
    };
    for (name, value) in &exchange.request_headers {
        // Keeps `transfer-encoding`, so that the harness sends no length, as the client sent none.
        if !LEFT_OUT.contains(&name.as_str()) || name == header::TRANSFER_ENCODING {
            let _ = write!(out, "\n        .header({:?}, {})", name.as_str(), literal::value(value));
        }
    }
    let body = literal::body(&exchange.request_body.bytes());
    let body = match exchange.request_body.trailers() {
        Some(trailers) => format!("Body::from({body}).with_trailers({})", literal::fields(&trailers)),
        None => body,
    };
    let _ = write!(out, "\n        .body({body})\n        .unwrap()");
    out
}

/// Whether the test that is made from this entry would contain data that [`Redaction`] considers secret, or settings of the component, which may be
/// secret.
fn carries_secrets(entry: &Entry, origin: &Origin) -> bool {
    let redaction = Redaction::default();
    let exchange = &entry.exchange;
    let own =
        [(&exchange.request_headers, &exchange.request_body), (&exchange.response_headers, &exchange.response_body)];
    let calls = entry.calls.iter().map(|call| (&call.response_headers, &call.response_body));
    let mut messages = own.into_iter().chain(calls);
    let mut uris = std::iter::once(&exchange.uri).chain(entry.calls.iter().map(|call| &call.uri));
    !origin.env.is_empty()
        || !origin.config.is_empty()
        || uris.any(|uri| redaction.finds_secrets_in_url(&uri.to_string()))
        || messages.any(|(fields, body)| {
            redaction.finds_secrets(fields, &body.bytes())
                || body.trailers().is_some_and(|trailers| redaction.finds_secrets(&trailers, &Bytes::new()))
        })
}
