//! The command `wayside new`: makes a crate from a template.

mod name;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wayside_harness::{Error, show};

use crate::args::New;
use crate::exit_code::ExitCode;
use crate::report;
use crate::template::{self, Template};

pub(crate) fn run(args: New) -> Result<ExitCode, Error> {
    if args.list {
        report::text(&template::list())?;
        return Ok(ExitCode::Success);
    }
    // clap requires the directory unless `--list` is given, and that case has returned above.
    let dir = args.dir.unwrap_or_default();
    let name = name::of(&dir)?;
    let checkout = checkout(args.wayside)?;
    let lock_file = fs::read_to_string(checkout.join("Cargo.lock")).ok();
    make(&dir, &args.template.files(&name, &checkout, lock_file))?;
    if !args.no_git {
        init_git(&dir);
    }
    report::lines(&next_steps(&dir, args.template));
    Ok(ExitCode::Success)
}

/// Writes all files into a new directory. If one cannot be written, removes the directory.
fn make(dir: &Path, files: &[(&str, String)]) -> Result<(), Error> {
    let failed = |error| {
        Error::new(format!("cannot make the directory `{}`", dir.display()))
            .with_help("choose a place that exists and that you may write to")
            .with_source(error)
    };
    match fs::create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::new(format!("`{}` exists already", dir.display()))
                .with_help("choose another name, or remove what is there"));
        }
        Err(error) => return Err(failed(error)),
    }
    let written = files.iter().try_for_each(|(file, text)| {
        let file = dir.join(file);
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(file, text)
    });
    written.map_err(|error| {
        // This function created the directory, so it contains no files of the user. An error of the removal is ignored,
        // because the user gets the error of the writing.
        let _ = fs::remove_dir_all(dir);
        failed(error)
    })
}

/// Makes a git repository, unless the directory is within one already. Does nothing if git is not installed, because the
/// crate works without it.
fn init_git(dir: &Path) {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    if !full.ancestors().any(|dir| dir.join(".git").exists()) {
        let git = Command::new("git").args(["init", "--quiet"]).current_dir(dir).stdin(Stdio::null()).status();
        if git.is_ok_and(|status| !status.success()) {
            report::note("warning: `git init` failed, so the crate is in no repository");
        }
    }
}

/// Returns the checkout of Wayside that a new crate names as a path dependency. Wayside is not in a registry yet.
fn checkout(named: Option<PathBuf>) -> Result<PathBuf, Error> {
    let is_named = named.is_some();
    let dir = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let found = fs::canonicalize(&dir)
        .ok()
        .filter(|dir| ["sdk", "host-harness"].iter().all(|part| dir.join(part).join("Cargo.toml").is_file()));
    found.ok_or_else(|| {
        let dir = dir.display();
        if is_named {
            Error::new(format!("`{dir}` is no checkout of Wayside"))
                .with_help("name a directory that holds `sdk` and `host-harness`")
        } else {
            Error::new(format!("the checkout that this command was built from is gone: `{dir}`"))
                .with_help("name another one with `--wayside DIR`")
        }
    })
}

fn next_steps(dir: &Path, template: Template) -> String {
    let command = this_command();
    let run = template.arguments();
    format!(
        "made `{dir}` from the template `{template}`; next:\n\
         \n    \
             cd {dir}\n    \
             cargo test\n    \
             {command} dev{run}\n\
         \n\
         `cargo test --manifest-path component-tests/Cargo.toml` tests the component. The first time it compiles the\n\
         harness, which takes minutes; crates of other names that set the same CARGO_TARGET_DIR share that.",
        dir = show::line(&dir.display().to_string()),
        template = template.name(),
    )
}

/// Returns what the user types to run this program: `wayside` if a directory in `PATH` contains a file of this name,
/// otherwise the full path of the program.
fn this_command() -> String {
    let file = format!("wayside{}", env::consts::EXE_SUFFIX);
    let in_path = env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(&file).is_file()));
    match env::current_exe() {
        Ok(exe) if !in_path => exe.display().to_string(),
        _ => "wayside".to_owned(),
    }
}
