//! The names in the `content-disposition` of a part (RFC 7578, section 4.2).

use http::{HeaderMap, header};

use crate::sys::http::parameters::Parameters;

/// The field name and the file names of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: Option<String>,
    pub(super) file_name: Option<String>,
    pub(super) extended_file_name: Option<String>,
}

impl Disposition {
    /// Parses the names in the headers of a part. Returns `None` if `content-disposition` is malformed, occurs twice,
    /// or repeats a parameter.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_DISPOSITION).iter();
        let Some(value) = values.next() else { return Some(Self::default()) };
        if values.next().is_some() {
            return None;
        }
        let parameters = Parameters::read(value.as_bytes())?;
        Some(Self {
            name: parameters.get("name").map(unescaped),
            file_name: parameters.get("filename").map(unescaped),
            extended_file_name: parameters.get("filename*").and_then(extended),
        })
    }
}

/// Decodes `%22`, `%0D` and `%0A`, and no other escapes, because browsers percent-encode only quotes and line breaks in
/// a name (WHATWG HTML, "multipart/form-data encoding algorithm").
fn unescaped(value: &[u8]) -> String {
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [byte, after @ ..] = rest {
        let (byte, after) = match after {
            [b'2', b'2', after @ ..] if *byte == b'%' => (b'"', after),
            [b'0', b'D' | b'd', after @ ..] if *byte == b'%' => (b'\r', after),
            [b'0', b'A' | b'a', after @ ..] if *byte == b'%' => (b'\n', after),
            _ => (*byte, after),
        };
        plain.push(byte);
        rest = after;
    }
    text(plain)
}

/// Decodes bytes as UTF-8, or as ISO 8859-1 if they are not UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| latin1(error.as_bytes()))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Decodes a value like `UTF-8''%e2%82%ac.txt` (RFC 8187, section 3.2). Returns `None` if it is malformed or its
/// charset is neither UTF-8 nor ISO 8859-1.
fn extended(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = percent_decoded(encoded)?;
    if charset.eq_ignore_ascii_case(b"utf-8") {
        String::from_utf8(bytes).ok()
    } else if charset.eq_ignore_ascii_case(b"iso-8859-1") {
        Some(latin1(&bytes))
    } else {
        None
    }
}

fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [] => return Some(bytes),
            [b'%', high, low, after @ ..] => {
                let digit = |digit: &u8| char::from(*digit).to_digit(16);
                bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
                rest = after;
            }
            [b'%', ..] => return None,
            [byte, after @ ..] => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: impl AsRef<[u8]>) -> Option<(Option<String>, Option<String>, Option<String>)> {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, value)]);
        Disposition::of(&headers).map(|read| (read.name, read.file_name, read.extended_file_name))
    }

    fn name(value: impl AsRef<[u8]>) -> String {
        read([b"form-data; name=", value.as_ref()].concat()).unwrap().0.unwrap()
    }

    #[test]
    fn both_names_of_a_file_are_read_in_either_order() {
        let both = Some((None, Some("eur.txt".to_owned()), Some("\u{20ac}.txt".to_owned())));
        assert_eq!(read("form-data; filename*=UTF-8''%e2%82%ac.txt; filename=\"eur.txt\""), both);
        assert_eq!(read("form-data; FileName=\"eur.txt\"; FILENAME*=utf-8'en'%E2%82%AC.txt"), both);
    }

    #[test]
    fn an_extended_name_that_cannot_be_decoded_leaves_the_other() {
        for extended in ["UTF-8''%e2%82", "UTF-8''%e", "UTF-8''%zz", "UTF-8", "KOI8-R''a"] {
            let names = read(format!("form-data; filename*={extended}; filename=a")).unwrap();
            assert_eq!(names, (None, Some("a".to_owned()), None), "{extended}");
        }
        assert_eq!(read("form-data; filename*=iso-8859-1''caf%e9").unwrap().2.unwrap(), "caf\u{e9}");
    }

    #[test]
    fn the_escapes_of_browsers_are_taken_back_and_no_others() {
        assert_eq!(name("\"a%22b%0D%0Ac%0d%0ad\""), "a\"b\r\nc\r\nd");
        assert_eq!(name("\"100%25 %20%2 %\""), "100%25 %20%2 %");
    }

    #[test]
    fn a_name_is_utf_8_or_latin_1() {
        assert_eq!(name("\"caf\u{e9}\""), "caf\u{e9}");
        assert_eq!(name(b"\"caf\xe9\""), "caf\u{e9}");
    }

    #[test]
    fn names_have_to_be_unambiguous() {
        assert_eq!(read("form-data; name=\"a\"; name=\"b\""), None);
        let value = HeaderValue::from_static("form-data; name=a");
        let twice = [(header::CONTENT_DISPOSITION, value.clone()), (header::CONTENT_DISPOSITION, value)];
        assert_eq!(Disposition::of(&HeaderMap::from_iter(twice)), None);
        assert_eq!(Disposition::of(&HeaderMap::new()), Some(Disposition::default()));
    }
}
