//! A request and its answer, written down as a test.

use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use http::{HeaderMap, HeaderValue, Method};

use super::describe::text;
use super::history::Entry;
use crate::telemetry::Capture;
use crate::testing::Origin;
use crate::{BodyEnd, Call, Exchange};

/// Fields that the harness or the connection sets, and that are no part of what a test says.
const LEFT_OUT: [&str; 7] =
    ["connection", "content-length", "date", "host", "keep-alive", "transfer-encoding", "upgrade-insecure-requests"];

/// The source of a test that sends the request again and expects the same answer, with a mock for each call.
pub(super) fn test(entry: &Entry, origin: &Origin) -> Result<String, &'static str> {
    if let Some(reason) = entry.unrepeatable() {
        return Err(reason);
    }
    let exchange = &entry.exchange;
    let Some(status) = exchange.status else { return Err("the request was not answered") };
    let mocks = !entry.calls.is_empty();
    let mut out = String::new();
    // Writing to a `String` never fails.
    let _ = writeln!(out, "//! A request as the inspector of Wayside saw it.");
    if carries_secrets(entry, origin) {
        let _ = writeln!(out, "//!\n//! It may hold secrets: look through fields and variables before it is shared.");
    }
    let _ = writeln!(out);
    if mocks {
        let _ = writeln!(out, "use wayside_harness::http::{{Method, Request}};");
        let _ = writeln!(out, "use wayside_harness::mock::{{Call, Reply}};");
        let errors = if entry.calls.iter().any(|call| call.status.is_err()) { ", ErrorCode" } else { "" };
        let _ = writeln!(out, "use wayside_harness::{{Error{errors}, Harness, Outbound}};");
    } else {
        let _ = writeln!(out, "use wayside_harness::http::Request;\nuse wayside_harness::{{Error, Harness}};");
    }
    let _ = writeln!(out, "\n#[tokio::test]\nasync fn {}() -> Result<(), Error> {{", name(exchange));
    if mocks {
        let _ = writeln!(out, "    let mock = Outbound::mock(){};", entry.calls.iter().map(reply).collect::<String>());
    }
    let _ = writeln!(out, "    let app = {}.await?;", harness(origin, mocks));
    let _ = writeln!(out, "    let request = Request::builder(){};", request(exchange));
    let _ = writeln!(out, "    let response = app.request(request).await;");
    let _ = writeln!(out, "    assert_eq!(response.status(), {});", status.as_u16());
    out.push_str(&expected_fields(&exchange.response_headers));
    out.push_str(&expected_body(exchange));
    if mocks {
        let _ = writeln!(out, "    app.idle().await;\n    mock.verify();");
    }
    out.push_str("    Ok(())\n}\n");
    Ok(out)
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
        let _ = write!(out, "\n        .env({name:?}, {value:?})");
    }
    for (name, value) in &origin.config {
        let _ = write!(out, "\n        .config({name:?}, {value:?})");
    }
    if mocks {
        out.push_str("\n        .outbound(&mock)");
    }
    let is_long = out.contains('\n');
    out + if is_long { "\n        " } else { "" }
}

/// The way to a target from where the tests of a crate run.
fn from_tests_of(origin: &Origin, target: &Path) -> PathBuf {
    let tests = if in_tests_of_its_own(origin) { origin.target.join("component-tests") } else { origin.target.clone() };
    let (Ok(tests), Ok(target)) = (fs::canonicalize(tests), fs::canonicalize(target)) else { return target.to_owned() };
    let shared = tests.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    let up = tests.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(target.components().skip(shared)).collect()
}

/// Whether the crate has a package for tests of the component, as `wayside new` makes it.
pub(super) fn in_tests_of_its_own(origin: &Origin) -> bool {
    origin.is_crate && origin.target.join("component-tests").is_dir()
}

fn request(exchange: &Exchange) -> String {
    let mut out = String::new();
    let _ = write!(out, "\n        .method({:?})", exchange.method.as_str());
    let _ = write!(out, "\n        .uri({:?})", exchange.uri.to_string());
    for (name, value) in kept_fields(&exchange.request_headers) {
        let _ = write!(out, "\n        .header({name:?}, {})", value_literal(value));
    }
    let body = exchange.request_body.bytes();
    let body = if body.is_empty() { "()".to_owned() } else { body_literal(&body) };
    let _ = write!(out, "\n        .body({body})\n        .unwrap()");
    out
}

fn reply(call: &Call) -> String {
    let method = match call.method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::HEAD | Method::OPTIONS | Method::PATCH => {
            format!("Method::{}", call.method)
        }
        _ => format!("Method::from_bytes({}).unwrap()", bytes_literal(call.method.as_str().as_bytes())),
    };
    let mut out =
        format!("\n        .reply(\n            Call::new({method}, {:?}),\n            ", call.uri.to_string());
    match &call.status {
        Err(reason) => {
            let _ = write!(out, "Reply::fail(ErrorCode::InternalError(Some({reason:?}.to_owned())))");
        }
        Ok(status) => {
            out.push_str("Reply::ok()");
            if status.as_u16() != 200 {
                let _ = write!(out, ".status({})", status.as_u16());
            }
            for (name, value) in kept_fields(&call.response_headers) {
                let _ = write!(out, "\n                .header({name:?}, {})", value_literal(value));
            }
            let body = call.response_body.bytes();
            if !body.is_empty() {
                let _ = write!(out, "\n                .body({})", body_literal(&body));
            }
        }
    }
    out + ",\n        )"
}

fn kept_fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &HeaderValue)> {
    headers.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !LEFT_OUT.contains(name))
}

fn expected_fields(headers: &HeaderMap) -> String {
    let mut out = String::new();
    for name in headers.keys().filter(|name| !LEFT_OUT.contains(&name.as_str())) {
        let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
        let name = name.as_str();
        let _ = match values.as_slice() {
            [value] => match value.to_str() {
                Ok(value) => writeln!(out, "    assert_eq!(response.headers()[{name:?}], {value:?});"),
                Err(_) => {
                    let value = bytes_literal(value.as_bytes());
                    writeln!(out, "    assert_eq!(response.headers()[{name:?}].as_bytes(), {value});")
                }
            },
            values => {
                let values: Vec<String> = values.iter().map(|value| bytes_literal(value.as_bytes())).collect();
                writeln!(
                    out,
                    "    let values: Vec<&[u8]> =\n        \
                     response.headers().get_all({name:?}).iter().map(|value| value.as_bytes()).collect();\n    \
                     let expected: [&[u8]; {}] = [{}];\n    assert_eq!(values, expected);",
                    values.len(),
                    values.join(", "),
                )
            }
        };
    }
    out
}

fn expected_body(exchange: &Exchange) -> String {
    let body: &Capture = &exchange.response_body;
    let bytes = body.bytes();
    if matches!(exchange.end, Some(BodyEnd::Broken(_))) {
        return "    assert!(response.into_body().bytes().await.is_err(), \"the body breaks off\");\n".to_owned();
    }
    if body.is_cut() || exchange.end != Some(BodyEnd::Whole) {
        let literal = bytes_literal(&bytes);
        return format!(
            "    // There was more, which was not kept.\n    \
             assert!(response.into_body().bytes().await.unwrap().starts_with({literal}));\n"
        );
    }
    match text(&bytes, false) {
        Some(text) => format!("    assert_eq!(response.into_body().text().await.unwrap(), {text:?});\n"),
        None => {
            let literal = bytes_literal(&bytes);
            format!("    assert_eq!(response.into_body().bytes().await.unwrap(), {literal}.as_slice());\n")
        }
    }
}

/// Whether people often keep something secret in what the test would hold.
fn carries_secrets(entry: &Entry, origin: &Origin) -> bool {
    const NAMES: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"];
    let exchange = &entry.exchange;
    let calls = entry.calls.iter().map(|call| &call.response_headers);
    let mut headers = [&exchange.request_headers, &exchange.response_headers].into_iter().chain(calls);
    !origin.env.is_empty() || headers.any(|headers| NAMES.iter().any(|name| headers.contains_key(*name)))
}

fn value_literal(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("{}.as_slice()", bytes_literal(value.as_bytes())),
    }
}

fn body_literal(bytes: &[u8]) -> String {
    match text(bytes, false) {
        Some(text) => format!("{text:?}"),
        None => format!("{}.to_vec()", bytes_literal(bytes)),
    }
}

fn bytes_literal(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii())
}
