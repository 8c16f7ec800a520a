//! Calls to another server with all parts of a request: query, headers, credentials, JSON, a form, time limits,
//! redirects.
//!
//! ```text
//! cargo run -- serve examples/client --env UPSTREAM=http://127.0.0.1:8000 --allow-outbound http://127.0.0.1:8000
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wayside::client::{Client, ResponseExt as _};
use wayside::{Error, StatusCode, http_component};

#[derive(Deserialize, Serialize)]
struct User {
    name: String,
}

#[http_component]
async fn handle() -> Result<String, Error> {
    let upstream = std::env::var("UPSTREAM")
        .map_err(|_| Error::new(StatusCode::SERVICE_UNAVAILABLE, "the environment variable UPSTREAM is not set"))?;
    tour(&upstream).await
}

async fn tour(upstream: &str) -> Result<String, Error> {
    let client = Client::builder()
        .timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(2))
        .first_byte_timeout(Duration::from_secs(5))
        .between_bytes_timeout(Duration::from_secs(5))
        .redirects(3)
        .build();
    let found = client.get(format!("{upstream}/users")).query(&[("q", "Ada L")]).bearer_auth("secret").send().await?;
    let user: User = found.error_for_status()?.into_body().json().await?;
    let made = client.post(format!("{upstream}/users")).json(&user).basic_auth("admin", "1234").send().await?;
    let noted = client
        .post(format!("{upstream}/notes"))
        .form(&[("about", user.name.as_str())])
        .header("x-own", "yes")
        .timeout(Duration::from_secs(1))
        .send()
        .await?;
    Ok(format!("{}: {} {}\n", user.name, made.status().as_u16(), noted.status().as_u16()))
}

#[cfg(test)]
mod tests {
    use wayside::test::{self, Call, Mock};
    use wayside::{Json, Method, StatusCode};

    use super::{User, tour};

    #[wayside::test]
    async fn every_call_is_made_as_it_should_be() {
        let users = Call::get("http://api.test/users").query("q", "Ada L").header("authorization", "Bearer secret");
        let post = |path: &str| Call::new(Method::POST, format!("http://api.test{path}"));
        let mock = Mock::new()
            .reply(users, |_| Json(User { name: "Ada".to_owned() }))
            .reply(
                post("/users").header("content-type", "application/json").body(r#"{"name":"Ada"}"#),
                StatusCode::CREATED,
            )
            .reply(post("/notes").header("x-own", "yes").body("about=Ada"), StatusCode::NO_CONTENT);
        let _upstream = test::outbound(mock);
        assert_eq!(tour("http://api.test").await.unwrap(), "Ada: 201 204\n");
    }
}
