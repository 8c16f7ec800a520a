use wayside::middleware::Next;
use wayside::{FromRequest, IntoResponse, IncomingRequest, Request, Response, http_middleware};

mod waits {
    use super::*;

    #[http_middleware]
    async fn pass(req: Request, next: Next) -> impl IntoResponse {
        next.run(req).await
    }
}

mod answers {
    use super::*;

    #[http_middleware(max_body = "1 MiB")]
    fn refuse(_: String, _: Next) -> &'static str {
        "no"
    }
}

mod own {
    use super::*;

    struct Whole(Request);

    impl FromRequest for Whole {
        type Rejection = wayside::Error;

        async fn from_request(request: IncomingRequest) -> Result<Self, wayside::Error> {
            request.into_request().map(Whole)
        }
    }

    #[http_middleware(crate = ::wayside)]
    async fn pass(Whole(req): Whole, next: Next) -> Result<Response, wayside::Error> {
        Ok(next.run(req).await)
    }
}

fn main() {}
