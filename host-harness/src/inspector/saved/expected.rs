//! Writes the checks for the response of a saved test.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue};

use super::{LEFT_OUT, literal};
use crate::inspector::plain_text::text;
use crate::{BodyEnd, Exchange};

/// Writes the checks of a response.
pub(super) fn checks(exchange: &Exchange) -> String {
    let status = exchange.status.map_or(0, |status| status.as_u16());
    let status = format!("    assert_eq!(response.status(), {status});\n");
    status + &fields("response.headers()", &exchange.response_headers) + &body(exchange)
}

/// Writes the source code of the assertions about headers. `map` is the expression for the header map.
fn fields(map: &str, expected: &HeaderMap) -> String {
    let names = expected.keys().filter(|name| !LEFT_OUT.contains(&name.as_str()));
    let check = |name: &http::HeaderName| {
        let values: Vec<&HeaderValue> = expected.get_all(name).iter().collect();
        let name = name.as_str();
        if let [value] = values[..] {
            return match value.to_str() {
                Ok(value) => format!("    assert_eq!({map}[{name:?}], {value:?});\n"),
                Err(_) => {
                    format!("    assert_eq!({map}[{name:?}].as_bytes(), {});\n", literal::bytes(value.as_bytes()))
                }
            };
        }
        let literals: Vec<String> = values.iter().map(|value| literal::bytes(value.as_bytes())).collect();
        format!(
            "    let values: Vec<&[u8]> =\n        {map}.get_all({name:?}).iter().map(|value| value.as_bytes()).collect();\n    \
             let expected: [&[u8]; {}] = [{}];\n    assert_eq!(values, expected);\n",
            values.len(),
            literals.join(", "),
        )
    };
    names.map(check).collect()
}

fn body(exchange: &Exchange) -> String {
    let bytes = exchange.response_body.bytes();
    if matches!(exchange.end, Some(BodyEnd::Broken(_))) {
        return "    assert!(response.into_body().bytes().await.is_err(), \"the body breaks off\");\n".to_owned();
    }
    if exchange.response_bytes != bytes.len() as u64 || exchange.end != Some(BodyEnd::Whole) {
        let literal = literal::bytes(&bytes);
        return format!(
            "    // There was more, which was not kept.\n    \
             assert!(response.into_body().bytes().await.unwrap().starts_with({literal}));\n"
        );
    }
    let text = text(&bytes, false);
    let bytes = literal::bytes(&bytes);
    if let Some(trailers) = exchange.response_body.trailers().filter(|trailers| !trailers.is_empty()) {
        let mut out =
            "    let (body, trailers) = response.into_body().bytes_and_trailers().await.unwrap();\n".to_owned();
        let body = text.map_or_else(|| format!("{bytes}.as_slice()"), |text| format!("{text:?}"));
        // Writing to a `String` never fails.
        let _ = write!(out, "    assert_eq!(body, {body});\n    let trailers = trailers.unwrap();\n");
        return out + &fields("trailers", &trailers);
    }
    match text {
        Some(text) => format!("    assert_eq!(response.into_body().text().await.unwrap(), {text:?});\n"),
        None => format!("    assert_eq!(response.into_body().bytes().await.unwrap(), {bytes}.as_slice());\n"),
    }
}
