//! Shows the request as the component sees it: the method, the target, and one line per header.
//!
//! ```text
//! cargo run -- request examples/headers '/path?q=1' -H 'x-color: red' -H 'x-color: blue'
//! ```

use wayside::http::request::Parts;
use wayside::{Text, http_component};

#[http_component]
fn handle(Parts { method, uri, headers, .. }: Parts) -> Text<Vec<u8>> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());

    let mut page = Vec::with_capacity(1024);
    for part in [method.as_str(), " ", scheme, "://", authority, path, "\n"] {
        page.extend_from_slice(part.as_bytes());
    }
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"] {
            page.extend_from_slice(part);
        }
    }
    Text(page)
}

#[cfg(test)]
mod tests {
    use wayside::{Request, Text};

    #[test]
    fn each_field_has_its_line() {
        let request = Request::get("http://example.org/path?q=1")
            .header("x-color", "red")
            .header("x-color", "blue")
            .body(())
            .unwrap();
        let Text(page) = super::handle(request.into_parts().0);
        assert_eq!(String::from_utf8(page).unwrap(), "GET http://example.org/path?q=1\nx-color: red\nx-color: blue\n");
    }
}
