//! The report and the exit codes of `wayside bench`. No test checks how long requests take.

use serde_json::Value;

use super::command::{assert_message, run, stderr, stdout, temporary};

const HELLO: &str = "examples/hello";
const RAW: &str = "host-harness/tests/raw-hello";

#[test]
fn a_component_is_measured_and_pictured() {
    let output = run(&["bench", HELLO, "--requests", "200", "--concurrency", "4"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(text.starts_with("GET /\n\nhello: ") && text.contains("  200 requests, 4 at once\n"), "{text}");
    for part in
        ["requests a second\n", "p50 ", "p90 ", "p99 ", "p99.9 ", "max ", " |###", " fuel, ", " calls to the host, "]
    {
        assert!(text.contains(part), "`{part}` is missing in {text}");
    }
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(stderr(&output).contains("debug build") == cfg!(debug_assertions), "{}", stderr(&output));
}

#[test]
fn components_are_compared_and_each_case_is_measured_of_both() {
    let args = ["--vs", RAW, "--case", "/", "--case", "PUT /b", "-d", "text", "--requests", "45", "--json"];
    let output = run(&[&["bench", HELLO], &args[..]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cases: Vec<_> =
        json.as_array().unwrap().iter().map(|case| (case["method"].as_str(), case["path"].as_str())).collect();
    assert_eq!(cases, [(Some("POST"), Some("/")), (Some("PUT"), Some("/b"))]);
    for case in json.as_array().unwrap() {
        let [hello, raw] = &case["components"].as_array().unwrap()[..] else { panic!("{case}") };
        assert_eq!((&hello["component"], &raw["component"]), (&"hello".into(), &"raw-hello".into()));
        for figures in [hello, raw] {
            assert_eq!((&figures["requests"], &figures["failed"]), (&45.into(), &0.into()));
            let quantile = |name: &str| figures[name].as_u64().unwrap();
            assert!(
                quantile("p50_ns") <= quantile("p99_9_ns") && quantile("p99_9_ns") <= quantile("max_ns"),
                "{figures}"
            );
        }
        let fuel = |figures: &Value| figures["fuel"].as_f64().unwrap();
        assert_eq!(case["ratio"]["fuel"].as_f64().unwrap(), fuel(hello) / fuel(raw));
        let [low, high] = [0, 1].map(|end| case["ratio"]["time_quartiles"][end].as_f64().unwrap());
        assert!((low..=high).contains(&case["ratio"]["time"].as_f64().unwrap()), "{case}");
    }
}

#[test]
fn more_fuel_than_is_allowed_is_a_regression() {
    let bench = |one, other, allowed| run(&["bench", one, "--vs", other, "--fail-above", allowed, "--requests", "20"]);
    let output = bench(HELLO, RAW, "100");
    assert_eq!(output.status.code(), Some(7));
    assert!(
        stderr(&output).contains("error: GET / takes ") && stderr(&output).contains(" % more fuel; 100 % is allowed")
    );
    assert_eq!(bench(RAW, HELLO, "100000").status.code(), Some(0));
}

#[test]
fn a_case_ends_when_its_time_is_over() {
    let output = run(&["bench", HELLO, "--requests", "10000000", "--max-time", "300ms"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains(" requests of 10000000, for want of time, 1 at once\n"), "{}", stdout(&output));
}

#[test]
fn the_time_of_a_case_is_shared_by_its_components() {
    let guests = "host-harness/tests/guests";
    let args = ["--vs", guests, "--case", "/sleep", "--max-time", "300ms", "--fail-above", "100000", "--json"];
    let output = run(&[&["bench", guests], &args[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[0]["components"][0]["requests"], json[0]["components"][1]["requests"]);
    assert!(json[0]["components"][0]["requests"].as_u64().unwrap() < 1000, "{json}");
    assert!(json[0]["ratio"]["time"].is_number(), "{json}");
}

#[test]
fn middleware_is_measured_with_what_it_stands_in_front_of() {
    let bench = |more: &[&str]| -> Value {
        let args = ["bench", "host-harness/tests/raw-service", "--case", "/hello", "--requests", "1", "--json"];
        let output = run(&[&args[..], more].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()[0]["components"][0].take()
    };
    let (alone, chained) = (bench(&[]), bench(&["--middleware", "host-harness/tests/raw-middleware"]));
    for figure in ["fuel", "host_calls", "memory_bytes"] {
        assert!(chained[figure].as_u64() > alone[figure].as_u64(), "{figure}: {chained} {alone}");
    }
}

#[test]
fn more_fuel_is_a_regression_whatever_the_time() {
    let output = run(&["bench", HELLO, "--vs", RAW, "--fail-above", "100", "--max-time", "1us"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains(" % more fuel; 100 % is allowed"), "{}", stderr(&output));
}

#[test]
fn requests_that_fail_are_told_by_the_exit_code() {
    // The mock answers the 20 requests of the warm-up and two measured ones, and fails the remaining eight.
    let mock = temporary("bench-mock").join("mock.toml");
    std::fs::write(&mock, "[[call]]\ntimes = 22\n[call.reply]\nbody = \"up\"\n").unwrap();
    let args = ["--env", "UPSTREAM=http://up.test", "--mock", &mock.to_string_lossy(), "--requests", "10", "--json"];
    let output = run(&[&["bench", "examples/proxy"], &args[..]].concat());
    assert_message(
        &output,
        &["`proxy` fails at 8 of 10 requests of GET /", "help: `wayside request` shows the answer"],
    );
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[0]["components"][0]["failed"], 8);
}

#[test]
fn what_fails_is_not_measured() {
    let output = run(&["bench", "host-harness/tests/guests", "--case", "/status/503"]);
    assert_message(
        &output,
        &["`guests` fails at GET /status/503 with 503", "help: `wayside request` shows the answer"],
    );
    let output = run(&["bench", HELLO, "-d", "@no/such/file"]);
    assert_message(&output, &["cannot read the data file `no/such/file`: ", "help: check the path"]);
    let output = run(&["bench", HELLO, "--fail-above", "5"]);
    assert_eq!(output.status.code(), Some(2));
    let other = temporary("bench-vs").join("none.wasm");
    let output = run(&["bench", HELLO, "--vs", &other.to_string_lossy()]);
    assert_message(&output, &["cannot read the component `", "help: check the path"]);
}

const GUESTS: &str = "host-harness/tests/guests";

#[test]
fn statuses_other_than_2xx_are_told_as_text() {
    let output = run(&["bench", GUESTS, "--case", "/status/401", "--requests", "5"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("\n  responses: 5 with 401\n"), "{}", stdout(&output));
    let error = "`guests` answers 5 of 5 requests of GET /status/401 with errors (4xx: 5 of 401)";
    assert_message(&output, &[error, "name their status with `--expect`"]);
    let output = run(&["bench", GUESTS, "--case", "/status/302", "--requests", "5"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let warning = "warning: `guests` answers no request of GET /status/302 with 2xx (3xx: 5 of 302)\n";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    let output = run(&["bench", HELLO, "--requests", "5"]);
    assert!(stdout(&output).contains("  responses: 5 with 200\n"), "{}", stdout(&output));
    assert!(!stderr(&output).contains("2xx"), "{}", stderr(&output));
}

#[test]
fn expected_statuses_are_no_failures_and_others_are() {
    for (flags, case, code) in [
        (&["--expect", "401"][..], "/status/401", 0),
        (&["--expect", "4xx"], "/status/404", 0),
        (&["--expect", "503"], "/status/503", 0),
        (&["--expect", "200"], "/status/404", 1),
        (&["--expect", "404"], "/status/200", 1),
        (&["--expect", "404", "--expect", "2xx"], "/status/200", 0),
        (&[], "/status/401 --expect 401", 0),
        (&["--expect", "200"], "/status/401 --expect 401", 0),
    ] {
        let output = run(&[&["bench", GUESTS, "--requests", "5", "--case", case], flags].concat());
        assert_eq!(output.status.code(), Some(code), "{flags:?} {case}: {}", stderr(&output));
    }
}

#[test]
fn a_case_has_its_own_body_and_headers() {
    let dir = temporary("bench-cases");
    let mock = dir.join("mock.toml");
    let calls = "[[call]]\nmethod = \"PUT\"\nurl = \"http://up.test/a\"\nfields = [\"x-key: a b\", \"x-all: 1\"]\n\
                 body = \"own\"\ntimes = \"any\"\n\n[[call]]\nmethod = \"POST\"\nurl = \"http://up.test/b\"\n\
                 fields = [\"x-all: 1\"]\nbody = \"shared\"\ntimes = \"any\"\n";
    std::fs::write(&mock, calls).unwrap();
    let args = ["--env", "UPSTREAM=http://up.test", "--mock", &mock.to_string_lossy(), "--requests", "3"];
    let cases = ["-H", "x-all: 1", "-d", "shared", "--case", "PUT /a -H 'x-key: a b' -d own", "--case", "/b"];
    let output = run(&[&["bench", "examples/proxy"], &args[..], &cases[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).matches("  responses: 3 with 200\n").count(), 2, "{}", stdout(&output));
}

#[test]
fn statuses_are_counted_as_json() {
    for (status, failed) in [(200, 0), (204, 0), (302, 0), (401, 0)] {
        let case = format!("/status/{status}");
        let output = run(&["bench", GUESTS, "--case", &case, "--requests", "5", "--json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let figures = &json[0]["components"][0];
        let non_2xx = if status < 300 { 0 } else { 5 };
        assert_eq!((&figures["failed"], &figures["non_2xx"]), (&failed.into(), &non_2xx.into()), "{figures}");
        assert_eq!(figures["statuses"], serde_json::json!({ status.to_string(): 5 }));
    }
}

#[test]
fn statuses_that_change_are_counted_each() {
    // The mock answers the 20 requests of the warm-up and two measured ones with 200, and the remaining eight with 404.
    let mock = temporary("bench-statuses").join("mock.toml");
    let calls =
        "[[call]]\ntimes = 22\n[call.reply]\nbody = \"up\"\n\n[[call]]\ntimes = 8\n[call.reply]\nstatus = 404\n";
    std::fs::write(&mock, calls).unwrap();
    let args = ["--env", "UPSTREAM=http://up.test", "--mock", &mock.to_string_lossy(), "--requests", "10", "--json"];
    let output = run(&[&["bench", "examples/proxy"], &args[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = &json[0]["components"][0];
    assert_eq!(figures["statuses"], serde_json::json!({ "200": 2, "404": 8 }));
    assert_eq!((&figures["failed"], &figures["non_2xx"]), (&0.into(), &8.into()));
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
}

#[test]
fn components_that_answer_differently_are_not_judged() {
    let compare = |more: &[&str]| {
        run(&[&["bench", HELLO, "--vs", GUESTS, "--case", "/status/401", "--requests", "5"], more].concat())
    };
    let differ = "GET /status/401 is answered differently: `hello` with 200, `guests` with 401\n";
    let output = compare(&["--expect", "200", "--expect", "401"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains(&format!("warning: {differ}")), "{}", stderr(&output));
    let output = compare(&["--fail-above", "1000000", "--expect", "200", "--expect", "401"]);
    assert_message(&output, &[differ, "help: `wayside request` shows the answer"]);
    assert_eq!(output.status.code(), Some(1));
}
