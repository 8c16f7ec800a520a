//! Environment variables from a file.
//!
//! A line is `NAME=VALUE`, with `export ` before it or without. A value may stand in quotes: in single ones it is taken
//! as it is, in double ones `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are escapes; both may span lines. `#` begins a comment at
//! the start of a line and, behind a value without quotes, after a space. Nothing is replaced: `$` is itself.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use wayside_harness::Error;

/// How much of a file is read; no environment is as large.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Reads the variables of a file, in its order.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut text = String::new();
    // One that never ends, as that of a device, is not read for ever.
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
    read.map_err(|error| {
        Error::new(format!("cannot read the environment file `{}`", path.display()))
            .with_help("check the path; the file holds lines as `NAME=VALUE`")
            .with_source(error)
    })?;
    parse(&text).map_err(|Wrong { line, what }| {
        Error::new(format!("`{}` line {line}: {what}", path.display())).with_help(
            "write `NAME=VALUE`, with the value in quotes where it holds spaces at its ends, `#` or line breaks",
        )
    })
}

#[derive(Debug, PartialEq)]
struct Wrong {
    line: usize,
    what: String,
}

fn parse(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let wrong = |what: String| Wrong { line: number, what };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("it has no `=`".to_owned()))?;
        let name = name.trim();
        if name.is_empty() || name.contains(|char: char| char.is_whitespace() || char == '\0') {
            return Err(wrong(format!("`{name}` is no name of a variable")));
        }
        if variables.iter().any(|(other, _)| other == name) {
            return Err(wrong(format!("`{name}` was set before")));
        }
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let rest = lines.by_ref().map(|(line, _)| line);
                quoted(quote, std::iter::once(&value[1..]).chain(rest)).map_err(wrong)?
            }
            _ => unquoted(value).to_owned(),
        };
        if value.contains('\0') {
            return Err(wrong(format!("the value of `{name}` holds a NUL, which ends it for the component")));
        }
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// A value up to a comment.
fn unquoted(text: &str) -> &str {
    let comment = text.find(" #").or(text.find("\t#")).or(text.starts_with('#').then_some(0));
    text[..comment.unwrap_or(text.len())].trim_end()
}

/// A value up to its closing quote, which may be lines away.
fn quoted<'a>(quote: char, lines: impl Iterator<Item = &'a str>) -> Result<String, String> {
    let mut value = String::new();
    for line in lines {
        let mut chars = line.chars();
        while let Some(char) = chars.next() {
            if char == quote {
                let rest = chars.as_str().trim();
                if rest.is_empty() || rest.starts_with('#') {
                    return Ok(value);
                }
                return Err(format!("`{rest}` follows the closing quote"));
            }
            if char == '\\' && quote == '"' {
                value.push(escaped(chars.next())?);
            } else {
                value.push(char);
            }
        }
        value.push('\n');
    }
    Err(format!("the quote `{quote}` is not closed"))
}

fn escaped(char: Option<char>) -> Result<char, String> {
    match char {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some(char @ ('"' | '\\' | '$')) => Ok(char),
        Some(other) => Err(format!("`\\{other}` is no escape")),
        None => Err("`\\` at the end of a line escapes nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_written() {
        let text = "\u{feff}# head\n\nA=1\n export B = two words # why\nC=\"x # y\\n\\\"z\\\"\"  # end\nD='$A \\n'\nE=\nF=a#b\n\
                    G=\"first\nsecond\"\nURL=https://a.test/?q=1#part\r\nH=#nothing\nI='#'\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "x # y\n\"z\""),
            ("D", "$A \\n"),
            ("E", ""),
            ("F", "a#b"),
            ("G", "first\nsecond"),
            ("URL", "https://a.test/?q=1#part"),
            ("H", ""),
            ("I", "#"),
        ];
        let read = parse(text).unwrap();
        assert_eq!(read.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, what) in [
            ("A=1\nB", 2, "it has no `=`"),
            ("=1", 1, "`` is no name of a variable"),
            ("A B=1", 1, "`A B` is no name of a variable"),
            ("A=1\n\nA=2", 3, "`A` was set before"),
            ("A=\"x", 1, "the quote `\"` is not closed"),
            ("A='x' y", 1, "`y` follows the closing quote"),
            ("A=\"\\q\"", 1, "`\\q` is no escape"),
        ] {
            assert_eq!(parse(text), Err(Wrong { line, what: what.to_owned() }), "{text}");
        }
    }
}
