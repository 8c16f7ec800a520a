//! Every shape that a handler can have.

mod plain {
    #[wayside::http_component]
    fn handle() -> &'static str {
        "hello"
    }
}

mod plain_with_argument {
    #[wayside::http_component]
    pub fn handle(mut req: wayside::Request) -> wayside::Response {
        req.headers_mut().clear();
        wayside::Response::new(req.into_body())
    }
}

mod waiting {
    #[wayside::http_component]
    async fn handle() -> Result<String, wayside::Error> {
        Ok("hello".to_owned())
    }
}

mod waiting_with_pattern {
    #[wayside::http_component]
    async fn handle(wayside::Json(numbers): wayside::Json<Vec<u8>>) -> wayside::Json<usize> {
        wayside::Json(numbers.len())
    }
}

mod of_no_name {
    use wayside::IntoResponse;

    #[wayside::http_component]
    async fn handle(_: wayside::Uri) -> impl IntoResponse {
        (wayside::StatusCode::CREATED, "made")
    }
}

mod of_nothing {
    #[wayside::http_component]
    fn handle() {}
}

mod raw_name {
    #[wayside::http_component]
    fn r#match() -> () {}
}

fn main() {}
