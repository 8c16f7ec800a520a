//! Query strings and forms.

use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::payload::{if_typed, read_whole};
use crate::sys::http::media_type::media_type;
use crate::{Body, Error, FromRequest, FromRequestParts, IncomingRequest, Request};

/// The query string of the URI, deserialized into `T`. Needs the feature `form`.
///
/// A query string that does not match `T` is rejected with 400.
///
/// # Examples
///
/// ```
/// use serde::Deserialize;
/// use wayside::extract::Query;
/// use wayside::http_component;
///
/// #[derive(Deserialize)]
/// struct Search { q: String, page: Option<u32> }
///
/// #[http_component]
/// fn handle(Query(search): Query<Search>) -> String {
///     format!("page {} of {}\n", search.page.unwrap_or(1), search.q)
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Error> {
        let uri = request.uri()?;
        serde_html_form::from_str(uri.query().unwrap_or_default())
            .map(Self)
            .map_err(|error| Error::new(StatusCode::BAD_REQUEST, format!("the query string is invalid: {error}")))
    }

    async fn from_request_parts_optional(request: &mut IncomingRequest) -> Result<Option<Self>, Error> {
        match request.uri()?.query() {
            Some(_) => Self::from_request_parts(request).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A form (`application/x-www-form-urlencoded`) in the body, deserialized into `T`. Needs the feature `form`.
///
/// Rejects any other media type with 415, a form that does not match `T` with 422, and a form longer than the body
/// limit with 413.
///
/// # Examples
///
/// ```
/// use serde::Deserialize;
/// use wayside::extract::Form;
/// use wayside::http_component;
///
/// #[derive(Deserialize)]
/// struct Login { name: String }
///
/// #[http_component]
/// fn handle(Form(login): Form<Login>) -> String {
///     format!("hello {}\n", login.name)
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        check_media_type(&request.headers()?)?;
        let limit = request.body_limit();
        parse(request.into_body(), limit).await
    }

    async fn from_request_optional(request: IncomingRequest) -> Result<Option<Self>, Error> {
        if_typed(request).await
    }
}

impl<T: DeserializeOwned> FromRequest for Request<Form<T>> {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        let limit = request.body_limit();
        let (parts, body) = request.into_request()?.into_parts();
        check_media_type(&parts.headers)?;
        Ok(Self::from_parts(parts, parse(body, limit).await?))
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Error> {
    if media_type(headers) == "application/x-www-form-urlencoded" {
        return Ok(());
    }
    let detail = "the request body must have the content-type application/x-www-form-urlencoded";
    Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

async fn parse<T: DeserializeOwned>(body: Body, limit: u64) -> Result<Form<T>, Error> {
    serde_html_form::from_bytes(&read_whole(body, limit).await?)
        .map(Form)
        .map_err(|error| Error::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the form is invalid: {error}")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::test::{block_on, incoming};
    use crate::{Body, Request};

    #[derive(Debug, Deserialize, PartialEq)]
    struct Person {
        name: String,
        age: u8,
    }

    fn query(uri: &str) -> Result<Person, StatusCode> {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        block_on(Query::from_request(incoming(request))).map(|Query(person)| person).map_err(|error| error.status())
    }

    fn form(content_type: &str, body: &'static str) -> Result<Person, StatusCode> {
        let request = Request::post("/").header("content-type", content_type).body(body).unwrap();
        block_on(Form::from_request(incoming(request))).map(|Form(person)| person).map_err(|error| error.status())
    }

    #[test]
    fn a_query_is_decoded() {
        assert_eq!(query("/?name=Ada%20L+x&age=36"), Ok(Person { name: "Ada L x".to_owned(), age: 36 }));
    }

    #[test]
    fn another_query_is_400() {
        for bad in ["/", "/?name=Ada", "/?name=Ada&age=old", "/?name=Ada&age=300"] {
            assert_eq!(query(bad), Err(StatusCode::BAD_REQUEST), "{bad}");
        }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Filter {
        #[serde(default)]
        tag: Vec<String>,
    }

    #[test]
    fn repeated_keys_are_a_list() {
        let tags = |uri: &str| {
            let request = Request::get(uri).body(Body::empty()).unwrap();
            block_on(Query::<Filter>::from_request(incoming(request))).unwrap().0.tag
        };
        assert_eq!(tags("/?tag=a&tag=b%26c"), ["a", "b&c"]);
        assert_eq!(tags("/?tag=a"), ["a"]);
        assert!(tags("/?other=a").is_empty());
        let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
        let request = incoming(request.body("tag=a&tag=b").unwrap());
        assert_eq!(block_on(Form::<Filter>::from_request(request)).unwrap().0.tag, ["a", "b"]);
    }

    #[test]
    fn a_form_needs_its_media_type_and_shape() {
        let media_type = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(form(media_type, "name=Ada&age=36"), Ok(Person { name: "Ada".to_owned(), age: 36 }));
        assert_eq!(form("text/plain", "name=Ada&age=36"), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(form(media_type, "name=Ada"), Err(StatusCode::UNPROCESSABLE_ENTITY));
    }
}
