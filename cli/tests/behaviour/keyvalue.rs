//! `wasi:keyvalue` and `wasi:config`, used by components without `wayside`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use wayside_harness::{Harness, HarnessBuilder, KeyValue};

use super::command::{Serving, assert_message, run, stderr, stdout, temporary};
use super::fixture::{get, root};

const RAW: &str = "host-harness/tests/raw-keyvalue";

fn raw() -> HarnessBuilder {
    Harness::build(root().join(RAW))
}

async fn ask(app: &Harness, path: &str) -> (u16, String) {
    let response = app.request(get(path)).await;
    (response.status().as_u16(), response.into_body().text().await.unwrap())
}

/// Checks that a store does what `wasi:keyvalue` guarantees. A new instance handles each request, so values must
/// outlive instances.
async fn assert_store(app: &Harness) {
    for (path, status, text) in [
        ("/get/b/k", 404, "nothing"),
        ("/exists/b/k", 200, "false"),
        ("/set/b/k?one", 200, "done"),
        ("/get/b/k", 200, "one"),
        ("/set/b/k?two", 200, "done"),
        ("/get/b/k", 200, "two"),
        ("/exists/b/k", 200, "true"),
        ("/get/other/k", 404, "nothing"),
        ("/delete/b/k", 200, "done"),
        ("/delete/b/k", 200, "done"),
        ("/get/b/k", 404, "nothing"),
        ("/increment/b/n?5", 200, "5"),
        ("/increment/b/n?7", 200, "12"),
        ("/get/b/n", 200, "12"),
        ("/set-many/b?x=1&y=2&x=3", 200, "done"),
        ("/get-many/b?y&z&x", 200, "y=2 none x=3"),
        ("/keys/b", 200, "n x y"),
        ("/keys/empty", 200, ""),
        ("/delete-many/b?x&z", 200, "done"),
        ("/keys/b", 200, "n y"),
        ("/set/b/text?word", 200, "done"),
    ] {
        assert_eq!(ask(app, path).await, (status, text.to_owned()), "{path}");
    }
    let (status, text) = ask(app, "/increment/b/text").await;
    assert_eq!(status, 500, "{text}");
    for hundred in 0..30 {
        let pairs: Vec<String> = (0..100).map(|key| format!("{hundred:02}{key:02}=v")).collect();
        assert_eq!(ask(app, &format!("/set-many/many?{}", pairs.join("&"))).await.0, 200);
    }
    let (_, keys) = ask(app, "/keys/many").await;
    assert_eq!(keys.split(' ').count(), 3000);
    assert_eq!(app.instances(), app.requests());
    assert!(app.traps().is_empty());
}

#[tokio::test]
async fn a_store_in_memory_does_what_the_interface_promises() {
    assert_store(&raw().await.unwrap()).await;
}

#[tokio::test]
async fn a_store_is_shared_by_those_who_are_given_it_and_by_nobody_else() {
    let store = KeyValue::memory();
    store.set("b", "k", "from the test").await.unwrap();
    let one = raw().keyvalue(store.clone()).await.unwrap();
    let two = raw().keyvalue(store.clone()).await.unwrap();
    assert_eq!(ask(&one, "/get/b/k").await.1, "from the test");
    ask(&one, "/set/b/k?from+one").await;
    assert_eq!(ask(&two, "/get/b/k").await.1, "from+one");
    assert_eq!(store.get("b", "k").await.unwrap().unwrap(), b"from+one");
    assert_eq!(ask(&raw().await.unwrap(), "/get/b/k").await.0, 404);
}

#[tokio::test]
async fn increments_at_the_same_time_are_all_counted() {
    let app = raw().await.unwrap();
    let requests = (0..50).map(|_| ask(&app, "/increment/b/n"));
    futures_util::future::join_all(requests).await;
    assert_eq!(ask(&app, "/get/b/n").await.1, "50");
}

#[tokio::test]
async fn settings_are_found_by_name_and_all_together() {
    let app = raw().config("a", "1").config("b", "x=y").config("a", "2").await.unwrap();
    assert_eq!(ask(&app, "/config/a").await, (200, "2".to_owned()));
    assert_eq!(ask(&app, "/config/c").await.0, 404);
    assert_eq!(ask(&app, "/config").await.1, "a=2\nb=x=y\n");
    assert_eq!(ask(&raw().await.unwrap(), "/config").await, (200, String::new()));
}

#[test]
fn the_command_gives_settings_and_a_store() {
    let server = Serving::start(&[RAW, "--config", "greeting=hello there", "--keyvalue", "memory"]);
    assert!(server.get("/config/greeting").ends_with("hello there\r\n0\r\n\r\n"), "{}", server.get("/config/greeting"));
    server.get("/increment/b/n?41");
    assert!(server.get("/increment/b/n").contains("\r\n42\r\n"));
    server.stop();
    let output = run(&["inspect", RAW]);
    assert!(stdout(&output).contains("wasi:keyvalue/store@0.2.0-draft\n"), "{}", stdout(&output));
    assert!(!stdout(&output).contains("not offered"), "{}", stdout(&output));
}

#[test]
fn calls_to_the_store_are_traced() {
    let output = run(&["request", RAW, "/increment/b/n?2", "--trace-wasi"]);
    for call in ["#1 wasi:keyvalue/store open(identifier: \"b\") -> resource", "#1 wasi:keyvalue/atomics increment("] {
        assert!(stderr(&output).contains(call), "`{call}` is missing in {}", stderr(&output));
    }
    let output = run(&["request", RAW, "/config/a", "--config", "a=1", "--trace-wasi"]);
    let call = "#1 wasi:config/store get(key: \"a\") -> Ok(Some(\"1\"))\n";
    assert!(stderr(&output).contains(call), "{}", stderr(&output));
}

#[test]
fn a_store_that_cannot_be_reached_or_understood_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("redis://user:secret@{free}");
    let output = run(&["serve", RAW, "--keyvalue", &url]);
    assert_message(&output, &[&format!("cannot reach the Redis server `{free}`: "), "help: start the server"]);
    assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
    let output = run(&["serve", RAW, "--keyvalue", "disk"]);
    assert!(stderr(&output).contains("write `memory`, `file:PATH`, or `redis://host:port`"), "{}", stderr(&output));
    let output = run(&["serve", RAW, "--keyvalue", "redis://nobody:x"]);
    assert_message(&output, &["`redis://nobody:x` names no Redis server", "help: write `redis://host:port`"]);
}

#[tokio::test]
async fn a_store_in_a_file_does_what_the_interface_promises_and_outlives_the_host() {
    let file = temporary("store-file").join("store.jsonl");
    let open = || KeyValue::file(&file);
    let app = raw().keyvalue(open().unwrap()).await.unwrap();
    assert_store(&app).await;
    assert_eq!(ask(&app, "/set/b/kept?value").await, (200, "done".to_owned()));
    let error = open().unwrap_err();
    assert!(error.to_string().ends_with("store.jsonl` is in use"), "{error}");
    drop(app);
    let store = open().unwrap();
    store.set("b", "bytes", [0xff, 0]).await.unwrap();
    drop(store);
    let app = raw().keyvalue(open().unwrap()).await.unwrap();
    assert_eq!(ask(&app, "/get/b/kept").await, (200, "value".to_owned()));
    assert_eq!(ask(&app, "/increment/b/n?1").await, (200, "13".to_owned()));
    drop(app);
    assert_eq!(open().unwrap().get("b", "bytes").await.unwrap(), Some(vec![0xff, 0]));
}

#[tokio::test]
async fn a_store_in_a_file_is_written_anew_once_most_lines_are_out_of_date() {
    let file = temporary("store-rewritten").join("store.jsonl");
    let lines = || std::fs::read_to_string(&file).unwrap().lines().count();
    let store = KeyValue::file(&file).unwrap();
    for number in 0..10 {
        store.set("b", "k", number.to_string()).await.unwrap();
    }
    drop(store);
    assert_eq!(lines(), 10);
    let store = KeyValue::file(&file).unwrap();
    assert_eq!((lines(), store.get("b", "k").await.unwrap()), (1, Some(b"9".to_vec())));
    drop(store);
    // The process ended while it wrote the last line.
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("{\"bucket\":\"b\",\"ke");
    std::fs::write(&file, text).unwrap();
    let store = KeyValue::file(&file).unwrap();
    store.set("b", "l", "new").await.unwrap();
    drop(store);
    let store = KeyValue::file(&file).unwrap();
    assert_eq!(store.get("b", "k").await.unwrap(), Some(b"9".to_vec()));
    assert_eq!(store.get("b", "l").await.unwrap(), Some(b"new".to_vec()));
}

#[test]
fn the_command_keeps_a_store_in_a_file_across_restarts() {
    let store = format!("file:{}", temporary("store-command").join("store.jsonl").display());
    for expected in ["41", "82"] {
        let output = run(&["request", RAW, "/increment/b/n?41", "--keyvalue", &store]);
        assert!(stdout(&output).contains(expected), "{}", stdout(&output));
    }
    let output = run(&["request", RAW, "/get/b/n", "--keyvalue", "file:no/such/dir/store"]);
    assert_message(&output, &["cannot open the key-value store `no/such/dir/store`", "help: name a file"]);
    let output = run(&["request", RAW, "/get/b/n", "--keyvalue", "file:Cargo.toml"]);
    assert_message(&output, &["the key-value store `Cargo.toml` cannot be understood, line 1: "]);
}

/// A Redis server for one test.
struct RedisServer {
    url: String,
    child: Child,
}

impl RedisServer {
    /// Starts a server on a free port, if Redis is installed.
    fn start(name: &str) -> Option<Self> {
        let dir = temporary(name);
        // Tries several ports, because another program may take a free port before the server does.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new("redis-server");
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
            command.arg("--dir").arg(&dir).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    assert!(std::env::var_os("CI").is_none(), "redis-server must be installed: {error}");
                    // Writes to stderr without `eprintln!`, whose output the test run would capture.
                    let _ =
                        writeln!(std::io::stderr(), "SKIPPED: the tests of Redis, for want of `redis-server`: {error}");
                    return None;
                }
            };
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            if lines.any(|line| line.contains("Ready to accept connections")) {
                // Reads the rest of the output, because the server would block on a full pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Some(Self { url: format!("redis://127.0.0.1:{port}"), child });
            }
            child.wait().unwrap();
        }
        panic!("redis-server does not start");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_store_on_redis_does_what_the_interface_promises() {
    let Some(redis) = RedisServer::start("redis") else { return };
    let store = KeyValue::redis(&redis.url).await.unwrap();
    assert_store(&raw().keyvalue(store).await.unwrap()).await;
}

#[tokio::test]
async fn a_store_on_redis_outlives_the_host() {
    let Some(redis) = RedisServer::start("redis-outlives") else { return };
    for count in ["1", "2", "3"] {
        let app = raw().keyvalue(KeyValue::redis(&redis.url).await.unwrap()).await.unwrap();
        assert_eq!(ask(&app, "/increment/b/n").await.1, count);
    }
    let output = run(&["request", RAW, "/get/b/n", "--keyvalue", &redis.url]);
    assert_eq!(stdout(&output), "3");
}

#[tokio::test]
async fn a_redis_that_goes_away_is_an_error_for_the_component_and_found_again_when_it_is_back() {
    let Some(mut redis) = RedisServer::start("redis-gone") else { return };
    let app = raw().keyvalue(KeyValue::redis(&redis.url).await.unwrap()).await.unwrap();
    assert_eq!(ask(&app, "/set/b/k?v").await.0, 200);
    redis.child.kill().unwrap();
    redis.child.wait().unwrap();
    let (status, text) = ask(&app, "/get/b/k").await;
    assert!(status == 500 && !text.is_empty(), "{status} {text}");
    let port = redis.url.rsplit_once(':').unwrap().1.to_owned();
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(temporary("redis-back")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut back = command.spawn().unwrap();
    let mut lines = BufReader::new(back.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("Ready to accept connections")));
    redis.child = back;
    // The first call may fail, because it may use the old connection, which is closed.
    let _ = ask(&app, "/get/b/k").await;
    assert_eq!(ask(&app, "/get/b/k").await, (404, "nothing".to_owned()));
    assert!(app.traps().is_empty());
}
