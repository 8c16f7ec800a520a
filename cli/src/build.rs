//! The command `wayside build`: builds a crate as a component and strips it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use wayside_harness::cargo::{self, Profile, Progress};
use wayside_harness::{Component, Description, Error, World, show, strip};

use crate::args::Build;
use crate::exit_code::ExitCode;
use crate::report;

pub(crate) fn run(args: &Build) -> Result<ExitCode, Error> {
    let profile = if args.debug { Profile::Debug } else { Profile::Release };
    let wasm = cargo::build(&args.dir, profile, &args.features, Progress::Shown)?;
    let taken_out = if args.debug { 0 } else { strip_file(&wasm)? };
    let component = Component::load(&wasm)?;
    report::lines(&text(component.description(), taken_out));
    let mut printed = report::Raw::to_stdout();
    printed.print(from_here(&wasm).as_os_str().as_encoded_bytes())?;
    printed.finish()?;
    report::text("\n")?;
    Ok(ExitCode::Success)
}

/// Strips the file in place, and returns how many bytes that removed.
fn strip_file(wasm: &Path) -> Result<usize, Error> {
    let failed = |what: &str, error| {
        Error::new(format!("cannot {what} `{}`", wasm.display()))
            .with_help("check that the directory of artifacts can be written to")
            .with_source(error)
    };
    let full = fs::read(wasm).map_err(|error| failed("read", error))?;
    let bare = strip(&full);
    let taken_out = full.len() - bare.len();
    if taken_out > 0 {
        // Writes a temporary file and renames it, so that readers see either the old file or the new one. Cargo's own
        // copy is a hard link to the old file, so it keeps its content.
        let beside = wasm.with_extension(format!("{}.stripped", process::id()));
        let written = fs::write(&beside, bare)
            .and_then(|()| fs::set_permissions(&beside, fs::metadata(wasm)?.permissions()))
            .and_then(|()| fs::rename(&beside, wasm));
        written.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(|error| failed("write", error))?;
    }
    Ok(taken_out)
}

/// Shortens a path below the working directory to a relative path.
fn from_here(path: &Path) -> PathBuf {
    let here = env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}

fn text(description: &Description, taken_out: usize) -> String {
    let size = description.size_bytes;
    let mut lines = vec![format!("world    {}", show::line(&description.world.to_string()))];
    lines.push(match taken_out {
        0 => format!("size     {size} bytes"),
        taken_out => format!("size     {size} bytes, without {taken_out} that only debuggers read"),
    });
    for (number, export) in description.exports.iter().enumerate() {
        lines.push(format!("{:<8} {}", if number == 0 { "exports" } else { "" }, show::line(export)));
    }
    for (number, package) in packages(description).into_iter().enumerate() {
        lines.push(format!("{:<8} {}", if number == 0 { "imports" } else { "" }, show::line(&package)));
    }
    if description.world == World::Other {
        lines.push("no host can send it requests: put `#[http_component]` on a function".to_owned());
    }
    lines.join("\n")
}

/// Formats the imports, one line per package: `wasi:http@0.2.6 (outgoing-handler, types)`.
fn packages(description: &Description) -> Vec<String> {
    let mut packages: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for import in &description.imports {
        let (name, version) = import.name.split_once('@').unwrap_or((&import.name, ""));
        let (package, interface) = name.split_once('/').unwrap_or((name, ""));
        let package = if version.is_empty() { package.to_owned() } else { format!("{package}@{version}") };
        packages.entry(package).or_default().push(interface);
    }
    let line = |(package, interfaces): (String, Vec<&str>)| format!("{package} ({})", interfaces.join(", "));
    packages.into_iter().map(line).collect()
}
