//! Environment variables from a file.
//!
//! A variable is written as `NAME=VALUE`; white space and `export` may precede the name. The value may be in quotes.
//! Single quotes keep their content unchanged; double quotes allow the escapes `\n`, `\r`, `\t`, `\"`, `\\` and `\$`. A
//! value in quotes may span several lines, and each line break in it becomes a line feed, even if the file uses CRLF.
//! `#` starts a comment at the start of a line, after a closing quote, and in a value without quotes at its start and
//! after white space. Variables are not expanded: `$` is an ordinary character. A byte order mark at the start of the
//! file is skipped.
//!
//! If the file sets a name twice, the last value counts, as in a shell, and a warning gives the numbers of both lines.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use wayside_harness::{Error, check_variable};

use crate::report;

/// The largest size of a file, in MiB. No real environment is that large.
const MAX_MIB: u64 = 16;

/// Reads the variables of a file, in order.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let text = text(path).map_err(|error| {
        Error::new(format!("cannot read the environment file `{}`", path.display()))
            .with_help("check the path; the file holds lines such as `NAME=VALUE`, in UTF-8")
            .with_source(error)
    })?;
    let variables = parse(&text).map_err(|Wrong { line, what }| {
        Error::new(format!("`{}` line {line}: {what}", path.display())).with_help(
            "write `NAME=VALUE`, with the value in quotes where it holds spaces at its ends, `#` or line breaks",
        )
    })?;
    for Variable { name, line, before, .. } in &variables {
        if let Some(before) = before {
            let path = path.display();
            report::note(&format!(
                "warning: `{path}` sets `{name}` in line {before} and again in line {line}, whose value counts; remove one"
            ));
        }
    }
    Ok(variables.into_iter().map(|Variable { name, value, .. }| (name, value)).collect())
}

fn text(path: &Path) -> io::Result<String> {
    let most_bytes = MAX_MIB * 1024 * 1024;
    let mut bytes = Vec::new();
    // Stops after the limit, because a device such as `/dev/zero` is endless.
    File::open(path)?.take(most_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {MAX_MIB} MiB")));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

#[derive(Clone, Debug, PartialEq)]
struct Variable {
    name: String,
    value: String,
    line: usize,
    /// The number of the earlier line that sets the same name, if there is one.
    before: Option<usize>,
}

#[derive(Debug, PartialEq)]
struct Wrong {
    line: usize,
    what: String,
}

fn parse(text: &str) -> Result<Vec<Variable>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables: Vec<Variable> = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let wrong = |what: String| Wrong { line: number, what };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let exported = line.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace));
        let (name, value) =
            exported.unwrap_or(line).split_once('=').ok_or_else(|| wrong("it has no `=`".to_owned()))?;
        let name = name.trim();
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let rest = lines.by_ref().map(|(line, _)| line);
                quoted(quote, std::iter::once(&value[1..]).chain(rest)).map_err(wrong)?
            }
            _ => unquoted(value).to_owned(),
        };
        check_variable(name, &value).map_err(|error| wrong(error.to_string()))?;
        let earlier = variables.iter().position(|variable| variable.name == name);
        let before = earlier.map(|earlier| variables.remove(earlier).line);
        variables.push(Variable { name: name.to_owned(), value, line: number, before });
    }
    Ok(variables)
}

/// Returns a value without quotes: the text up to a comment, without white space at its end.
fn unquoted(text: &str) -> &str {
    let comment = text.find(" #").or(text.find("\t#")).or(text.starts_with('#').then_some(0));
    text[..comment.unwrap_or(text.len())].trim_end()
}

/// Parses a value up to its closing quote, which may be on a later line.
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
        assert_eq!(values(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|Variable { name, value, .. }| (name, value)).collect()
    }

    #[test]
    fn any_white_space_may_follow_export() {
        for line in ["export A=1", "export\tA=1", "\texport \t A=1", "export A = 1"] {
            assert_eq!(values(line), [("A".to_owned(), "1".to_owned())], "{line}");
        }
        assert_eq!(values("exported=1\nexport=2").len(), 2, "these are names");
    }

    #[test]
    fn lines_of_a_value_end_in_line_feeds_whatever_ends_those_of_the_file() {
        assert_eq!(values("\u{feff}A=\"1\r\n2\"\r\nB=3\r\n"), values("A=\"1\n2\"\nB=3\n"));
    }

    #[test]
    fn a_name_that_is_set_twice_has_its_last_value_and_both_lines() {
        let variables = parse("A=1\nB=2\n\nA=\"3\n4\"\nA=5").unwrap();
        let variable =
            |name: &str, value: &str, line, before| Variable { name: name.into(), value: value.into(), line, before };
        assert_eq!(variables, [variable("B", "2", 2, None), variable("A", "5", 6, Some(4))]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, what) in [
            ("A=1\nB", 2, "it has no `=`"),
            ("=1", 1, "`` is not a valid name of an environment variable"),
            ("A B=1", 1, "`A B` is not a valid name of an environment variable"),
            ("A=1\n\u{1b}B=2", 2, "`\\u{1b}B` is not a valid name of an environment variable"),
            ("\"A\"=1", 1, "`\"A\"` is not a valid name of an environment variable"),
            ("export =1", 1, "`` is not a valid name of an environment variable"),
            ("A=\"x", 1, "the quote `\"` is not closed"),
            ("A='x' y", 1, "`y` follows the closing quote"),
            ("A=\"\\q\"", 1, "`\\q` is no escape"),
        ] {
            assert_eq!(parse(text), Err(Wrong { line, what: what.to_owned() }), "{text}");
        }
    }
}
