//! curl and node get responses before their upload is complete. Each client must see the status.

use std::process::Command;
use std::time::Duration;

use wayside_harness::{Harness, Limits};

use super::fixture::{guests, temp_file, within};

/// The paths that respond before the upload is complete, with their statuses. `SIZES` are the sizes of the uploads: one
/// exceeds the buffers between client and server, one fits.
const EARLY: [(&str, &str); 3] = [("/limited", "413"), ("/sleep", "200"), ("/panic-before-head", "500")];
const SIZES: [usize; 2] = [4 * 1024 * 1024, 1000];

async fn app() -> Harness {
    guests().limits(Limits::default().timeout(Duration::from_secs(60))).await.unwrap()
}

/// Runs a client, and returns its output. If the client is not installed, prints an error and returns `None`; in CI,
/// fails.
async fn run(mut command: Command) -> Option<String> {
    let what = format!("{command:?}");
    let output = within(&what, tokio::task::spawn_blocking(move || command.output())).await.unwrap();
    match output {
        Ok(output) => {
            let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{what}: {:?} {said} {complained}", output.status.code());
            Some(said.into_owned())
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI needs curl and node: {error}");
            eprintln!("skipped: {what}: {error}");
            None
        }
    }
}

/// Uploads with curl, ten times for each path and size, and checks the status that curl prints.
async fn curl(flags: &[&str]) {
    let app = app().await;
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for ((path, status), size) in EARLY.iter().flat_map(|early| SIZES.map(|size| (early, size))) {
        let upload = temp_file("upload", &"x".repeat(size));
        for _ in 0..10 {
            let mut command = Command::new("curl");
            command.args(["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}"]);
            command.args(flags).arg("--data-binary").arg(format!("@{}", upload.display())).arg(server.url(path));
            let Some(said) = run(command).await else { return };
            assert_eq!(said, *status, "{path}, {size} bytes, {flags:?}");
        }
    }
}

#[tokio::test]
async fn curl_sees_early_answers_to_a_known_length() {
    curl(&["--http1.1", "--header", "expect:"]).await;
}

#[tokio::test]
async fn curl_sees_early_answers_where_it_waits_for_leave() {
    curl(&["--http1.1", "--header", "expect: 100-continue"]).await;
}

#[tokio::test]
async fn curl_sees_early_answers_to_chunks() {
    curl(&["--http1.1", "--header", "transfer-encoding: chunked", "--header", "expect:"]).await;
}

#[tokio::test]
async fn curl_sees_early_answers_over_http2() {
    curl(&["--http2-prior-knowledge"]).await;
}

/// Runs JavaScript in node that uploads twenty times for each path and size. `upload` is the source of a function
/// `upload(origin, path, size)` that returns the status.
async fn node(upload: &str) {
    let app = app().await;
    let server = app.serve("127.0.0.1:0").await.unwrap();
    for ((path, status), size) in EARLY.iter().flat_map(|early| SIZES.map(|size| (early, size))) {
        let script = format!(
            "{upload}\n(async () => {{ const seen = {{}}; for (let number = 0; number < 20; number++) {{ \
             const status = await upload(process.argv[1], '{path}', {size}).catch(error => String(error.cause ?? error)); \
             seen[status] = (seen[status] ?? 0) + 1; }} console.log(JSON.stringify(seen)); process.exit(0); }})();"
        );
        let mut command = Command::new("node");
        command.arg("-e").arg(script).arg(server.url("").trim_end_matches('/'));
        let Some(said) = run(command).await else { return };
        assert_eq!(said.trim(), format!("{{\"{status}\":20}}"), "{path}, {size} bytes");
    }
}

#[tokio::test]
async fn fetch_of_node_sees_early_answers() {
    node(
        "const upload = async (origin, path, size) => { \
         const response = await fetch(origin + path, { method: 'POST', body: Buffer.alloc(size) }); \
         await response.text(); return response.status; };",
    )
    .await;
}

#[tokio::test]
async fn http_of_node_sees_early_answers() {
    node(
        "const http = require('node:http'); \
         const upload = (origin, path, size) => new Promise((resolve, reject) => { \
         const request = http.request(origin + path, { method: 'POST' }, response => { \
         response.resume(); response.on('end', () => resolve(response.statusCode)); response.on('error', reject); }); \
         request.on('error', reject); request.end(Buffer.alloc(size)); });",
    )
    .await;
}

#[tokio::test]
async fn http2_of_node_sees_early_answers() {
    node(
        "const http2 = require('node:http2'); let session; \
         const upload = (origin, path, size) => new Promise((resolve, reject) => { \
         session ??= http2.connect(origin); \
         const request = session.request({ ':method': 'POST', ':path': path }); let status; \
         request.on('response', head => { status = head[':status']; }); request.on('error', reject); \
         request.resume(); request.on('end', () => resolve(status)); request.end(Buffer.alloc(size)); });",
    )
    .await;
}
