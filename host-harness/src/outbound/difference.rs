//! Describes the differences between a call and an expected call.

use http::{HeaderMap, HeaderName};

use super::json::Json;

use crate::show;

/// How many characters of a text are shown.
const SHOWN: usize = 120;
/// How many of the places in which two JSON documents differ are listed.
const PLACES: usize = 5;

/// The differences between a call and an expected call, one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) lines: Vec<String>,
    /// The distance between the two calls: a different URL weighs more than a different body.
    distance: u32,
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn distance(&self) -> u32 {
        self.distance
    }

    pub(crate) fn method(&mut self, expected: &str, found: &str) {
        if expected != found {
            self.add(4, format!("method: expected `{expected}`, found `{found}`"));
        }
    }

    /// Adds the difference of the URLs. The longer their common beginning is, the smaller is the distance.
    pub(crate) fn url(&mut self, expected: &str, found: &str) {
        let same = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
        let share = 8 * same / expected.len().max(found.len()).max(1);
        let (expected, found) = (show::urls(expected), show::urls(found));
        self.add(16 - u32::try_from(share).unwrap_or(0), format!("URL: expected `{expected}`, found `{found}`"));
    }

    pub(crate) fn query(&mut self, name: &str, expected: &str, found: &[String]) {
        self.add(2, format!("query {name}: expected `{expected}`, found {}", quoted(found)));
    }

    /// Compares all values of a header.
    pub(crate) fn field(&mut self, name: &HeaderName, expected: &HeaderMap, found: &HeaderMap) {
        if expected.get_all(name).iter().ne(found.get_all(name)) {
            let (expected, found) = (values(expected, name), values(found, name));
            self.add(2, format!("field {name}: expected {}, found {}", quoted(&expected), quoted(&found)));
        }
    }

    /// Adds a line for a header that does not have the expected value.
    pub(crate) fn field_value(&mut self, name: &str, expected: &str, found: &[String]) {
        self.add(2, format!("field {name}: expected `{expected}`, found {}", quoted(found)));
    }

    pub(crate) fn body(&mut self, expected: &[u8], found: &[u8]) {
        if expected == found {
            return;
        }
        let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
        let mut line = format!("body: expected {}, found {}", excerpt(expected, at), excerpt(found, at));
        if at > 0 || expected.len().max(found.len()) > SHOWN {
            line.push_str(&format!(
                "; {} bytes against {}, the first that differs is number {}",
                expected.len(),
                found.len(),
                at + 1
            ));
        }
        self.add(1, line);
    }

    /// Compares a body with a JSON document, without regard to white space, key order and number format.
    pub(crate) fn json(&mut self, expected: &Json, found: &[u8]) {
        match Json::read(found) {
            Ok(found) if found == *expected => {}
            Ok(found) => {
                let mut places = Vec::new();
                json_places("body", expected, &found, &mut places);
                let more = places.len().saturating_sub(PLACES);
                places.truncate(PLACES);
                places.into_iter().for_each(|place| self.add(1, place));
                if more > 0 {
                    self.add(0, format!("body: and {more} places more"));
                }
            }
            Err(error) => {
                let found = excerpt(found, 0);
                self.add(
                    1,
                    format!("body: expected the JSON {}, found {found}: {error}", short(&expected.to_string())),
                );
            }
        }
    }

    pub(crate) fn condition(&mut self, what: &str) {
        self.add(1, format!("condition: expected {what}"));
    }

    fn add(&mut self, distance: u32, line: String) {
        self.distance += distance;
        self.lines.push(show::line(&line).into_owned());
    }
}

pub(crate) fn values(fields: &HeaderMap, name: &HeaderName) -> Vec<String> {
    fields.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

fn quoted(values: &[String]) -> String {
    match values {
        [] => "nothing".to_owned(),
        values => values.iter().map(|value| format!("`{}`", short(value))).collect::<Vec<_>>().join(", "),
    }
}

/// Adds a line for each place in which two documents differ.
fn json_places(place: &str, expected: &Json, found: &Json, lines: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            for (key, value) in expected {
                let place = format!("{place}.{key}");
                match found.get(key) {
                    Some(found) => json_places(&place, value, found, lines),
                    None => lines.push(format!("{place}: expected `{}`, found nothing", short(&value.to_string()))),
                }
            }
            for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                lines.push(format!("{place}.{key}: expected nothing, found `{}`", short(&value.to_string())));
            }
        }
        (Json::Array(expected), Json::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                json_places(&format!("{place}[{index}]"), expected, found, lines);
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => {
            let (expected, found) = (short(&expected.to_string()), short(&found.to_string()));
            lines.push(format!("{place}: expected `{expected}`, found `{found}`"));
        }
    }
}

/// Quotes the part of a body around a byte position. Gives only the length of a body that is not text.
fn excerpt(body: &[u8], at: usize) -> String {
    if body.is_empty() {
        return "nothing".to_owned();
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return format!("{} bytes that are no text", body.len());
    };
    // Starts a few characters before the position.
    let mut from = if text.len() > SHOWN { at.saturating_sub(20).min(text.len()) } else { 0 };
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let dots = if from > 0 { "…" } else { "" };
    format!("`{dots}{}`", short(&text[from..]))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(expected: &str, found: &str) -> Vec<String> {
        let mut difference = Difference::default();
        difference.json(&Json::read(expected.as_bytes()).unwrap(), found.as_bytes());
        difference.lines
    }

    #[test]
    fn json_is_compared_as_json() {
        assert!(json(r#"{"a":1,"b":[2]}"#, "{ \"b\": [2], \"a\": 1 }").is_empty());
        assert_eq!(
            json(r#"{"a":1,"b":[2,3],"c":null}"#, r#"{"a":2,"b":[2,4],"d":0}"#),
            [
                "body.a: expected `1`, found `2`",
                "body.b[1]: expected `3`, found `4`",
                "body.c: expected `null`, found nothing",
                "body.d: expected nothing, found `0`",
            ]
        );
        assert!(json("1", "{").first().unwrap().starts_with("body: expected the JSON 1, found `{`: "));
    }

    #[test]
    fn numbers_of_json_are_compared_by_value_and_to_the_last_digit() {
        assert!(json(r#"{"a":[1,100]}"#, r#"{"a":[1.0,1e2]}"#).is_empty());
        assert_eq!(
            json(
                r#"{"a":9007199254740993,"b":18446744073709551617}"#,
                r#"{"a":9007199254740992,"b":18446744073709551616}"#
            ),
            [
                "body.a: expected `9007199254740993`, found `9007199254740992`",
                "body.b: expected `18446744073709551617`, found `18446744073709551616`",
            ]
        );
    }

    #[test]
    fn a_long_body_is_shown_where_it_differs() {
        let (mut expected, mut found) = ("x".repeat(1000), "x".repeat(1000));
        expected.push('a');
        found.push('ä');
        let mut difference = Difference::default();
        difference.body(expected.as_bytes(), found.as_bytes());
        let line = &difference.lines[0];
        assert!(line.contains("xxxa`") && line.contains("xxxä`") && line.len() < 400, "{line}");
        assert!(line.ends_with("1001 bytes against 1002, the first that differs is number 1001"), "{line}");
    }

    #[test]
    fn bytes_that_are_no_text_are_counted() {
        let mut difference = Difference::default();
        difference.body(b"\xff\xfe", b"");
        assert_eq!(difference.lines, ["body: expected 2 bytes that are no text, found nothing"]);
    }

    #[test]
    fn a_url_that_begins_alike_is_nearer() {
        let distance = |expected| {
            let mut difference = Difference::default();
            difference.url(expected, "http://a.test/users/7");
            difference.distance()
        };
        assert!(distance("http://a.test/users/8") < distance("http://b.test/"));
    }
}
