//! What `?` converts to `wayside::Error`, and where such an error can go.

use std::borrow::Cow;
use std::convert::Infallible;

use futures_util::{Stream, stream};
use wayside::sse::{Event, Sse};
use wayside::{Body, Bytes, Error};

type Boxed = Box<dyn std::error::Error + Send + Sync>;

#[wayside::http_component]
async fn handle(body: Body) -> Result<String, Error> {
    Err::<(), _>("a string of the program")?;
    Err::<(), _>(String::from("an owned string"))?;
    Err::<(), _>(Cow::Borrowed("either string"))?;
    Err::<(), _>(std::io::Error::other("an error of the standard library"))?;
    Err::<(), Boxed>("a boxed error".into())?;
    Err::<(), _>(anyhow::anyhow!("an error of anyhow"))?;
    wayside::client::get("https://a.test/").await?;
    Err::<(), _>(Error::from("already converted"))?;
    Ok(body.text().await?)
}

/// The errors that end a body: `Error` itself, and those that `?` converts to it.
pub fn bodies() -> [Body; 6] {
    [
        Body::from_stream(empty::<Error>()),
        Body::from_stream(empty::<Infallible>()),
        Body::from_stream(empty::<Boxed>()),
        Body::from_stream(empty::<anyhow::Error>()),
        Body::from_stream(empty::<String>()),
        Body::from_http_body(Body::from_stream(empty::<&'static str>())),
    ]
}

fn empty<E: Send + 'static>() -> impl Stream<Item = Result<Bytes, E>> + Send + 'static {
    stream::empty()
}

pub fn events() -> [Sse; 2] {
    [
        Sse::new(stream::empty::<Result<Event, Error>>()),
        Sse::new(stream::empty::<Result<Event, anyhow::Error>>()),
    ]
}

/// One error type for the handlers of axum too.
pub fn axum(error: Error) -> impl axum_core::response::IntoResponse {
    Err::<(), _>(error)
}

fn main() {}
