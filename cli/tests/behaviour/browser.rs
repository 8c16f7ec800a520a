//! A browser, driven over WebDriver (W3C).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use serde_json::{Value, json};

use crate::fixture::eventually;

/// A headless Chromium, which ends on drop.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Starts a browser with a new profile. Without Chromium, prints a message and returns `None`; in CI, fails.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) => {
                assert!(env::var_os("CI").is_none(), "CI needs chromium and chromedriver: {error}");
                #[expect(clippy::print_stderr, reason = "the one who runs the tests should know what was left out")]
                {
                    eprintln!("SKIPPED: install chromium and chromedriver to test the page in a browser ({error})");
                }
                return None;
            }
        };
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.into_iter().find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser").join(name);
        let _ = fs::remove_dir_all(&profile);
        fs::create_dir_all(&profile).unwrap();
        let mut browser =
            Self { driver, port: port.expect("chromedriver tells its port"), session: String::new(), profile };
        let profile = format!("--user-data-dir={}", browser.profile.display());
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,800",
            &profile,
        ];
        let chromium = json!({ "goog:chromeOptions": { "args": args } });
        let session = browser.post("/session", &json!({ "capabilities": { "alwaysMatch": chromium } }));
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        Some(browser)
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// Runs JavaScript in the page as the body of a function, and returns the result of the function.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true in the page.
    pub(crate) async fn wait(&self, expression: &str) {
        let script = format!("return Boolean({expression});");
        eventually(expression, || self.run(&script) == true).await;
    }

    /// Clicks on an element as a mouse does. This fails if another element covers it.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Returns the visible text of an element.
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        self.request("GET", &format!("/session/{}/element/{element}/text", self.session), "")
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Presses keys on the focused element.
    pub(crate) fn press(&self, keys: &str) {
        let pressed = keys.chars().flat_map(|key| {
            [
                json!({ "type": "keyDown", "value": key.to_string() }),
                json!({ "type": "keyUp", "value": key.to_string() }),
            ]
        });
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": pressed.collect::<Vec<_>>() }]);
        self.command("actions", &json!({ "actions": actions }));
    }

    /// Sets the size of the page, and the colour scheme of the system: `light` or `dark`.
    pub(crate) fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Writes a screenshot into the directory that the variable `PICTURES` names, if it is set.
    pub(crate) fn picture(&self, name: &str) {
        use base64::Engine as _;
        let Some(dir) = env::var_os("PICTURES") else { return };
        let picture = self.request("GET", &format!("/session/{}/screenshot", self.session), "");
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        fs::create_dir_all(&dir).unwrap();
        fs::write(Path::new(&dir).join(format!("{name}.png")), bytes).unwrap();
    }

    fn devtools(&self, command: &str, params: &Value) {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": params }));
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|found| found.values().next()?.as_str().map(ToOwned::to_owned));
        id.unwrap_or_else(|| panic!("no `{selector}`: {found}"))
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        self.post(&format!("/session/{}/{name}", self.session), body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.request("POST", path, &body.to_string())
    }

    #[track_caller]
    fn request(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.exchange(method, path, body).unwrap();
        let mut value: Value = serde_json::from_str(&answer).unwrap();
        let value = value["value"].take();
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }

    /// Sends a request to the driver, and returns the body of the response. Reads as many bytes as `content-length`
    /// says, because the driver keeps the connection open.
    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )?;
        let mut stream = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the session first, because the browser would outlive a killed driver.
        let _ = self.exchange("DELETE", &format!("/session/{}", self.session), "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
