//! A service of real size: a gateway in front of a language model. It checks the token of the caller, puts the key of
//! the model in its place, and relays the answer event by event.
//!
//! ```text
//! cargo run -- serve examples/gateway --env TOKENS=ada:t1,bob:t2 --env MODEL_KEY=s3cret \
//!     --env MODEL_URL=https://model.example.org/v1/chat --allow-outbound model.example.org
//! ```

#[cfg(not(test))]
use std::env::var as setting;

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use wayside::client::{Client, ResponseExt as _};
use wayside::extract::TypedHeader;
use wayside::headers::Authorization;
use wayside::headers::authorization::Bearer;
use wayside::sse::{Event, Sse};
use wayside::{Error, FromRequestParts, IncomingRequest, Json, StatusCode, http_component};

#[cfg(test)]
use tests::setting;

/// The most characters of a prompt.
const MAX_PROMPT: usize = 10_000;

#[derive(Debug, Deserialize)]
struct Prompt {
    prompt: String,
}

/// The request to the model.
#[derive(Serialize)]
struct Ask<'a> {
    user: &'a str,
    prompt: &'a str,
    stream: bool,
}

#[http_component]
async fn chat(User(user): User, Json(Prompt { prompt }): Json<Prompt>) -> Result<Sse, Error> {
    if prompt.chars().count() > MAX_PROMPT {
        let detail = format!("the prompt has more than {MAX_PROMPT} characters");
        return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    // The answer streams for as long as the model writes, so there is no limit for the whole of it.
    let client = Client::builder().no_timeout().build();
    let ask = Ask { user: &user, prompt: &prompt, stream: true };
    let request = client.post(setting("MODEL_URL")?).bearer_auth(setting("MODEL_KEY")?).json(&ask);
    let response = request.send().await?.error_for_status().map_err(|error| match error.status() {
        // The caller should come back later, as the model said. Other errors of the model become 502.
        Some(status @ StatusCode::TOO_MANY_REQUESTS) => {
            Error::new(status, "the model is busy").with_header("retry-after", 5).with_source(error)
        }
        _ => error.into(),
    })?;
    // Each event goes to the caller as soon as it has arrived. If the model breaks off, so does the response.
    Ok(Sse::new(response.into_body().events().map_ok(Event::from)))
}

/// The name of the caller, whose token is in `TOKENS`, as `NAME:TOKEN,NAME:TOKEN`.
#[derive(Debug, PartialEq)]
struct User(String);

impl FromRequestParts for User {
    type Rejection = Error;

    async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Error> {
        let unauthorized = |detail: &str| {
            Error::new(StatusCode::UNAUTHORIZED, detail).with_header("www-authenticate", "Bearer realm=\"chat\"")
        };
        let token = Option::<TypedHeader<Authorization<Bearer>>>::from_request_parts(request).await?;
        let TypedHeader(token) = token.ok_or_else(|| unauthorized("a bearer token is needed"))?;
        let tokens = setting("TOKENS")?;
        let mut users = tokens.split(',').filter_map(|user| user.split_once(':'));
        let user = users.find(|(_, known)| *known == token.token());
        user.map(|(name, _)| Self(name.to_owned())).ok_or_else(|| unauthorized("the token is not known"))
    }
}

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::time::Duration;

    use wayside::test::{self, Call, ErrorCode, Mock, Reply};
    use wayside::{FromRequestParts as _, IntoResponse as _, Request, Response};

    use super::*;

    /// Stands in for the environment, which the tests of a process share.
    pub(super) fn setting(name: &str) -> Result<String, VarError> {
        match name {
            "TOKENS" => Ok("ada:t1,bob:t2".to_owned()),
            "MODEL_KEY" => Ok("s3cret".to_owned()),
            "MODEL_URL" => Ok("http://model.test/v1/chat".to_owned()),
            _ => Err(VarError::NotPresent),
        }
    }

    async fn ask(prompt: &str) -> Response {
        chat(User("ada".to_owned()), Json(Prompt { prompt: prompt.to_owned() })).await.into_response()
    }

    fn call() -> Call {
        let expected = r#"{"user":"ada","prompt":"hi","stream":true}"#;
        Call::post("http://model.test/v1/chat").header("authorization", "Bearer s3cret").body(expected)
    }

    #[wayside::test]
    async fn events_are_relayed_one_by_one() {
        let _paused = test::pause();
        let pieces = ["data: Hel", "lo\n\ndata: th", "ere\n\n", "event: done\ndata: {}\n\n"];
        let _upstream =
            test::outbound(Mock::new().reply(call(), Reply::ok().pieces(pieces).pause(Duration::from_secs(1))));
        let response = ask("hi").await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = response.into_body();
        for event in ["data: Hello\n\n", "data: there\n\n", "data: {}\nevent: done\n\n"] {
            assert_eq!(body.next_chunk().await.unwrap().unwrap(), event);
        }
        assert!(body.next_chunk().await.is_none());
    }

    #[wayside::test]
    async fn a_model_that_breaks_off_breaks_the_response_off() {
        let reply = Reply::ok().pieces(["data: Hello\n\n", "data: th"]).truncate_after(20);
        let _upstream = test::outbound(Mock::new().reply(call(), reply));
        let mut body = ask("hi").await.into_body();
        assert_eq!(body.next_chunk().await.unwrap().unwrap(), "data: Hello\n\n");
        assert!(body.next_chunk().await.unwrap().is_err());
    }

    #[wayside::test]
    async fn failures_of_the_model_have_a_status_and_no_details() {
        for (reply, status) in [
            (Reply::ok().status(429), 429),
            (Reply::from("the key s3cret is wrong").status(401), 502),
            (Reply::fail(ErrorCode::ConnectionRefused), 502),
            (Reply::fail(ErrorCode::ConnectionTimeout), 504),
        ] {
            let _upstream = test::outbound(Mock::new().reply(call(), reply));
            let response = ask("hi").await;
            assert_eq!(response.status(), status);
            assert!(!response.into_body().text().await.unwrap().contains("s3cret"));
        }
    }

    #[wayside::test]
    async fn a_long_prompt_is_refused_without_a_call() {
        let _upstream = test::outbound(Mock::new());
        assert_eq!(ask(&"x".repeat(MAX_PROMPT + 1)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[wayside::test]
    async fn the_token_names_the_user() {
        for (authorization, user) in [(Some("Bearer t2"), Some("bob")), (Some("Bearer t3"), None), (None, None)] {
            let mut request = Request::post("http://chat.test/").body("").unwrap();
            if let Some(authorization) = authorization {
                request.headers_mut().insert("authorization", authorization.parse().unwrap());
            }
            match User::from_request_parts(&mut test::incoming(request)).await {
                Ok(User(name)) => assert_eq!(Some(&*name), user),
                Err(error) => assert_eq!((error.status().as_u16(), user), (401, None)),
            }
        }
    }
}
