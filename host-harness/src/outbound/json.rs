//! JSON documents without loss: numbers keep their digits.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::IgnoredAny;

/// A JSON document. Equality ignores white space, key order, and number format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// `null`, `true` or `false`.
    Literal(&'static str),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// A number, as the document spells it.
#[derive(Clone, Debug)]
pub(crate) struct Number(String);

impl Json {
    /// Parses a document (RFC 8259).
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        // The parser below relies on valid JSON with a limited depth.
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
        Reader { rest: text }.value().ok_or_else(|| "a string in it is half of a surrogate pair".to_owned())
    }

    /// Serializes a value.
    pub(crate) fn of(value: impl Serialize) -> Result<Self, String> {
        Self::read(&serde_json::to_vec(&value).map_err(|error| error.to_string())?)
    }

    /// Converts a TOML value; dates become strings.
    pub(crate) fn of_toml(value: toml::Value) -> Result<Self, String> {
        Ok(match value {
            toml::Value::String(text) => Self::String(text),
            toml::Value::Integer(number) => Self::Number(Number(number.to_string())),
            toml::Value::Float(number) => Self::Number(Number(
                serde_json::Number::from_f64(number)
                    .ok_or_else(|| format!("JSON has no number `{number}`; write a string or another number"))?
                    .to_string(),
            )),
            toml::Value::Boolean(truth) => Self::Literal(if truth { "true" } else { "false" }),
            toml::Value::Datetime(date) => Self::String(date.to_string()),
            toml::Value::Array(items) => Self::Array(items.into_iter().map(Self::of_toml).collect::<Result<_, _>>()?),
            toml::Value::Table(table) => {
                let entry = |(key, value)| Ok::<_, String>((key, Self::of_toml(value)?));
                Self::Object(table.into_iter().map(entry).collect::<Result<_, _>>()?)
            }
        })
    }
}

/// Parses a document that is known to be valid.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Json> {
        self.rest = self.rest.trim_ascii_start();
        match self.rest.bytes().next()? {
            b'"' => self.string().map(Json::String),
            b'[' => {
                let mut items = Vec::new();
                while !self.is_closed_by(']')? {
                    items.push(self.value()?);
                }
                Some(Json::Array(items))
            }
            b'{' => {
                let mut entries = BTreeMap::new();
                while !self.is_closed_by('}')? {
                    self.rest = self.rest.trim_ascii_start();
                    let key = self.string()?;
                    self.rest = self.rest.trim_ascii_start().strip_prefix(':')?;
                    entries.insert(key, self.value()?);
                }
                Some(Json::Object(entries))
            }
            _ => {
                let is_part = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
                let end = self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                let literal = ["null", "true", "false"].into_iter().find(|literal| *literal == word);
                Some(literal.map_or_else(|| Json::Number(Number(word.to_owned())), Json::Literal))
            }
        }
    }

    /// Skips the bracket or comma before the next element. Returns whether there is no next element.
    fn is_closed_by(&mut self, bracket: char) -> Option<bool> {
        let rest = self.rest.trim_ascii_start();
        if let Some(rest) = rest.strip_prefix(bracket) {
            self.rest = rest;
            return Some(true);
        }
        self.rest = rest.strip_prefix(['[', '{', ',']).map(str::trim_ascii_start)?;
        // An empty array or object is closed directly after its opening bracket.
        match self.rest.strip_prefix(bracket) {
            Some(rest) => {
                self.rest = rest;
                Some(true)
            }
            None => Some(false),
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut is_escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        })?;
        let (string, rest) = self.rest.split_at(end + 2);
        self.rest = rest;
        serde_json::from_str(string).ok()
    }
}

impl Number {
    /// Splits a number into sign, digits without zeros at either end, and power of ten. Returns `None` if the power
    /// does not fit into 64 bits.
    fn parts(&self) -> Option<(bool, String, i64)> {
        let (is_negative, text) = match self.0.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, &self.0[..]),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        let digits = digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some((false, String::new(), 0));
        }
        let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
        let power = power.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
        Some((is_negative, significant.to_owned(), power))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self.parts(), other.parts()) {
            (Some(own), Some(other)) => own == other,
            _ => self.0 == other.0,
        }
    }
}

impl Eq for Number {}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(word) => f.write_str(word),
            Self::Number(Number(digits)) => f.write_str(digits),
            Self::String(text) => write!(f, "{}", serde_json::Value::from(&text[..])),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Object(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", serde_json::Value::from(&key[..]))?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        Json::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_document_is_written_as_it_was_read() {
        for text in [
            "null",
            "[]",
            "{}",
            r#"[true,false,null,-1,1e400,0.10,"a\"b\\"]"#,
            r#"{"":[[]],"a":{"b":{}},"ü":"\n"}"#,
            "123456789012345678901234567890.123456789012345678901234567890",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        let spaced = " { \"b\" : [ 1 , 2 ] , \"a\" : \"x\\u00e9\\ud83d\\ude00]},\" } \n";
        assert_eq!(read(spaced).to_string(), "{\"a\":\"x\u{e9}\u{1f600}]},\",\"b\":[1,2]}");
    }

    #[test]
    fn numbers_are_equal_by_value() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("100", "1E+2"),
            ("0.01", "1e-2"),
            ("0.010", "0.1E-1"),
            ("0", "-0.0e5"),
            ("18446744073709551616", "18446744073709551616.0"),
            ("1e400", "10e399"),
            ("-12300", "-1.23e4"),
        ] {
            assert_eq!(read(one), read(other));
        }
    }

    #[test]
    fn numbers_that_a_float_takes_for_equal_are_told_apart() {
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("9223372036854775807", "9223372036854775808"),
            ("18446744073709551615", "18446744073709551616"),
            ("123456789012345678901234567890", "123456789012345678901234567891"),
            ("0.1", "0.1000000000000000055511151231257827"),
            ("1e400", "1e401"),
            ("1", "-1"),
            ("1e99999999999999999999", "1e99999999999999999998"),
        ] {
            assert_ne!(read(one), read(other));
        }
        assert_ne!(Json::of(u64::MAX), Json::of(u64::MAX - 1));
        assert_ne!(Json::of(u128::MAX), Json::of(u128::MAX - 1));
        assert_eq!(Json::of(1.0), Json::of(1));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "{", "[1,]", "01", "nul", "\"", "1 2", "\"\\ud800\"", &"[".repeat(100_000)] {
            assert!(Json::read(text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(Json::read(b"\"\xff\"").is_err());
    }

    #[test]
    fn toml_becomes_what_it_looks_like() {
        let value = |text: &str| Json::of_toml(toml::from_str::<toml::Table>(text).unwrap().remove("v").unwrap());
        assert_eq!(value("v = { a = 1, b = [1.5, true, 'x'] }").unwrap(), read(r#"{"a":1,"b":[1.5,true,"x"]}"#));
        assert_eq!(value("v = [2026-11-26]").unwrap(), read(r#"["2026-11-26"]"#));
        assert_eq!(
            value("v = [2026-11-26T12:00:00Z, 12:30:00]").unwrap(),
            read(r#"["2026-11-26T12:00:00Z","12:30:00"]"#)
        );
        for text in ["v = nan", "v = [inf]", "v = { a = -inf }"] {
            assert!(value(text).unwrap_err().contains("JSON has no number"), "{text}");
        }
    }
}
