//! A cassette leaves out secrets, and a replay does not compare them.

use std::fs;

use wayside_harness::http::{Request, Response};
use wayside_harness::mock::{Call, Reply};
use wayside_harness::{Body, Outbound, Redaction};

use super::proxy;
use crate::fixture::{example, get, guests, post, temp_dir, text_of};

const FORM: &str = "application/x-www-form-urlencoded";

fn form(path: &str, body: String) -> Request<Body> {
    Request::post(path).header("content-type", FORM).body(body.into()).unwrap()
}

#[tokio::test]
async fn secret_parameters_of_urls_are_not_written_however_they_are_written() {
    let path = temp_dir().join("parameters.toml");
    let location = "https://b.test/?X-Amz-Security-Token=s3cret&id%5Ftoken=s3cret&page=2#access_token=s3cret";
    let mock = Outbound::mock().reply(Call::any(), Reply::from("ok").header("location", location));
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    let names =
        ["sig", "Signature", "key", "token", "password", "refresh_token", "X-Amz-Security-Token", "%73ig", "a%70i_key"];
    let query = |secret: &str| names.map(|name| format!("{name}={secret}")).join("&") + "&page=1";
    let request = |secret: &str| post(&format!("/?{}", query(secret)), "");
    assert_eq!(text_of(&app, request("s3cret")).await.0, 200);
    app.idle().await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cret") && text.contains(&query("redacted")), "{text}");
    assert!(text.contains("id%5Ftoken=redacted&page=2#access_token=redacted"), "{text}");
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    assert_eq!(text_of(&app, request("another")).await.0, 200);
}

#[tokio::test]
async fn secrets_in_forms_are_not_written_and_not_compared() {
    let path = temp_dir().join("forms.toml");
    let answer = Reply::from("access_token=s3cret&scope=all").header("content-type", FORM);
    let mock = Outbound::mock().reply(Call::any(), answer);
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    let request = |secret: &str, user: &str| {
        form("/login", format!("user={user}&Password={secret}&client%5fsecret={secret}&refresh_token={secret}"))
    };
    assert_eq!(text_of(&app, request("s3cret", "ada")).await, (200, "access_token=s3cret&scope=all".to_owned()));
    app.idle().await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cret") && text.contains("user=ada&Password=redacted&client%5fsecret=redacted"), "{text}");
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    assert_eq!(text_of(&app, request("a longer one", "bob")).await.0, 502, "the rest is compared");
    let again = text_of(&app, request("a longer one", "ada")).await;
    assert_eq!(again, (200, "access_token=redacted&scope=all".to_owned()));
}

#[tokio::test]
async fn a_form_that_was_read_in_part_is_replayed_with_another_secret() {
    let path = temp_dir().join("part.toml");
    // This upstream responds after the first piece of the request body, and does not read the rest.
    let early = Outbound::from_fn(async |request: Request<Body>| {
        use http_body_util::BodyExt as _;
        let mut body = request.into_body();
        let _ = body.frame().await;
        Ok(Response::new(Body::from("early")))
    });
    let ask = async |outbound: Outbound, secret: &str| {
        let app = guests().env("UPSTREAM", "http://api.test/").outbound(outbound).await.unwrap();
        let answer = text_of(&app, form("/call", format!("token={secret}&a=1&rest={}", "x".repeat(300_000)))).await;
        app.idle().await;
        answer
    };
    let first = ask(Outbound::record(&path, early).unwrap(), "s3cret").await;
    assert_eq!(first, (200, "status 200\n5 bytes\n".to_owned()));
    assert!(!fs::read_to_string(&path).unwrap().contains("s3cret"));
    for secret in ["s", "a secret of quite another length"] {
        assert_eq!(ask(Outbound::replay(&path).unwrap(), secret).await, first, "{secret}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_recorded_as_it_is() {
    let path = temp_dir().join("json.toml");
    let mock = Outbound::mock().reply(Call::any(), "ok");
    let app = proxy(Outbound::record(&path, &mock).unwrap()).await;
    assert_eq!(text_of(&app, post("/", "password=plain")).await.0, 200);
    app.idle().await;
    assert!(fs::read_to_string(&path).unwrap().contains("body = \"password=plain\""));
}

#[tokio::test]
async fn secrets_are_not_written_and_not_compared() {
    let path = temp_dir().join("secrets.toml");
    let mock = Outbound::mock().reply(Call::any(), Reply::from("ok").header("set-cookie", "session=s3cret"));
    let redaction = Redaction::default().field("x-own").parameter("sig");
    let app = proxy(Outbound::record_with(&path, &mock, redaction).unwrap()).await;
    let request = |secret: &str| {
        let request = Request::get(format!("/?sig={secret}&page=1"));
        let request = request.header("authorization", secret).header("x-own", secret).header("x-api-key", secret);
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(text_of(&app, request("s3cret")).await.0, 200);
    app.idle().await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cret") && text.contains("sig=redacted&page=1"), "{text}");
    // The cassette itself says what is redacted, so a replay needs no redaction.
    let app = proxy(Outbound::replay(&path).unwrap()).await;
    let response = app.request(request("another")).await;
    assert_eq!((response.status().as_u16(), &response.headers()["set-cookie"]), (200, &"<redacted>".parse().unwrap()));
}

#[tokio::test]
async fn a_redirect_with_secrets_in_its_url_is_followed_when_it_is_replayed() {
    let path = temp_dir().join("redirect.toml");
    let upstream = "http://ada:s3cret@api.test";
    let mock = Outbound::mock()
        .reply(Call::get("*/users?*"), Reply::from("{\"name\":\"Ada\"}"))
        .reply(Call::post("*/users"), Reply::ok().status(201))
        .reply(
            Call::post("*/notes"),
            Reply::ok().status(302).header("location", "/final?x-amz-signature=s3cret&access_token=s3cret"),
        )
        .reply(Call::get("*/final?*"), Reply::ok().status(204));
    let ask = async |outbound: Outbound, upstream: &str| {
        let app = example("client").env("UPSTREAM", upstream).outbound(outbound).await.unwrap();
        let answer = text_of(&app, get("/")).await;
        app.idle().await;
        answer
    };
    assert_eq!(ask(Outbound::record(&path, &mock).unwrap(), upstream).await, (200, "Ada: 201 204\n".to_owned()));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cret") && text.contains("\"host: api.test\""), "{text}");
    assert!(text.contains("location: /final?x-amz-signature=redacted&access_token=redacted"), "{text}");
    let another = upstream.replace("s3cret", "another");
    assert_eq!(ask(Outbound::replay(&path).unwrap(), &another).await, (200, "Ada: 201 204\n".to_owned()));
}
