//! Writes the outbound calls of a request as the source of a mock with the same replies.

use std::fmt::Write as _;

use http::{HeaderMap, Method, header};

use super::literal;
use crate::inspector::history::Entry;
use crate::message::error_code;
use crate::{BodyEnd, OutboundCall, show};

/// Headers that a reply leaves out: those of one connection, and the length, which the mock sets itself.
const LEFT_OUT: [&str; 4] = ["connection", "content-length", "keep-alive", "transfer-encoding"];

/// Returns the reason why a mock cannot give the same replies.
pub(super) fn objection(entry: &Entry) -> Option<&'static str> {
    if entry.exchange.calls as usize != entry.calls.len() {
        return Some("not all of its calls were kept");
    }
    let is_given_up = |call: &OutboundCall| call.status.is_ok() && call.end == Some(BodyEnd::GivenUp);
    if entry.exchange.end == Some(BodyEnd::GivenUp) && entry.calls.iter().any(is_given_up) {
        return Some("its client hung up, and so the answer to a call was not read to its end");
    }
    entry.calls.iter().find_map(|call| match call.end {
        Some(BodyEnd::Broken(_)) => Some("the answer to a call broke off"),
        _ if call.response_bytes != call.response_body.kept_bytes() as u64 => {
            Some("the answer to a call was longer than what was kept of it")
        }
        _ => None,
    })
}

/// Writes a mock that expects all calls.
pub(super) fn mock(calls: &[OutboundCall]) -> String {
    // The calls are listed in the order in which they ended. The mock must reply to equal calls in the order in which
    // they started.
    let mut calls: Vec<&OutboundCall> = calls.iter().collect();
    calls.sort_by_key(|call| call.after);
    let is_same = |one: &OutboundCall, other: &OutboundCall| {
        one.method == other.method && show::url(&one.uri) == show::url(&other.uri)
    };
    let replies = calls.iter().map(|call| {
        let is_one_of_many = calls.iter().filter(|other| is_same(call, other)).count() > 1;
        format!(
            "\n        .reply(\n            {},\n            {},\n        )",
            expected(call, is_one_of_many),
            reply(call)
        )
    });
    format!("Outbound::mock(){}", replies.collect::<String>())
}

fn expected(call: &OutboundCall, is_one_of_many: bool) -> String {
    let method = match call.method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::HEAD | Method::OPTIONS | Method::PATCH => {
            format!("Method::{}", call.method)
        }
        _ => format!("Method::from_bytes({}).unwrap()", literal::bytes(call.method.as_str().as_bytes())),
    };
    let times = if is_one_of_many { ".times(1)" } else { "" };
    // The URL is written without user information, which a mock ignores.
    format!("Call::new({method}, {:?}){times}", show::url(&call.uri))
}

fn reply(call: &OutboundCall) -> String {
    let status = match (&call.status, &call.error) {
        (Ok(status), _) => status.as_u16(),
        (Err(_), Some(code)) => return format!("Reply::fail({})", error_code::source(code)),
        // The component gave up the call before there was a response or an error.
        (Err(_), None) => return "Reply::silence()".to_owned(),
    };
    let mut out = "Reply::ok()".to_owned();
    // Writing to a `String` never fails.
    if status != 200 {
        let _ = write!(out, ".status({status})");
    }
    let body = call.response_body.bytes();
    for (name, value) in &call.response_headers {
        if !LEFT_OUT.contains(&name.as_str()) || (name == header::CONTENT_LENGTH && *value != body.len().to_string()) {
            let _ = write!(out, "\n                .header({:?}, {})", name.as_str(), literal::value(value));
        }
    }
    if !body.is_empty() {
        let _ = write!(out, "\n                .body({})", literal::body(&body));
    }
    for (name, value) in call.response_body.trailers().iter().flat_map(HeaderMap::iter) {
        let _ = write!(out, "\n                .trailer({:?}, {})", name.as_str(), literal::value(value));
    }
    if call.end != Some(BodyEnd::Whole) {
        // The rest of the body is unknown, because the component did not read it.
        let _ = write!(out, "\n                .stall_after({})", body.len());
    }
    out
}
