//! Measures the cost of the examples: fuel and host calls per request, memory, and the size of the component. As a
//! lower bound, measures components on the generated bindings alone, without the SDK.
//!
//! Fuel is wasmtime's count of executed instructions, from the start of a new instance to the end of its work. The
//! count is the same on every machine for the same component and request, as long as the component never waits. The
//! test compares fuel and size with `cost.tsv`, and fails if one of them has increased by more than 5 %. Cases in which
//! the component waits for its peer are only printed, because the number of waits depends on the machine. `COST=write
//! cargo test --test cost` updates the file.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use wayside_harness::http::{HeaderName, HeaderValue, Request, Response};
use wayside_harness::{Body, Harness, Outbound};

/// A figure may be up to this many times the recorded one.
const TOLERANCE: f64 = 1.05;

struct Cost {
    case: String,
    /// Whether the component never waits for its peer.
    steady: bool,
    fuel: u64,
    host_calls: u64,
    memory_bytes: usize,
    wasm_bytes: u64,
}

/// What is measured for one version of WASI. `raw` are cases on the generated bindings alone; `features` are the cargo
/// features that build the examples for this version.
struct World {
    name: &'static str,
    raw: [(&'static str, &'static str, &'static str, usize); 2],
    features: &'static [&'static str],
}

const WORLDS: [World; 2] = [
    World {
        name: "0.2",
        raw: [("raw hello", "tests/raw-hello", "/", 0), ("raw echo 1 KiB", "tests/raw-echo", "/", 1024)],
        features: &[],
    },
    World {
        name: "0.3",
        raw: [("raw hello", "tests/raw-service", "/hello", 0), ("raw echo 1 KiB", "tests/raw-service", "/echo", 1024)],
        features: &["wayside/wasip3"],
    },
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut costs = Vec::new();
    for world in WORLDS {
        for (case, dir, path, body_bytes) in world.raw {
            let body = (body_bytes > 0).then(|| vec![b'x'; body_bytes]);
            costs.push(
                measure(format!("{} {case}", world.name), true, &open(dir, &[]).await, request(path, body)).await,
            );
        }
        costs.extend(of_the_sdk(&world).await);
    }
    print!("{}", table(&costs));
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cost.tsv");
    if env::var_os("COST").is_some_and(|value| value == "write") {
        fs::write(&record, record_of(&costs)).unwrap();
        return ExitCode::SUCCESS;
    }
    let dearer = compare(&costs, &fs::read_to_string(&record).unwrap());
    for line in &dearer {
        println!("{line}");
    }
    println!("{} passed, {} failed", costs.len() - dearer.len(), dearer.len());
    if dearer.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn of_the_sdk(world: &World) -> Vec<Cost> {
    let mut costs = Vec::new();
    for (case, steady, dir, body) in [
        ("hello", true, "../examples/hello", None),
        ("hello, Request", true, "tests/hello-request", None),
        ("headers", true, "../examples/headers", None),
        ("echo 1 KiB", true, "../examples/echo", Some(vec![b'x'; 1024])),
        ("echo 64 MiB", false, "../examples/echo", Some(vec![b'x'; 64 * 1024 * 1024])),
        ("json", true, "../examples/json", Some(br#"{"numbers": [1, 2, 3, 4, 5, 6, 7, 8]}"#.to_vec())),
        ("stream 1 MiB", false, "../examples/stream", None),
        ("upload 1 KiB", true, "../examples/upload", Some(vec![b'x'; 1024])),
        ("proxy 1 KiB", false, "../examples/proxy", Some(vec![b'x'; 1024])),
        ("fan-out 3", false, "../examples/fan-out", None),
    ] {
        let app = open(dir, world.features).await;
        costs.push(measure(format!("{} {case}", world.name), steady, &app, request("/path?query=1", body)).await);
        if case == "hello, Request" {
            costs.push(field_more(world, &app, costs[costs.len() - 1].fuel).await);
        }
    }
    costs
}

/// Returns the fuel that each additional header costs.
async fn field_more(world: &World, app: &Harness, fuel_before: u64) -> Cost {
    const FIELDS: u64 = 10;
    let mut request = request("/path?query=1", None);
    for field in 0..FIELDS {
        let name = HeaderName::try_from(format!("x-field-{field}")).unwrap();
        request.headers_mut().insert(name, HeaderValue::from_static("of the usual length"));
    }
    let cost = measure(format!("{} a field more", world.name), true, app, request).await;
    Cost { fuel: (cost.fuel - fuel_before) / FIELDS, host_calls: 0, ..cost }
}

async fn open(dir: &str, features: &[&str]) -> Harness {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let upstream = Outbound::from_fn(async |_| {
        Ok(Response::builder().header("content-type", "text/plain").body(Body::from("from upstream")).unwrap())
    });
    Harness::build(dir)
        .features(features.iter().copied())
        .env("UPSTREAM", "http://upstream.test")
        .outbound(upstream)
        .count_fuel()
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}

async fn measure(case: String, steady: bool, app: &Harness, request: Request<Body>) -> Cost {
    let response = app.request(request).await;
    assert_eq!(response.status(), 200, "{case}");
    response.into_body().bytes().await.unwrap();
    app.idle().await;
    assert!(app.traps().is_empty(), "{case}: {:?}", app.traps());
    let usage = *app.usage().last().unwrap();
    Cost {
        case,
        steady,
        fuel: usage.fuel.unwrap(),
        host_calls: usage.host_calls.unwrap(),
        memory_bytes: usage.memory_bytes,
        wasm_bytes: app.description().size_bytes,
    }
}

/// Returns a request with seven typical headers.
fn request(path: &str, body: Option<Vec<u8>>) -> Request<Body> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut request = Request::builder().method(method).uri(format!("http://example.org{path}"));
    for (name, value) in [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("accept", "text/html,application/json;q=0.9"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("cache-control", "no-cache"),
        ("content-type", "application/json"),
        ("x-request-id", "01J8Z3V5Q6"),
    ] {
        request = request.header(name, value);
    }
    request.body(body.map_or_else(Body::empty, Body::from)).unwrap()
}

fn table(costs: &[Cost]) -> String {
    let mut table =
        format!("{:<20}{:>10}{:>12}{:>13}{:>13}\n", "case", "fuel", "host calls", "memory, KiB", "wasm, bytes");
    for Cost { case, fuel, host_calls, memory_bytes, wasm_bytes, .. } in costs {
        let memory = memory_bytes / 1024;
        let _ = writeln!(table, "{case:<20}{fuel:>10}{host_calls:>12}{memory:>13}{wasm_bytes:>13}");
    }
    table
}

fn record_of(costs: &[Cost]) -> String {
    let mut record = "case\tfuel\twasm_bytes\n".to_owned();
    for Cost { case, fuel, wasm_bytes, .. } in costs.iter().filter(|cost| cost.steady) {
        let _ = writeln!(record, "{case}\t{fuel}\t{wasm_bytes}");
    }
    record
}

/// Returns a line for each figure that exceeds the recorded one by more than the tolerance, and for each case without a
/// record.
fn compare(costs: &[Cost], record: &str) -> Vec<String> {
    let mut dearer = Vec::new();
    for Cost { case, fuel, wasm_bytes, .. } in costs.iter().filter(|cost| cost.steady) {
        let line = record.lines().find_map(|line| line.strip_prefix(case.as_str())?.strip_prefix('\t'));
        let Some((old_fuel, old_bytes)) = line.and_then(|line| line.split_once('\t')) else {
            dearer.push(format!("{case} is not on record; write it with `COST=write cargo test --test cost`"));
            continue;
        };
        for (what, new, old) in [("fuel", *fuel, old_fuel), ("bytes of wasm", *wasm_bytes, old_bytes)] {
            let old: u64 = old.parse().unwrap();
            if new as f64 > old as f64 * TOLERANCE {
                dearer.push(format!("{case} rose from {old} to {new} {what}"));
            }
        }
    }
    dearer
}
