//! The inspector's page: hostile text is shown as text, and the user can pause the list of requests.

use wayside_harness::Body;
use wayside_harness::http::{HeaderValue, Request};

use super::{inspected, send};
use crate::browser::Browser;
use crate::fixture::{get, post};

/// Checks that no element of the page contains a control character.
const HAS_NO_CONTROLS: &str = r"return !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/
    .test(document.body.textContent + [...document.querySelectorAll('[title]')].map((node) => node.title).join(''));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_characters_are_visible_on_the_page_and_never_obeyed() {
    let Some(browser) = Browser::start("inspector-controls") else { return };
    let (app, inspector) = inspected().await;
    browser.look(1280, 800, "light");
    browser.open(&inspector.url());
    let hostile = "<b>a</b>\u{1b}[31m\u{7}\u{9b}\u{202e}gnp.exe\u{2066}\u{61c}\u{200f}\u{2028}\r\nz\u{7f}";
    let mut request = Request::post("/mirror?q=\u{9b}\u{202e}x").body(Body::from(hostile)).unwrap();
    let value = HeaderValue::from_bytes("a\u{9b}\u{202e}z".as_bytes()).unwrap();
    request.headers_mut().insert("x-hostile", value);
    send(&app, request).await;
    send(&app, post("/print", format!("{hostile}{hostile}"))).await;
    let document = Request::post("/mirror").header("content-type", "application/json");
    send(&app, document.body("{\"a\":\"\u{202e}\u{7f}\"}".into()).unwrap()).await;
    browser.wait("document.querySelectorAll('#requests li').length === 3").await;
    for (number, expected) in [
        (1, r"<b>a</b>\u{1b}[31m\u{7}\u{9b}\u{202e}gnp.exe\u{2066}\u{61c}\u{200f}\u{2028}\r"),
        (2, r"z\u{7f}<b>a</b>\u{1b}[31m"),
        (3, r#""\u{202e}\u{7f}""#),
    ] {
        browser.run(&format!("location.hash = '#{number}';"));
        browser.wait(&format!("document.querySelector('#detail').dataset.number === '{number}'")).await;
        let shown = browser.text("#detail");
        assert!(shown.contains(expected), "`{expected}` is missing in {shown}");
        assert_eq!(browser.run(HAS_NO_CONTROLS), true);
        browser.picture(&format!("controls-{number}"));
    }
    assert_eq!(browser.run("return document.querySelectorAll('main b').length;"), 3, "no markup but the methods");
}

/// Gives the page invented requests with these numbers, each in an update as the server would send it.
fn tell(browser: &Browser, from: u32, to: u32, missed: u32) {
    browser.run(&format!(
        "for (let number = {from}; number <= {to}; number++) {{
           const line = {{ number, method: 'GET', path: '/told', status: 200, duration: 1, bytes: 0, finished: true,
             trapped: false, broken: false, incomplete: {missed} > 0, calls: 0, resent: null }};
           const update = {{ requests: [line], missed: {missed}, build: null, target: 'app', tests: 'tests' }};
           source.dispatchEvent(new MessageEvent('message', {{ data: JSON.stringify(update) }}));
         }}"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_the_newest_requests_after_a_pause_and_what_it_missed() {
    let Some(browser) = Browser::start("inspector-pause") else { return };
    let (app, inspector) = inspected().await;
    browser.open(&inspector.url());
    send(&app, get("/status/200")).await;
    browser.wait("document.querySelectorAll('#requests li').length === 1").await;
    browser.click("#pause");
    tell(&browser, 2, 2000, 0);
    assert_eq!(browser.run("return document.querySelectorAll('#requests li').length;"), 1, "it is paused");
    assert_eq!(browser.text("#pause"), "Pause (1999 new)");
    browser.click("#pause");
    let shown = "const all = [...document.querySelectorAll('#requests li')].map((row) => Number(row.dataset.number));
                 return [all.length, all[0], all.at(-1)];";
    assert_eq!(browser.run(shown), serde_json::json!([500, 2000, 1501]));
    let gave_way = "1499 older requests gave way during the pause.";
    assert_eq!(browser.text("#missed"), gave_way);
    assert_eq!(browser.text("#pause"), "Pause");

    tell(&browser, 2001, 2001, 7);
    let missed = "7 events came too fast and were lost: requests may be missing or incomplete.";
    assert_eq!(browser.text("#missed"), format!("{gave_way} {missed}"));
    assert!(browser.text("#requests li").contains("incomplete"));
    browser.picture("missed");
    browser.click("#clear");
    assert_eq!(browser.text("#missed"), missed);
}
