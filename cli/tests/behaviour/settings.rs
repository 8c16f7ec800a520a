//! `wayside.toml`, and the routes in it.

use std::fs;
use std::path::{Path, PathBuf};

use wayside_harness::{Harness, Routes};

use super::command::{Serving, assert_message, stderr, stdout, temporary, wayside};
use super::fixture::{Upstream, Wire, example, guests, root};

/// Makes a directory with a settings file. `ROOT` in `settings` is replaced by the path of the checkout.
fn directory(name: &str, settings: &str) -> PathBuf {
    let dir = temporary(name);
    let root = fs::canonicalize(root()).unwrap();
    fs::write(dir.join("wayside.toml"), settings.replace("ROOT", &root.to_string_lossy())).unwrap();
    dir
}

fn fails(dir: &Path, args: &[&str]) -> std::process::Output {
    wayside().current_dir(dir).arg("serve").args(args).output().unwrap()
}

const GUESTS: &str = "path = \"ROOT/host-harness/tests/guests\"";
const RAW: &str = "path = \"ROOT/host-harness/tests/raw-keyvalue\"";

#[tokio::test]
async fn the_longest_route_wins_and_a_path_without_one_is_404() {
    let (hello, guests) = (example("hello").await.unwrap(), guests().await.unwrap());
    let routes = Routes::new().add("/hello", &hello).unwrap().add("/status/", &guests).unwrap();
    let server = routes.serve("127.0.0.1:0").await.unwrap();
    assert_eq!(Wire::get(&server, "/hello").await.whole_text(), "Hello from Wayside!\n");
    assert_eq!(Wire::get(&server, "/hello/x?y").await.status, 200);
    assert_eq!(Wire::get(&server, "/status/418").await.status, 418);
    for path in ["/hellos", "/", "/statuses/200"] {
        let wire = Wire::get(&server, path).await;
        assert_eq!((wire.status, wire.field("content-type")), (404, vec!["application/problem+json"]), "{path}");
    }
    let routes = routes.add("/", &hello).unwrap();
    let server = routes.serve("127.0.0.1:0").await.unwrap();
    assert_eq!(Wire::get(&server, "/anything").await.status, 200);
}

#[tokio::test]
async fn a_route_is_a_path_and_belongs_to_one_component() {
    let hello: Harness = example("hello").await.unwrap();
    for bad in ["", "api", "/a?b", "/a#b"] {
        let error = Routes::new().add(bad, &hello).unwrap_err();
        assert_eq!(error.to_string(), format!("`{bad}` is no route"));
    }
    let error = Routes::new().add("/a", &hello).unwrap().add("/a/", &hello).unwrap_err();
    assert_eq!(error.to_string(), "two components have the route `/a/`");
}

#[test]
fn settings_serve_components_by_their_routes_with_what_each_is_given() {
    let settings = format!(
        "log = \"json\"\n\
         [component.guests]\n{GUESTS}\nenv = {{ A = \"file\", B = \"file\" }}\nenv-file = [\"own.env\"]\nmax-body = \"4 B\"\n\
         [component.settings]\n{RAW}\nroute = \"/config\"\nconfig = {{ x = \"1\", y = \"2\" }}\n"
    );
    let dir = directory("settings", &settings);
    fs::write(dir.join("own.env"), "C=own\n").unwrap();
    let server = Serving::start_in(&dir, &["--env", "B=flag", "--config", "y=3"]);
    assert!(server.get("/surroundings").ends_with("A=file B=flag C=own; no threads\n"));
    assert!(server.get("/config").contains("x=1\ny=3\n"));
    assert!(server.get("/config/x").contains("\r\n1\r\n"));
    assert!(server.post("/whole", "12345").starts_with("HTTP/1.1 413 "));
    let output = server.stop();
    let lines: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines.iter().map(|line| (&line["component"], &line["request"], &line["path"])).collect();
    let (guests, settings) = (&"guests".into(), &"settings".into());
    let paths = ["/surroundings", "/config", "/config/x", "/whole"].map(serde_json::Value::from);
    assert_eq!(
        seen,
        [
            (guests, &1.into(), &paths[0]),
            (settings, &1.into(), &paths[1]),
            (settings, &2.into(), &paths[2]),
            (guests, &2.into(), &paths[3]),
        ]
    );
    let text = stderr(&output);
    assert!(text.contains("  /  guests (") && text.contains("  /config  settings ("), "{text}");
}

#[test]
fn flags_win_over_the_file() {
    let settings =
        format!("addr = \"192.0.2.1:1\"\n[component.guests]\n{GUESTS}\ntimeout = \"1h\"\nmax-memory = \"1 GiB\"\n");
    let dir = directory("settings-flags", &settings);
    let server = Serving::start_in(&dir, &["--timeout", "200ms", "--max-memory", "10 MiB", "--log", "text"]);
    assert!(server.get("/spin").starts_with("HTTP/1.1 504 "));
    assert!(server.get("/memory").starts_with("HTTP/1.1 500 "));
    assert!(server.get("/nothing").starts_with("HTTP/1.1 404 "));
    let text = stderr(&server.stop());
    assert!(text.contains("more than its 10485760 bytes"), "{text}");
    assert!(text.contains("guests#1 GET /spin 504 in "), "{text}");
}

#[test]
fn files_of_variables_win_over_the_file_and_lose_to_single_ones() {
    let settings = format!(
        "[component.guests]\n{GUESTS}\nenv = {{ A = \"table\", B = \"table\", C = \"table\" }}\nenv-file = [\"own.env\"]\n"
    );
    let dir = directory("settings-env-file", &settings);
    fs::write(dir.join("own.env"), "A=own\nD=own\n").unwrap();
    fs::write(dir.join("flag.env"), "B=flag file\nC=flag file\n").unwrap();
    let server = Serving::start_in(&dir, &["--env-file", "flag.env", "--env", "C=flag"]);
    assert!(server.get("/surroundings").ends_with("A=table B=flag file C=flag D=own; no threads\n"));
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_leaves_the_rules_of_the_file_alone() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup").await;
    let settings = format!(
        "[component.proxy]\npath = \"ROOT/examples/proxy\"\nenv = {{ UPSTREAM = \"{0}\" }}\nallow-outbound = [\"{0}\"]\n",
        upstream.url
    );
    let dir = directory("settings-outbound", &settings);
    let get = |flags: &'static [&str]| {
        let dir = dir.clone();
        let served = tokio::task::spawn_blocking(move || {
            let server = Serving::start_in(&dir, flags);
            let answer = server.get("/");
            server.stop();
            answer
        });
        async { served.await.unwrap() }
    };
    assert!(get(&["--record", "tape.toml"]).await.ends_with("\r\n\r\nup"));
    assert_eq!(fs::read_to_string(dir.join("tape.toml")).unwrap().matches("[call.request]").count(), 1);
    drop(upstream);
    assert!(get(&["--replay", "tape.toml"]).await.ends_with("\r\n\r\nup"));
}

/// Returns settings with two proxies whose upstreams do not exist. Each proxy has one of these further keys.
fn two_proxies(keys: [&str; 2]) -> String {
    let table = |name: &str, keys: &str| {
        format!(
            "[component.{name}]\npath = \"ROOT/examples/proxy\"\nroute = \"/{name}\"\n\
             env = {{ UPSTREAM = \"http://{name}.test\" }}\n{keys}\n"
        )
    };
    table("one", keys[0]) + &table("two", keys[1])
}

#[test]
fn several_components_record_and_learn_into_one_file() {
    let tables = two_proxies(["record = \"tape.toml\"", "record = \"./tape.toml\"\nredact = [\"sig\"]"]);
    for (name, settings, flags) in [
        (
            "flags",
            two_proxies(["", ""]),
            &["--record", "tape.toml", "--redact", "sig", "--learn-outbound", "rules.txt"][..],
        ),
        ("tables", tables, &["--learn-outbound", "rules.txt"]),
    ] {
        let dir = directory(&format!("settings-record-{name}"), &settings);
        let server = Serving::start_in(&dir, flags);
        for path in ["/one/a?sig=1", "/two/b", "/one/c"] {
            assert!(server.get(path).starts_with("HTTP/1.1 502 "));
        }
        server.stop();
        let text = fs::read_to_string(dir.join("tape.toml")).unwrap();
        let urls: Vec<_> = text.lines().filter(|line| line.starts_with("url = ")).collect();
        let expected = ["one.test/one/a?sig=redacted", "two.test/two/b", "one.test/one/c"];
        assert_eq!(urls, expected.map(|url| format!("url = \"http://{url}\"")), "{name}");
        let rules = fs::read_to_string(dir.join("rules.txt")).unwrap();
        assert_eq!(rules, "http://one.test\nhttp://two.test\n", "{name}");
        // The cassette contains the calls of both components, and no component replays a call of the other one.
        let server = Serving::start_in(&dir, &["--replay", "tape.toml"]);
        for path in ["/two/b", "/one/a?sig=2", "/one/c"] {
            assert!(server.get(path).starts_with("HTTP/1.1 502 "));
        }
        assert!(!stderr(&server.stop()).contains("the cassette"));
    }
}

#[test]
fn one_file_is_recorded_into_or_replayed_from() {
    let settings = two_proxies(["record = \"tape.toml\"", "replay = \"tape.toml\""]);
    let dir = directory("settings-record-replay", &settings);
    let what = "tape.toml` is given to both `record` and `replay`";
    assert_message(&fails(&dir, &[]), &[what, "help: give each a file of its own"]);
}

#[test]
fn a_path_without_a_route_is_in_the_log() {
    let dir = directory("settings-404", &format!("[component.raw]\n{RAW}\nroute = \"/raw\"\n"));
    let server = Serving::start_in(&dir, &["--log", "text"]);
    assert!(server.get("/other").starts_with("HTTP/1.1 404 "));
    let text = stderr(&server.stop());
    assert!(text.contains("#1 GET /other 404 in "), "{text}");
}

#[test]
fn a_file_elsewhere_is_named_by_a_flag() {
    let dir = directory("settings-elsewhere", "[component.a]\npath = \"no/such.wasm\"\n");
    let file = dir.join("wayside.toml");
    let output = fails(&root(), &["--settings", &file.to_string_lossy()]);
    // The path of a component is relative to the settings file.
    let path = dir.join("no/such.wasm");
    assert_message(&output, &[&format!("cannot read the component `{}`", path.display()), "help: check the path"]);
}

#[test]
fn settings_that_are_wrong_say_where_and_what_to_write() {
    let empty = temporary("settings-none");
    assert_message(&fails(&empty, &[]), &["cannot read the settings `wayside.toml`: ", "help: name a `.wasm` file"]);
    for (name, settings, parts) in [
        (
            "key",
            "[component.a]\npath = \"a\"\nrute = \"/\"\n",
            ["line 3, column 1: there is no key `rute`", "help: write `route`"],
        ),
        ("value", "[component.a]\npath = \"a\"\nmax-body = \"ten\"\n", ["line 3, column 12: write a size", "help: "]),
        ("none", "addr = \"127.0.0.1:0\"\n", ["name no component", "help: write `[component.NAME]`"]),
        (
            "both",
            "[component.a]\npath = \"a\"\nmock = \"m\"\nreplay = \"r\"\n",
            ["both `mock` and `replay`", "help: keep one"],
        ),
        ("syntax", "[component.a\n", ["line 1, column 13", "help: "]),
    ] {
        let dir = directory(&format!("settings-wrong-{name}"), settings);
        assert_message(&fails(&dir, &[]), &parts);
    }
}

#[test]
fn features_are_for_a_target() {
    let dir = directory("settings-features", "[component.a]\npath = \"a\"\n");
    assert_message(&fails(&dir, &["--features", "x"]), &["--features is for a TARGET", "help: name the crate"]);
}

#[test]
fn without_settings_and_target_the_crate_at_hand_is_served() {
    let server = Serving::start_in(&root().join("examples/hello"), &[]);
    assert!(server.get("/").ends_with("Hello from Wayside!\n"));
    server.stop();
}

#[tokio::test]
async fn the_times_of_the_server_stand_beside_its_address() {
    let settings = format!("client-timeout = \"200ms\"\ndrain-timeout = \"200ms\"\n[component.guests]\n{GUESTS}\n");
    let dir = directory("settings-times", &settings);
    let server = Serving::start_in(&dir, &[]);
    // If the server did not close the connection, this would read forever.
    assert_eq!(server.send(""), "");
    let mut stream = std::net::TcpStream::connect(server.addr()).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /spin HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    // Connections are accepted in order, so `/spin` has been accepted when this request is answered.
    assert!(server.get("/sleep").starts_with("HTTP/1.1 200 "));
    let output = server.stop();
    assert!(stderr(&output).contains("waited 200ms for requests to finish, and cut 1 request"), "{}", stderr(&output));
}
