//! `wayside check`: whether other hosts can run a component.

use std::fs;

use serde_json::Value;

use super::command::{run, stderr, stdout, temporary};

const HELLO: &str = "examples/hello";
const KEYVALUE: &str = "host-harness/tests/raw-keyvalue";
const MIDDLEWARE: &str = "host-harness/tests/raw-middleware";
const HANDLER_TYPES: &str = "host-harness/tests/raw-handler-types";
const SERVICE: &str = "host-harness/tests/raw-service";

/// Returns the exit code and the part of the report about one host.
#[track_caller]
fn check(args: &[&str], host: &str) -> (i32, String) {
    let output = run(&[&["check"], args].concat());
    let text = stdout(&output);
    let about = text.split("\n\n").find(|part| part.trim_start().starts_with(&format!("{host}: ")));
    let about = about.unwrap_or_else(|| panic!("nothing about {host} in {text}{}", stderr(&output)));
    (output.status.code().unwrap(), about.trim().to_owned())
}

#[test]
fn wasmtime_runs_a_component_of_rust_with_the_flag_that_its_standard_library_needs() {
    for host in ["wasmtime@36", "wasmtime@48"] {
        let (code, text) = check(&[HELLO, "--host", host], host);
        assert_eq!(code, 0);
        assert!(text.starts_with(&format!("{host}: would run with -Scli\n  wasmtime serve -Scli ")), "{text}");
        assert!(text.contains("    wasi:cli@0.2.6: environment, exit, "), "{text}");
        assert!(text.ends_with("asked for by the standard library (wasi-libc) at 0.2.0"), "{text}");
    }
}

#[test]
fn every_flag_that_is_needed_is_in_the_command_line() {
    let (code, text) = check(&[KEYVALUE, "--host", "wasmtime@48"], "wasmtime@48");
    assert!(code == 0 && text.contains("wasmtime serve -Sconfig -Skeyvalue -Scli "), "{text}");
    assert!(text.contains("wasi:keyvalue@0.2.0-draft: store, atomics, batch\n"), "{text}");
    assert!(text.contains("asked for by the bindings of `raw-keyvalue` at 0.2.0-draft"), "{text}");
    assert_eq!(check(&[KEYVALUE, "--host", "wasmtime@36"], "wasmtime@36").0, 3);
}

#[test]
fn a_component_of_wasi_0_3_does_not_run_on_hosts_before_it() {
    let (code, text) = check(&[SERVICE, "--host", "wasmtime@36"], "wasmtime@36");
    assert!(code == 3 && text.contains("its handler: this host is older than WASI 0.3"), "{text}");
    assert_eq!(check(&[SERVICE, "--host", "wasmtime@48"], "wasmtime@48").0, 0);
    assert_eq!(check(&[SERVICE, "--host", "jco"], "jco").0, 3);
}

#[test]
fn middleware_would_not_run_alone_and_is_told_so_as_serve_does() {
    let (code, text) = check(&[MIDDLEWARE, "--host", "wayside"], "wayside");
    assert!(code == 3 && text.contains("name an application as the target"), "{text}");
    let served = run(&["serve", MIDDLEWARE, "--addr", "127.0.0.1:0"]);
    assert!(stderr(&served).contains("name an application as the target"), "{}", stderr(&served));
    let (code, text) = check(&[MIDDLEWARE, "--host", "wasmtime@48"], "wasmtime@48");
    assert!(code == 3 && text.contains("wasi:http@0.3.0: handler"), "{text}");
}

#[test]
fn a_service_that_imports_types_of_the_handler_interface_would_run_alone() {
    for host in ["wayside", "wasmtime@48"] {
        assert_eq!(check(&[HANDLER_TYPES, "--host", host], host).0, 0, "{host}");
    }
    let inspected = run(&["inspect", HANDLER_TYPES]);
    assert!(stdout(&inspected).contains("world    wasi:http/handler@0.3.0\n"), "{}", stdout(&inspected));
}

/// A component fits a world only if the world lists all its imports, even those of types alone.
#[test]
fn types_of_the_handler_interface_are_in_the_world_of_middleware_only() {
    let (_, text) = check(&[HANDLER_TYPES, "--world", "wasi:http/middleware"], "wasi:http/middleware");
    assert!(!text.contains("handler"), "{text}");
    let (code, text) = check(&[HANDLER_TYPES, "--world", "wasi:http/service"], "wasi:http/service");
    assert!(code == 3 && text.contains("it is not in this world\n    wasi:http@0.3.0: handler"), "{text}");
}

#[test]
fn a_world_does_not_fit_where_anything_else_is_imported() {
    let (code, text) = check(&[HELLO, "--world", "wasi:http/proxy"], "wasi:http/proxy");
    assert!(code == 3 && text.contains("wasi:http/proxy: does not fit\n  it is not in this world\n"), "{text}");
    let (_, text) = check(&[HELLO, "--world", "wasi:http/proxy@0.2.0"], "wasi:http/proxy@0.2.0");
    assert!(text.contains("it is newer than this world\n    wasi:http@0.2.6: types\n"), "{text}");
    assert!(text.contains("asked for by the bindings of `wayside` at 0.2.6"), "{text}");
}

#[test]
fn without_a_host_all_are_told_of() {
    let output = run(&["check", HELLO]);
    assert!(output.status.success());
    for host in ["wayside: would run\n", "wasmtime@48: would run with -Scli\n", "wasmtime@36: ", "jco: would run\n"] {
        assert!(stdout(&output).contains(host), "{}", stdout(&output));
    }
    assert!(stdout(&output).lines().filter(|line| !line.contains('/')).all(|line| line.len() <= 80));
}

#[test]
fn the_findings_are_json_on_demand() {
    let output = run(&["check", HELLO, "--json", "--host", "wasmtime@48", "--world", "wasi:http/proxy@0.2.6"]);
    assert_eq!(output.status.code(), Some(3));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (wasmtime, proxy) = (&json["hosts"][0], &json["hosts"][1]);
    assert_eq!((&wasmtime["runs"], &wasmtime["flags"]), (&true.into(), &serde_json::json!(["-Scli"])));
    assert!(wasmtime["command"].as_str().unwrap().starts_with("wasmtime serve -Scli /"), "{wasmtime}");
    assert_eq!(proxy["runs"], false);
    let missing: Vec<&str> =
        proxy["missing"].as_array().unwrap().iter().map(|lack| lack["import"].as_str().unwrap()).collect();
    assert!(missing.contains(&"wasi:cli/environment@0.2.6") && !missing.contains(&"wasi:http/types@0.2.6"));
    assert_eq!(proxy["missing"][0]["asked_by"][0], "the standard library (wasi-libc) at 0.2.0");
}

#[test]
fn several_versions_of_wit_bindgen_are_reported() {
    let built = run(&["inspect", HELLO, "--json"]);
    let json: Value = serde_json::from_slice(&built.stdout).unwrap();
    let mut bytes = fs::read(json["path"].as_str().unwrap()).unwrap();
    for version in ["0.41.0", "0.63.0"] {
        let name = format!("component-type:wit-bindgen:{version}:wasi:http@0.2.6:proxy:encoded world");
        bytes.extend([0, name.len() as u8 + 1, name.len() as u8]);
        bytes.extend(name.as_bytes());
    }
    let file = temporary("check-bindgens").join("several.wasm");
    fs::write(&file, bytes).unwrap();
    let output = run(&["check", &file.to_string_lossy(), "--host", "wayside"]);
    let text = stdout(&output);
    assert!(text.contains("several versions of wit-bindgen") && text.ends_with("  0.41.0\n  0.63.0\n"), "{text}");
    let output = run(&["check", HELLO, "--host", "wayside"]);
    assert!(!stdout(&output).contains("wit-bindgen"), "{}", stdout(&output));
}

#[test]
fn a_host_that_too_little_is_known_of_is_refused_with_those_that_are() {
    let output = run(&["check", HELLO, "--host", "wasmtime@12"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("enough is known about wasmtime@36, wasmtime@48, jco and wayside"));
    let output = run(&["check", HELLO, "--world", "wasi:http/proxy@0.3.0"]);
    assert!(stderr(&output).contains("write the version as @0.2.6 for a proxy"), "{}", stderr(&output));
}
