//! The files and directories that cargo builds a component from.

use std::fs;
use std::path::{Path, PathBuf};

/// Reads the files and directories whose change makes cargo rebuild a component. Cargo lists them in the dep-info
/// beside the component: sources, included files, and the paths that build scripts watch. Leaves out the files that
/// build scripts write.
pub(super) fn of(wasm: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(wasm.with_extension("d")).unwrap_or_default();
    let mut inputs = parse(&text);
    let written = written(wasm);
    inputs.retain(|input| !written.iter().any(|dir| input.starts_with(dir)));
    inputs
}

/// Returns the two directories that a build writes to: one with the artifacts for this machine, such as build scripts,
/// and one with those for Wasm. The target directory that contains both may contain the crate itself as well.
fn written(wasm: &Path) -> Vec<PathBuf> {
    let Some(dir) = wasm.parent() else { return Vec::new() };
    let host = dir.file_name().and_then(|profile| Some(dir.parent()?.parent()?.join(profile)));
    host.into_iter().chain([dir.to_owned()]).collect()
}

/// Parses the dependencies in a line like `target: one two\ words`.
fn parse(text: &str) -> Vec<PathBuf> {
    // A colon and a space end the target. The drive of a Windows path has a colon without a space.
    let Some((_, dependencies)) = text.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let (mut paths, mut path) = (Vec::new(), String::new());
    for word in dependencies.split(' ') {
        path.push_str(word);
        // An escaped space belongs to the path.
        if path.ends_with('\\') {
            path.pop();
            path.push(' ');
        } else if !path.is_empty() {
            paths.push(PathBuf::from(std::mem::take(&mut path)));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_with_their_spaces() {
        let text = "/t/app.wasm: /a/build.rs /a/in\\ two\\ words.txt /a/../b\n";
        assert_eq!(parse(text), ["/a/build.rs", "/a/in two words.txt", "/a/../b"].map(PathBuf::from));
        assert_eq!(parse("C:\\t\\app.wasm: C:\\a\\lib.rs"), [PathBuf::from("C:\\a\\lib.rs")]);
        assert!(parse("").is_empty() && parse("/t/app.wasm:\n").is_empty());
    }

    #[test]
    fn what_build_scripts_write_is_below_a_profile() {
        let written = written(Path::new("/t/wasm32-wasip2/release/app.wasm"));
        assert_eq!(written, ["/t/release", "/t/wasm32-wasip2/release"].map(PathBuf::from));
    }
}
