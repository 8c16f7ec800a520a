//! Crates that are often used in HTTP services, each used once. The path names the crate.

use std::io::{Read as _, Write as _};

use futures_util::StreamExt as _;
use hmac::Mac as _;
use tower::ServiceExt as _;
use wayside::{Body, Error, HeaderName, HeaderValue, Request, Response, StatusCode, http_component};

#[http_component]
async fn handle(request: Request) -> Result<Response, Error> {
    let text = match request.uri().path().trim_start_matches('/') {
        "tower-http" => return tower_http(request).await,
        "chrono" => chrono::DateTime::parse_from_rfc3339(&chrono::Utc::now().to_rfc3339())?.timezone().to_string(),
        "eventsource-stream" => events().await?,
        "flate2" => gzip_and_back("hello")?,
        "hmac" => hmac("key", "hello")?,
        "jsonwebtoken" => token_and_back("ada")?,
        "log" => log_line(),
        "regex" => regex::Regex::new("h(.)llo")?.replace("hello", "j${1}llo").into_owned(),
        "sha2" => hex(&<sha2::Sha256 as sha2::Digest>::digest("hello")),
        "tracing-subscriber" => tracing_line(),
        "url" => url::Url::parse("http://a.test/x")?.join("../y?q=1")?.to_string(),
        "uuid" => uuid::Uuid::new_v4().get_version_num().to_string(),
        other => return Err(Error::new(StatusCode::NOT_FOUND, format!("there is no crate `{other}` here"))),
    };
    Ok(Response::new(text.into()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac(key: &str, text: &str) -> Result<String, Error> {
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes())?;
    mac.update(text.as_bytes());
    Ok(hex(&mac.finalize().into_bytes()))
}

fn gzip_and_back(text: &str) -> Result<String, Error> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes())?;
    let mut back = String::new();
    flate2::read::GzDecoder::new(&*encoder.finish()?).read_to_string(&mut back)?;
    Ok(back)
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Claims {
    sub: String,
    exp: u64,
}

fn token_and_back(user: &str) -> Result<String, Error> {
    use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};

    let claims = Claims { sub: user.to_owned(), exp: 4_000_000_000 };
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(b"key"))?;
    let back = jsonwebtoken::decode::<Claims>(&token, &DecodingKey::from_secret(b"key"), &Validation::default())?;
    Ok(back.claims.sub)
}

async fn events() -> Result<String, Error> {
    use eventsource_stream::Eventsource as _;
    use http_body_util::BodyExt as _;

    let mut events = Body::from("data: one\n\ndata: two\n\n").into_data_stream().eventsource();
    let mut data = Vec::new();
    while let Some(event) = events.next().await {
        data.push(event.map_err(|error| error.to_string())?.data);
    }
    Ok(data.join(" "))
}

struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{}: {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

fn log_line() -> String {
    // Fails for the second request of an instance, whose logger is set already.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(log::LevelFilter::Info);
    log::info!("through the crate log");
    "logged".to_owned()
}

fn tracing_line() -> String {
    let subscriber = tracing_subscriber::fmt().json().with_writer(std::io::stderr).without_time().finish();
    tracing::subscriber::with_default(subscriber, || tracing::info!(user = "ada", "through the crate tracing"));
    "logged".to_owned()
}

async fn tower_http(request: Request) -> Result<Response, Error> {
    use tower::Layer as _;
    use tower_http::compression::CompressionLayer;
    use tower_http::cors::CorsLayer;
    use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
    use tower_http::set_header::SetResponseHeaderLayer;

    let text = async |_: Request| Ok::<_, Error>(Response::new(Body::from("hello ".repeat(100))));
    let service = CompressionLayer::new().layer(tower::service_fn(text));
    let service = PropagateRequestIdLayer::x_request_id().layer(service);
    let service = SetRequestIdLayer::x_request_id(MakeRequestUuid).layer(service);
    let header = (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    let service = SetResponseHeaderLayer::overriding(header.0, header.1).layer(service);
    Ok(CorsLayer::permissive().layer(service).oneshot(request).await?.map(Body::from_http_body))
}
