//! Several arguments: an API key, the query, and an optional document. They are extracted in order, so a request without
//! the key is rejected before its body is read.
//!
//! ```text
//! cargo run -- serve examples/arguments --env KEY=secret
//! curl 'http://127.0.0.1:3000/?tag=a&tag=b' -H 'x-api-key: secret'
//! curl http://127.0.0.1:3000/ -H 'x-api-key: secret' -H 'content-type: application/json' -d '{"text": "hello"}'
//! ```

use serde::{Deserialize, Serialize};
use wayside::extract::Query;
use wayside::{Error, FromRequestParts, IncomingRequest, Json, Method, StatusCode, http_component};

#[derive(Deserialize)]
struct Filter {
    #[serde(default)]
    tag: Vec<String>,
}

#[derive(Deserialize)]
struct Note {
    text: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Summary {
    method: String,
    tags: Vec<String>,
    text: Option<String>,
}

/// Proof that the client knows the key.
struct ApiKey;

impl FromRequestParts for ApiKey {
    type Rejection = Error;

    async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Error> {
        let headers = request.headers()?;
        let expected = std::env::var("KEY").ok();
        match (headers.get("x-api-key"), expected) {
            (Some(given), Some(expected)) if given.as_bytes() == expected.as_bytes() => Ok(Self),
            _ => Err(Error::new(StatusCode::UNAUTHORIZED, "the header x-api-key must have the key")),
        }
    }
}

#[http_component]
async fn handle(_: ApiKey, method: Method, Query(filter): Query<Filter>, note: Option<Json<Note>>) -> Json<Summary> {
    let text = note.map(|Json(note)| note.text);
    Json(Summary { method: method.to_string(), tags: filter.tag, text })
}

#[cfg(test)]
mod tests {
    use wayside::extract::Query;
    use wayside::{Json, Method};

    use super::{ApiKey, Filter, Note, Summary, handle};

    #[wayside::test]
    async fn the_arguments_are_summed_up() {
        let filter = Filter { tag: vec!["a".to_owned()] };
        let note = Some(Json(Note { text: "hello".to_owned() }));
        let Json(summary) = handle(ApiKey, Method::POST, Query(filter), note).await;
        let expected =
            Summary { method: "POST".to_owned(), tags: vec!["a".to_owned()], text: Some("hello".to_owned()) };
        assert_eq!(summary, expected);
    }
}
