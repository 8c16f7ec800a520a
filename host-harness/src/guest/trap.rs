//! Formats traps for people.

use std::fmt::Write as _;

use rustc_demangle::demangle;
use wasmtime::{FrameInfo, FrameSymbol, Trap, WasmBacktrace};

use crate::show;

/// Describes a trap: its cause, a hint if the instance had asked for more memory than its limit, and the call stack in
/// the component, innermost function first.
pub(crate) fn reason(error: &wasmtime::Error, exceeded_bytes: Option<usize>) -> String {
    let mut reason = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it reached an `unreachable` instruction, as after a panic".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    // Writing to a `String` never fails.
    if let Some(limit) = exceeded_bytes {
        let _ = write!(reason, "; it had asked for more than its {limit} bytes of memory");
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let calls: Vec<TrapFrame> = backtrace.frames().iter().flat_map(calls_of).collect();
        reason.push_str(&backtrace_of(&calls));
    }
    reason
}

/// A function on the call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TrapFrame {
    /// `None` if it is unknown, as in a stripped component.
    name: Option<String>,
    /// File, line and column, if there is debug information.
    place: Option<String>,
    /// The position of the call in its module, in bytes.
    offset: Option<usize>,
}

/// The largest number of frames that are shown. Of a longer stack, the outermost frames are left out.
const SHOWN: usize = 30;

/// Returns the calls of a frame, innermost first. A frame with inlined functions contains several calls.
fn calls_of(frame: &FrameInfo) -> Vec<TrapFrame> {
    // The name section of a component may contain any text, even control characters.
    let plain = |name: &str| show::line(&format!("{:#}", demangle(name))).into_owned();
    let name = frame.func_name().map(plain);
    let offset = frame.module_offset();
    let Some((function, inlined)) = frame.symbols().split_last() else {
        return vec![TrapFrame { name, place: None, offset }];
    };
    let inlined =
        inlined.iter().map(|symbol| TrapFrame { name: symbol.name().map(plain), place: place_of(symbol), offset });
    // Prefers the name section, because debug information may contain only the last part of a function's name.
    let name = name.or_else(|| function.name().map(plain));
    inlined.chain([TrapFrame { name, place: place_of(function), offset }]).collect()
}

fn place_of(symbol: &FrameSymbol) -> Option<String> {
    let mut place = show::line(&short_path(symbol.file()?)).into_owned();
    if let Some(line) = symbol.line() {
        let _ = write!(place, ":{line}");
        if let Some(column) = symbol.column() {
            let _ = write!(place, ":{column}");
        }
    }
    Some(place)
}

/// Shortens a path: removes the directories of the toolchain and of the registry.
fn short_path(path: &str) -> String {
    if let Some((_, rest)) = path.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, rest)| rest).to_owned();
    }
    match path.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => rest.to_owned(),
        None => path.to_owned(),
    }
}

fn backtrace_of(calls: &[TrapFrame]) -> String {
    let calls = own(calls);
    let mut text = String::new();
    for (number, call) in calls.iter().take(SHOWN).enumerate() {
        let _ = write!(text, "\n  {number:>2}: ");
        match (&call.name, call.offset) {
            (Some(name), _) => text.push_str(name),
            (None, Some(offset)) => text.push_str(&format!("a function without a name, at {offset:#x}")),
            (None, None) => text.push_str("a function without a name"),
        }
        if let Some(place) = &call.place {
            let _ = write!(text, "\n        at {place}");
        }
    }
    if calls.len() > SHOWN {
        let _ = write!(text, "\n  and {} calls more", calls.len() - SHOWN);
    }
    if !calls.is_empty() && calls.iter().all(|call| call.name.is_none()) {
        text.push_str(
            "\n  help: the component was stripped; `strip = false` and `debug = \"line-tables-only\"` in its profile show \
             names and lines",
        );
    } else if !calls.is_empty() && calls.iter().all(|call| call.place.is_none()) {
        text.push_str(
            "\n  help: `debug = \"line-tables-only\"` in the component's profile shows files and lines as well",
        );
    }
    text
}

/// Removes the innermost frames, which are the same for every panic, and the outermost, through which every handler is
/// called.
fn own(calls: &[TrapFrame]) -> &[TrapFrame] {
    let is = |call: &TrapFrame, known: &[&str]| {
        call.name
            .as_deref()
            .is_some_and(|name| known.iter().any(|known| name.trim_start_matches('<').starts_with(known)))
    };
    let start = calls.iter().position(|call| !is(call, &PANICKING)).unwrap_or(0);
    let end = calls.iter().rposition(|call| !is(call, &CALLING)).map_or(calls.len(), |last| last + 1);
    if start < end { &calls[start..end] } else { calls }
}

/// Prefixes of the functions that run between a Rust panic and its trap.
const PANICKING: [&str; 12] = [
    "abort",
    "panic_abort::",
    "__rustc::",
    "__rust_",
    "rust_panic",
    "rust_begin_unwind",
    "std::panicking::",
    "std::process::abort",
    "std::sys::",
    "core::panicking::",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
];

/// Prefixes of the functions that call a handler: exports, and the glue between them and the handler.
const CALLING: [&str; 8] = [
    "wasi:http/",
    "_export_",
    "export_handle",
    "[async-lift]",
    "[callback]",
    "wit_bindgen::",
    "wayside::",
    "core::ops::function::",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, place: Option<&str>) -> TrapFrame {
        TrapFrame { name: Some(name.to_owned()), place: place.map(str::to_owned), offset: Some(16) }
    }

    #[test]
    fn what_every_panic_goes_through_is_left_out() {
        let calls = [
            call("abort", None),
            call("__rustc::rust_panic", None),
            call("std::panicking::begin_panic_handler::{{closure}}", None),
            call("core::panicking::panic_fmt", None),
            call("app::inner", Some("src/lib.rs:7:5")),
            call("wayside::time::sleep", None),
            call("app::handle", Some("src/lib.rs:3:1")),
            call("<wayside::handler::Run as core::future::Future>::poll", None),
            call("wasi:http/incoming-handler@0.2.6#handle", None),
        ];
        assert_eq!(
            backtrace_of(&calls),
            "\n   0: app::inner\n        at src/lib.rs:7:5\n   1: wayside::time::sleep\n   2: app::handle\n        at src/lib.rs:3:1"
        );
    }

    #[test]
    fn a_backtrace_of_nothing_else_is_shown_whole() {
        let calls = [call("abort", None), call("wasi:http/incoming-handler@0.2.6#handle", None)];
        assert!(backtrace_of(&calls).contains("0: abort\n   1: wasi:http/incoming-handler"));
    }

    #[test]
    fn a_stripped_component_is_told_how_not_to_be() {
        let stripped = TrapFrame { name: None, place: None, offset: Some(0x5dd8) };
        let text = backtrace_of(&[stripped]);
        assert!(
            text.starts_with("\n   0: a function without a name, at 0x5dd8\n  help: the component was stripped"),
            "{text}"
        );
        let text = backtrace_of(&[call("app::handle", None)]);
        assert!(text.contains("help: `debug = \"line-tables-only\"`"), "{text}");
    }

    #[test]
    fn paths_are_as_short_as_they_can_be() {
        for (path, short) in [
            ("/rustc/0123abc/library/core/src/panicking.rs", "library/core/src/panicking.rs"),
            ("/home/ada/.cargo/registry/src/index.crates.io-1949/bytes-1.1/src/lib.rs", "bytes-1.1/src/lib.rs"),
            ("src/lib.rs", "src/lib.rs"),
        ] {
            assert_eq!(short_path(path), short);
        }
    }
}
