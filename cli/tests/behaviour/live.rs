//! A crate that is served while it is edited.

#[cfg(unix)]
mod dev;
#[cfg(unix)]
mod watched;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wayside_harness::http::{Request, StatusCode};
use wayside_harness::{Body, Build, Builds, Harness, Live, Outcome};

use crate::browser::Browser;
use crate::fixture::{Wire, eventually, root};

/// A crate in a temporary directory, with a path dependency.
struct Crate(PathBuf);

impl Crate {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live").join(name);
        let _ = fs::remove_dir_all(&dir);
        let this = Self(dir);
        this.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n[dependencies]\n\
                 greeting = {{ path = \"greeting\", package = \"greeting-{name}\" }}\n\
                 wayside = {{ path = {:?}, default-features = false }}\n\n[workspace]\n",
                root().join("sdk"),
            ),
        );
        // The dependency has a unique name, so that compiler messages tell which crate they are about.
        let manifest =
            format!("[package]\nname = \"greeting-{name}\"\nedition = \"2024\"\n\n[lib]\nname = \"greeting\"\n");
        this.write("greeting/Cargo.toml", &manifest);
        this.greeting("version 0");
        this.write("src/lib.rs", "#[wayside::http_component]\nfn handle() -> &'static str { greeting::TEXT }\n");
        fs::copy(root().join("Cargo.lock"), this.0.join("Cargo.lock")).unwrap();
        // All crates use the same target directory, which still has the artifacts of the last run.
        this.write(".cargo/config.toml", "[build]\ntarget-dir = \"../../live-target\"\n");
        this
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        // Writes a temporary file and renames it, so that each write is a single change.
        let beside = file.with_file_name(".beside");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, file).unwrap();
    }

    fn greeting(&self, text: &str) {
        self.write("greeting/src/lib.rs", &format!("pub const TEXT: &str = {text:?};\n"));
    }

    /// Makes a separate crate with middleware that puts a word before each response. Returns its directory.
    fn middleware(&self, word: &str) -> PathBuf {
        self.write(
            "guard/Cargo.toml",
            &format!(
                "[package]\nname = \"guard\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n[dependencies]\n\
                 wayside = {{ path = {:?}, features = [\"wasip3\"] }}\n\n[workspace]\n",
                root().join("sdk"),
            ),
        );
        let source = format!(
            "use wayside::{{Request, middleware::Next}};\n#[wayside::http_middleware]\n\
             async fn guard(req: Request, next: Next) -> String {{\n    \
             let text = next.run(req).await.into_body().text().await.unwrap_or_default();\n    \
             format!(\"{word} {{text}}\")\n}}\n"
        );
        self.write("guard/src/lib.rs", &source);
        fs::copy(root().join("Cargo.lock"), self.0.join("guard/Cargo.lock")).unwrap();
        self.0.join("guard")
    }

    fn live(&self) -> Live {
        Harness::build(&self.0).live().unwrap()
    }
}

/// Waits until a build with this number or a higher one has ended, and returns it.
async fn ended(builds: &mut Builds, number: u64) -> Build {
    let mut build = builds.newest();
    while build.number < number || matches!(build.outcome, Outcome::Running) {
        build = builds.next().await.unwrap();
    }
    build
}

async fn ask(live: &Live, accept: &str) -> (StatusCode, String) {
    let request = Request::get("http://localhost/").header("accept", accept).body(Body::empty()).unwrap();
    let response = live.request(request).await;
    (response.status(), response.into_body().text().await.unwrap())
}

/// A client that sends requests without a pause until it is stopped. Each response must be complete and must not come
/// from an older version of the crate than the previous one. Returns the versions that responded.
async fn load(addr: std::net::SocketAddr, stop: Arc<AtomicBool>, answers: Arc<AtomicUsize>) -> Vec<usize> {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::io::BufStream::new(tokio::net::TcpStream::connect(addr).await.unwrap());
    let mut seen = Vec::new();
    // Goes on after the stop until version 5, the newest, has responded.
    while !stop.load(Ordering::Relaxed) || seen.last() != Some(&5) {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let mut status = String::new();
        stream.read_line(&mut status).await.unwrap();
        assert_eq!(status, "HTTP/1.1 200 OK\r\n");
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim_end().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let version = String::from_utf8(body).unwrap().strip_prefix("version ").unwrap().parse().unwrap();
        assert!(seen.last().is_none_or(|last| *last <= version), "{version} after {:?}", seen.last());
        if seen.last() != Some(&version) {
            seen.push(version);
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_see_every_version_and_none_is_lost_while_the_crate_is_rebuilt() {
    let work = Crate::new("swapped");
    let live = work.live();
    let server = live.serve("127.0.0.1:0").await.unwrap();
    let mut builds = live.builds();
    let first = ended(&mut builds, 1).await;
    assert!(matches!(first.outcome, Outcome::Swapped { .. }), "{first:?}");

    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> =
        (0..4).map(|_| tokio::spawn(load(server.addr(), Arc::clone(&stop), Arc::clone(&answers)))).collect();
    for version in 1..=5 {
        let before = answers.load(Ordering::Relaxed);
        eventually("requests are answered between the builds", || answers.load(Ordering::Relaxed) > before + 100).await;
        if version == 3 {
            work.write("greeting/src/lib.rs", "pub const TEXT: &str = \"version 3\"; compile_error!(\"broken\");\n");
        } else {
            work.greeting(&format!("version {version}"));
        }
        let build = ended(&mut builds, version + 1).await;
        assert_eq!(build.number, version + 1, "each change is one build");
        match build.outcome {
            Outcome::Swapped { .. } => assert_ne!(version, 3),
            Outcome::Failed(error) => assert!(version == 3 && format!("{error:?}").contains("broken"), "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
    eventually("10 000 requests are answered", || answers.load(Ordering::Relaxed) >= 10_000).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.unwrap(), [0, 1, 2, 4, 5]);
    }
}

#[tokio::test]
async fn a_build_that_fails_is_a_page_for_browsers_and_costs_programs_nothing() {
    let work = Crate::new("broken");
    let live = work.live();
    let mut builds = live.builds();
    ended(&mut builds, 1).await;
    work.write("greeting/src/lib.rs", "pub const TEXT: &str = 1 < 2;\n");
    ended(&mut builds, 2).await;
    assert_eq!(ask(&live, "*/*").await, (StatusCode::OK, "version 0".to_owned()));
    let (status, page) = ask(&live, "text/html").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("expected `&amp;str`, found `bool`"), "{page}");
    assert!(page.contains("= 1 &lt; 2;"), "{page}");

    // The page of a failed build sends this request with its number. The response comes after the next build.
    let question = Request::get("http://localhost/").header("x-wayside-build", "2").body(Body::empty()).unwrap();
    let (answer, ()) = tokio::join!(live.request(question), async { work.greeting("mended") });
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(ask(&live, "text/html").await, (StatusCode::OK, "mended".to_owned()));
}

#[tokio::test]
async fn a_first_build_that_fails_answers_with_its_message_and_waits_for_the_mend() {
    let work = Crate::new("unborn");
    work.write("src/lib.rs", "fn broken( {}");
    let live = work.live();
    let server = live.serve("127.0.0.1:0").await.unwrap();
    // This request is sent before the first build has ended, and answered afterwards.
    let wire = Wire::get(&server, "/").await;
    assert_eq!((wire.status, wire.field("content-type")), (503, vec!["application/problem+json"]));
    assert!(wire.whole_text().contains("does not compile"), "{wire:?}");
    let (status, page) = ask(&live, "text/html").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("src/lib.rs:1"), "{page}");
    let mut builds = live.builds();
    let next = builds.newest().number + 1;
    work.write("src/lib.rs", "#[wayside::http_component]\nfn handle() -> &'static str { \"mended\" }\n");
    ended(&mut builds, next).await;
    assert_eq!(Wire::get(&server, "/").await.whole_text(), "mended");
}

#[tokio::test]
async fn only_what_the_component_is_made_of_is_built() {
    let work = Crate::new("touched");
    let live = work.live();
    let mut builds = live.builds();
    let first = ended(&mut builds, 1).await;
    // None of these writes is a change that starts a build: the same content, a hidden file, an artifact, a nested
    // package.
    work.greeting("version 0");
    work.write(".hidden/file", "x");
    work.write("target/CACHEDIR.TAG", "x");
    work.write("apart/Cargo.toml", "[package]\nname = \"apart\"\n");
    work.write("apart/src/lib.rs", "x");
    // These writes are changes, and the next build is for them.
    work.write("src/new.rs", "pub const TEXT: &str = \"new\";\n");
    work.write("src/lib.rs", "mod new;\n#[wayside::http_component]\nfn handle() -> &'static str { new::TEXT }\n");
    let mut build = ended(&mut builds, first.number + 1).await;
    let mut changed = build.changed.clone();
    while ask(&live, "*/*").await.1 != "new" {
        // The two files may have caused two builds.
        build = ended(&mut builds, build.number + 1).await;
        changed.extend(build.changed.clone());
    }
    changed.sort();
    changed.dedup();
    let src = fs::canonicalize(&work.0).unwrap().join("src");
    assert_eq!(changed, [src.join("lib.rs"), src.join("new.rs")]);
}

#[tokio::test]
async fn a_request_that_is_in_hand_is_finished_by_the_component_that_has_it() {
    let work = Crate::new("in-hand");
    let slow = "use wayside::Body;\n#[wayside::http_component]\nasync fn handle(body: Body) -> String {\n    \
                format!(\"old {}\", body.text().await.unwrap())\n}\n";
    work.write("src/lib.rs", slow);
    let live = work.live();
    let mut builds = live.builds();
    ended(&mut builds, 1).await;
    let (sender, body) = http_body_util::channel::Channel::<bytes::Bytes, std::io::Error>::new(1);
    let request = Request::post("http://localhost/").body(Body::new(body)).unwrap();
    let mut events = live.events();
    let ((), response) = tokio::join!(
        async {
            let mut sender: http_body_util::channel::Sender<bytes::Bytes, std::io::Error> = sender;
            let _started = events.recv().await.unwrap();
            work.write("src/lib.rs", &slow.replace("old", "new"));
            ended(&mut builds, 2).await;
            sender.send_data("body".into()).await.unwrap();
        },
        live.request(request),
    );
    assert_eq!(response.into_body().text().await.unwrap(), "old body");
    let request = Request::post("http://localhost/").body(Body::from("body")).unwrap();
    assert_eq!(live.request(request).await.into_body().text().await.unwrap(), "new body");
}

#[tokio::test]
async fn middleware_that_is_a_crate_is_built_anew_with_what_stands_behind_it() {
    let work = Crate::new("chained");
    let guard = work.middleware("one");
    let live = Harness::build(&work.0).middleware(&guard).live().unwrap();
    let mut builds = live.builds();
    ended(&mut builds, 1).await;
    assert_eq!(ask(&live, "*/*").await, (StatusCode::OK, "one version 0".to_owned()));
    work.middleware("two");
    let build = ended(&mut builds, 2).await;
    assert_eq!(build.changed, [fs::canonicalize(&guard).unwrap().join("src/lib.rs")]);
    assert_eq!(ask(&live, "*/*").await.1, "two version 0");

    // A change of the application is kept while the middleware is broken, and takes effect when the middleware is
    // mended.
    work.write("guard/src/lib.rs", "broken");
    let build = ended(&mut builds, 3).await;
    assert!(matches!(build.outcome, Outcome::Failed(_)), "{build:?}");
    work.greeting("version 1");
    let build = ended(&mut builds, 4).await;
    assert!(matches!(build.outcome, Outcome::Failed(_)), "{build:?}");
    assert_eq!(ask(&live, "*/*").await.1, "two version 0");
    work.middleware("two");
    ended(&mut builds, 5).await;
    assert_eq!(ask(&live, "*/*").await.1, "two version 1");
}

/// What a user sees of a broken crate in the inspector and at the address of the service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_compiler_says_is_the_page_until_the_crate_is_mended() {
    let Some(browser) = Browser::start("live") else { return };
    let work = Crate::new("browsed");
    let live = work.live();
    let server = live.serve("127.0.0.1:0").await.unwrap();
    let inspector = live.inspector("127.0.0.1:0").await.unwrap();
    let mut builds = live.builds();
    ended(&mut builds, 1).await;
    work.write("greeting/src/lib.rs", "pub const TEXT: &str = 1 < 2;\n");
    ended(&mut builds, 2).await;

    browser.open(&inspector.url());
    browser.wait("!document.getElementById('broken').hidden").await;
    assert!(browser.text("#broken pre").contains("expected `&str`, found `bool`"));
    assert_eq!(browser.text("#build"), "does not compile");
    browser.look(1280, 800, "light");
    browser.picture("broken-inspector");

    browser.open(&server.url("/"));
    assert_eq!(browser.text("h1"), "The crate does not compile");
    assert!(browser.text("pre").contains("pub const TEXT: &str = 1 < 2;"));
    browser.picture("broken-page");
    work.greeting("mended");
    browser.wait("document.body.textContent === 'mended'").await;
    browser.open(&inspector.url());
    browser.wait("document.getElementById('build').textContent === 'build 3 answers'").await;
    browser.wait("document.getElementById('broken').hidden").await;
}
