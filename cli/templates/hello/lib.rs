//! The handler: a function from a request to its answer.

use wayside::{Request, http_component};

#[http_component]
async fn handle(req: Request) -> String {
    match req.uri().path().trim_start_matches('/') {
        "" => "Hello!\n".to_owned(),
        name => format!("Hello, {name}!\n"),
    }
}

#[cfg(test)]
mod tests {
    use wayside::Request;

    #[wayside::test]
    async fn the_path_is_greeted() {
        let req = Request::get("/ada").body("".into()).unwrap();
        assert_eq!(super::handle(req).await, "Hello, ada!\n");
    }
}
