//! Derives the name of a new crate from its directory, and validates the name.

use std::path::Path;

use wayside_harness::Error;

/// Returns the last part of a path as the name of a crate. Fails if no crate can have this name.
pub(super) fn of(dir: &Path) -> Result<String, Error> {
    let Some(name) = dir.file_name() else {
        return Err(Error::new(format!("`{}` names no new directory", dir.display()))
            .with_help("write a name for the crate, as `wayside new app`"));
    };
    let name = name.to_string_lossy().into_owned();
    match objection(&name) {
        None => Ok(name),
        Some(objection) => {
            let error = Error::new(format!("`{name}` cannot be the name of the crate: {objection}"));
            Err(error.with_help(format!("try `wayside new {}`", dir.with_file_name(proposal(&name)).display())))
        }
    }
}

fn objection(name: &str) -> Option<&'static str> {
    let first = name.chars().next()?;
    if !name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_')) {
        Some("it may have letters of ASCII, digits, `-` and `_`")
    } else if !first.is_ascii_alphabetic() {
        Some("it must begin with a letter")
    } else if name.len() > 64 {
        Some("it is longer than 64 characters")
    } else if KEYWORDS.contains(&name.replace('-', "_").as_str()) {
        Some("it is a keyword of Rust")
    } else if TAKEN.contains(&name.replace('-', "_").as_str()) {
        Some("another crate or directory of the build has it")
    } else if DEVICES.contains(&name.to_ascii_lowercase().as_str()) {
        Some("it is the name of a device on Windows")
    } else {
        None
    }
}

/// Returns a valid name that resembles an invalid one.
fn proposal(name: &str) -> String {
    let fit: String = name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || character == '_' { character } else { '-' })
        .collect();
    let fit = fit.trim_matches('-');
    let short = &fit[..fit.len().min(60)];
    if objection(short).is_none() && !short.is_empty() {
        return short.to_owned();
    }
    let app = if short.is_empty() { "app".to_owned() } else { format!("app-{short}") };
    if objection(&app).is_none() { app } else { "app".to_owned() }
}

/// The keywords and reserved words of the Rust edition 2024.
const KEYWORDS: [&str; 53] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "Self",
];

/// Names that are taken: by the standard library, by dependencies of a new crate, and by directories that cargo makes.
const TAKEN: [&str; 21] = [
    "alloc",
    "axum",
    "build",
    "core",
    "deps",
    "examples",
    "http",
    "incremental",
    "proc_macro",
    "serde",
    "serde_json",
    "std",
    "target",
    "test",
    "tokio",
    "tower_service",
    "wayside",
    "wayside_bindgen",
    "wayside_harness",
    "wayside_macros",
    "bytes",
];

const DEVICES: [&str; 22] = [
    "aux", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "con", "lpt1", "lpt2", "lpt3",
    "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "nul", "prn",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_will_do() {
        for name in ["app", "my-app", "my_app2", "Hello"] {
            assert_eq!(of(Path::new("some/where").join(name).as_path()).unwrap(), name);
        }
    }

    #[test]
    fn the_help_for_a_bad_name_is_a_name_that_will_do() {
        let names = [
            "1st",
            "a b",
            "größe",
            "-",
            "fn",
            "async",
            "std",
            "wayside",
            "serde-json",
            "con",
            "a.b",
            "é",
            &"x".repeat(65),
            "_a",
            "-fn-",
        ];
        for name in names {
            let error = of(Path::new(name)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            let proposed =
                error.help().unwrap().trim_start_matches("try `wayside new ").trim_end_matches('`').to_owned();
            assert!(of(Path::new(&proposed)).is_ok(), "`{proposed}` for `{name}`");
        }
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        for path in ["", ".", "..", "/", "a/.."] {
            assert!(of(Path::new(path)).is_err(), "{path}");
        }
    }
}
