//! Header values with parameters, such as `form-data; name="a"`.

/// A value and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// The text before the first `;`, in lower case.
    pub(crate) value: String,
    /// The name and the value of each parameter: names in lower case, values without quotes and escapes.
    parameters: Vec<(String, Vec<u8>)>,
}

/// The characters that a backslash can escape. A backslash before any other character is literal, because some clients
/// send Windows paths as file names.
const ESCAPED: &[u8] = b"\"\\";

impl Parameters {
    /// Parses a header value. Returns `None` if it is malformed or repeats a parameter.
    ///
    /// In a quoted string, a backslash starts an escape (RFC 9110, section 5.6.4), but browsers do not escape
    /// backslashes (WHATWG HTML, "multipart/form-data encoding algorithm"). So a header that is invalid with escapes is
    /// parsed again with literal backslashes.
    pub(crate) fn read(header: &[u8]) -> Option<Self> {
        Self::read_with(header, ESCAPED).or_else(|| Self::read_with(header, b""))
    }

    fn read_with(header: &[u8], escaped: &[u8]) -> Option<Self> {
        let end = header.iter().position(|byte| *byte == b';').unwrap_or(header.len());
        let (value, mut rest) = header.split_at(end);
        let value = lower_case(value.trim_ascii());
        let mut parameters: Vec<(String, Vec<u8>)> = Vec::new();
        while let [b';', after @ ..] = rest {
            rest = after.trim_ascii_start();
            if rest.is_empty() || rest.starts_with(b";") {
                continue;
            }
            let equals = rest.iter().position(|byte| matches!(byte, b'=' | b';'))?;
            let (name, after) = rest.split_at(equals);
            let name = lower_case(name.trim_ascii());
            let (value, after) = read_value(after.strip_prefix(b"=")?.trim_ascii_start(), escaped)?;
            if name.is_empty() || parameters.iter().any(|(earlier, _)| *earlier == name) {
                return None;
            }
            parameters.push((name, value));
            rest = after.trim_ascii_start();
        }
        rest.is_empty().then_some(Self { value, parameters })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
    }
}

/// Parses a quoted string, or unquoted text up to the next `;`. Returns the value and the text after it.
fn read_value<'a>(text: &'a [u8], escaped: &[u8]) -> Option<(Vec<u8>, &'a [u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.trim_ascii_end().to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        match rest {
            [] => return None,
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte, after @ ..] if escaped.contains(byte) => {
                value.push(*byte);
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

fn lower_case(text: &[u8]) -> String {
    String::from_utf8_lossy(text).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(header: &str, name: &str) -> Option<String> {
        let parameters = Parameters::read(header.as_bytes())?;
        parameters.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn a_quoted_string_may_look_like_a_parameter() {
        let header = r#"form-data; filename="x; name=evil; y"; name="real""#;
        assert_eq!(get(header, "name").unwrap(), "real");
        assert_eq!(get(header, "filename").unwrap(), "x; name=evil; y");
        let header = r#"form-data; filename="\"; name=\"evil"; name="real""#;
        assert_eq!(get(header, "name").unwrap(), "real");
        assert_eq!(get(header, "filename").unwrap(), r#""; name="evil"#);
    }

    #[test]
    fn names_have_any_case_and_spaces_around_them() {
        let header = "Form-Data ;  NAME = \"a\" ;fileName=b.txt ; X=\t\"\";";
        assert_eq!(Parameters::read(header.as_bytes()).unwrap().value, "form-data");
        assert_eq!(get(header, "name").unwrap(), "a");
        assert_eq!(get(header, "filename").unwrap(), "b.txt");
        assert_eq!(get(header, "x").unwrap(), "");
        assert_eq!(get(header, "y"), None);
    }

    #[test]
    fn a_backslash_escapes_quotes_and_itself_and_nothing_else() {
        for (written, read) in [
            (r#""a\"b""#, r#"a"b"#),
            (r#""a\\b""#, r"a\b"),
            (r#""C:\dir\file.txt""#, r"C:\dir\file.txt"),
            (r#""\\\"""#, r#"\""#),
            // Browsers send these backslashes unescaped. Parsed with escapes, the strings have no closing
            // quote.
            (r#""a\""#, r"a\"),
            (r#""a\\\""#, r"a\\\"),
        ] {
            assert_eq!(get(&format!("form-data; name={written}"), "name").unwrap(), read, "{written}");
        }
        let header = r#"form-data; filename="dir\"; name="real""#;
        assert_eq!(get(header, "filename").unwrap(), r"dir\");
        assert_eq!(get(header, "name").unwrap(), "real");
    }

    #[test]
    fn what_is_ambiguous_is_malformed() {
        for header in [
            "form-data; name",
            "form-data; =a",
            "form-data; name=\"a",
            "form-data; name=\"a\"b",
            "form-data; name=\"a\" b=c",
            "form-data; name=a; name=b",
            "form-data; name=\"a\"; NAME=\"b\"",
        ] {
            assert_eq!(Parameters::read(header.as_bytes()), None, "{header}");
        }
    }
}
