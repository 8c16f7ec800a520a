//! Sends `UPSTREAM` a request with headers that the path selects, and reports the result.

use wayside::{Error, HeaderMap, HeaderName, HeaderValue, Request, client};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let mut outgoing: Request = Request::post(std::env::var("UPSTREAM")?).body("hello".into())?;
    *outgoing.headers_mut() = fields(&super::parameter(&request))?;
    Ok(match client::send(outgoing).await {
        Ok(response) => {
            let values: Vec<String> = response.headers().get_all("x-back").iter().map(escaped).collect();
            format!("status {}, x-back {}\n", response.status().as_u16(), values.join(" "))
        }
        Err(error) => format!("request={}: {error}\n", error.is_request()),
    })
}

fn fields(kind: &str) -> Result<HeaderMap, Error> {
    let fields: Vec<(HeaderName, HeaderValue)> = match kind {
        "of-a-connection" => [
            ("connection", "x-private"),
            ("host", "elsewhere.test"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authorization", "Basic QQ=="),
            ("proxy-connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-private", "named by connection"),
            ("x-public", "kept"),
        ]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .into(),
        "repeated" => ["first", "caf\u{e9}", "third"]
            .map(|value| Ok((HeaderName::from_static("x-out"), HeaderValue::from_bytes(&latin1(value))?)))
            .into_iter()
            .collect::<Result<_, Error>>()?,
        "too-large" => (0..200)
            .map(|number| Ok((HeaderName::try_from(format!("x-{number}"))?, HeaderValue::try_from("v".repeat(1000))?)))
            .collect::<Result<_, Error>>()?,
        length => vec![(wayside::http::header::CONTENT_LENGTH, HeaderValue::try_from(length)?)],
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name, value);
    }
    Ok(map)
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| character as u8).collect()
}

fn escaped(value: &HeaderValue) -> String {
    value.as_bytes().escape_ascii().to_string()
}
