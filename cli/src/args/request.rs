//! The arguments of `wayside request`.

use http::{HeaderName, HeaderValue, Method, Uri};

use super::{Guest, Target};

/// Sends one request to a component, without a socket, and prints the body of the response.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Path and query, or an absolute URL [default: /]
    #[arg(value_name = "PATH", default_value = "/", hide_default_value = true, value_parser = parse_path)]
    pub(crate) path: Uri,

    /// Method of the request [default: GET, or POST with --data]
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<Method>,

    /// Header of the request; can be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,

    /// Body of the request: text, @FILE for the content of a file, or @- for standard input; a pipe is read until the
    /// response is complete
    #[arg(short, long, value_name = "DATA")]
    pub(crate) data: Option<String>,

    /// Print status and headers before the body
    #[arg(short, long)]
    pub(crate) include: bool,

    /// Print the usage of the request on stderr: fuel (about one unit per instruction) and memory
    #[arg(long)]
    pub(crate) usage: bool,

    #[command(flatten)]
    pub(crate) guest: Guest,
}

/// Parses a target in one of the forms of RFC 9112, section 3.2: a path, an absolute URL, or the asterisk.
pub(super) fn parse_path(text: &str) -> Result<Uri, String> {
    let form = "write a path that starts with a slash, as `/search?q=1`, or a whole URL";
    let uri: Uri = text.parse().map_err(|error| format!("{error}; {form}"))?;
    let is_url = matches!(uri.scheme_str(), Some("http" | "https"));
    if is_url || text.starts_with('/') || text == "*" { Ok(uri) } else { Err(form.to_owned()) }
}

pub(super) fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    let name = name.trim().parse().map_err(|error| format!("`{}`: {error}", name.trim()))?;
    let value = value.trim().parse().map_err(|error| format!("the value of `{name}`: {error}"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_or_a_url() {
        for good in ["/", "/a?b", "//", "*", "http://a.test/", "https://a.test"] {
            assert!(parse_path(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "a/b", "?q", "/a b", "ftp://a/", "http://", "http://[::1"] {
            assert!(parse_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_field_is_split_at_its_first_colon() {
        let (name, value) = parse_header("x-time: 12:30").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-time", "12:30"));
        assert!(parse_header("no colon").is_err());
        assert!(parse_header("bad name: x").is_err());
    }
}
