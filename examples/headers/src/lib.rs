//! Shows the request as the component sees it: the method, the target, and each field on a line of its own.
//!
//! ```text
//! cargo run -- request examples/headers '/path?q=1' -H 'x-color: red' -H 'x-color: blue'
//! ```

use wayside::{Request, http_component};

#[http_component]
fn handle(req: Request) -> String {
    let mut page = format!("{} {}\n", req.method(), req.uri());
    for (name, value) in req.headers() {
        page.push_str(name.as_str());
        page.push_str(": ");
        page.push_str(value.to_str().unwrap_or("(not ASCII)"));
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use wayside::{Body, Request};

    #[test]
    fn each_field_has_its_line() {
        let request = Request::get("http://example.org/path?q=1")
            .header("x-color", "red")
            .header("x-color", "blue")
            .body(Body::empty())
            .unwrap();
        assert_eq!(super::handle(request), "GET http://example.org/path?q=1\nx-color: red\nx-color: blue\n");
    }
}
