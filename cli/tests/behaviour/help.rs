//! The output of `--help` for each sub-command.

use std::path::PathBuf;
use std::{env, fs};

use super::command::{stdout, wayside};
use super::fixture::root;

/// Returns the help of a sub-command, formatted for 80 columns.
fn help(name: Option<&str>) -> String {
    let output = wayside().args(name).arg("--help").env("COLUMNS", "80").output().unwrap();
    assert!(output.status.success());
    stdout(&output)
}

/// Returns the names in the list of sub-commands.
fn names() -> Vec<String> {
    let help = help(None);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(ToOwned::to_owned).collect()
}

fn file(name: Option<&str>) -> PathBuf {
    let dir = root().join("cli/tests/behaviour/help");
    dir.join(name.unwrap_or("wayside")).with_extension("txt")
}

#[test]
fn the_help_of_each_command_is_the_one_on_file() {
    let names = names();
    assert!(names.len() >= 4, "{names:?}");
    for name in std::iter::once(None).chain(names.iter().map(|name| Some(name.as_str()))) {
        let help = help(name);
        let file = file(name);
        if env::var("HELP").as_deref() == Ok("write") {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &help).unwrap();
        }
        let filed = fs::read_to_string(&file).unwrap_or_default();
        assert!(help == filed, "{} is another; `HELP=write cargo test help` writes it anew:\n{help}", file.display());
    }
}

#[test]
fn each_command_tells_its_exit_codes() {
    for name in names() {
        assert!(help(Some(&name)).contains("\nExit codes:\n  0  "), "{name}");
    }
}

#[test]
fn no_line_of_help_is_wider_than_a_terminal() {
    for name in std::iter::once(None).chain(names().iter().map(|name| Some(name.as_str()))) {
        for line in help(name).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
