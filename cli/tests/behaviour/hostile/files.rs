//! Broken mock files, cassettes, settings and environment files.

use std::fs;
use std::path::{Path, PathBuf};

use wayside_harness::Outbound;

use super::super::command::{temporary, wayside};
use super::super::fixture::example;
use super::{FAILED, large, refused};

/// Writes a numbered file, and returns its path.
fn file(dir: &Path, number: usize, contents: &[u8]) -> PathBuf {
    let file = dir.join(format!("{number}.toml"));
    fs::write(&file, contents).unwrap();
    file
}

#[test]
fn mocks_that_are_wrong_are_named_with_the_place() {
    let dir = temporary("hostile-mocks");
    let fields: String = (0..40_000).map(|number| format!("\"x-{number}: 1\", ")).collect();
    let many_fields = format!("[[call]]\nfields = [{fields}]\n");
    let cases: &[(&[u8], &str)] = &[
        (b"\xff\xfe", "cannot read the mock"),
        (b"[[call]", "line 1"),
        (b"call = 1", "line 1"),
        (b"[[call]]\nmethod = \"GE T\"", "`GE T` is no method"),
        (b"[[call]]\nmethod = 1", "line 2"),
        (b"[[call]]\nurl = 1", "line 2"),
        (b"[[call]]\nnonsense = 1", "unknown field `nonsense`"),
        (b"[[call]]\ntimes = -1", "line 2"),
        (b"[[call]]\nfields = [\"no colon\"]", "`no colon` is no field"),
        (b"[[call]]\nfields = [\"a b: c\"]", "is no name of a field"),
        (b"[[call]]\nfields = [\"x:: ???\"]", "this is no base64"),
        (b"[[call]]\njson = \"{\"", "the text is no JSON document"),
        (b"[[call]]\n[call.reply]\nstatus = 99", "`99` is not a status of a response"),
        (b"[[call]]\n[call.reply]\nstatus = 99999999999", "line 3"),
        (b"[[call]]\n[call.reply]\nerror = \"nonsense\"", "nonsense"),
        (b"[[call]]\n[call.reply]\ndelay-ms = -1", "line 3"),
        (many_fields.as_bytes(), "too many fields"),
    ];
    for (number, (contents, what)) in cases.iter().enumerate() {
        let file = file(&dir, number, contents);
        let error = Outbound::mock_file(&file).unwrap_err();
        assert!(error.to_string().contains(&*file.to_string_lossy()) && error.help().is_some(), "{error}");
        let said = format!("{error}: {}", std::error::Error::source(&error).map_or(String::new(), |e| e.to_string()));
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn cassettes_that_are_wrong_are_named_with_the_place() {
    let dir = temporary("hostile-cassettes");
    let request = "[[call]]\n[call.request]\nmethod = \"GET\"\nurl = \"http://a.test/\"\n";
    let cases: &[(&str, &str)] = &[
        ("[[call]]", "missing field `request`"),
        (request, "missing field `response`"),
        ("[[call]]\n[call.request]\nmethod = 1", "line 3"),
        (&format!("{request}body-base64 = \"?\"\n[call.response]\n"), "this is no base64"),
        (&format!("{request}[call.response]\nstatus = 7\n"), "7"),
        (&format!("{request}[call.response]\nstatus = -7\n"), "line 6"),
        (&format!("{request}[call.response]\nerror = \"nonsense\"\n"), "nonsense"),
        (&format!("{request}[call.response]\nnonsense = 1\n"), "unknown field `nonsense`"),
        (
            &format!("{request}[call.response]\nbody = \"without a status\"\n"),
            "call 1 (GET http://a.test/): the response has no `status`",
        ),
    ];
    for (number, (contents, what)) in cases.iter().enumerate() {
        let file = file(&dir, number, contents.as_bytes());
        let error = Outbound::replay(&file).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&*file.to_string_lossy()) && said.contains(what), "{said}");
        assert!(error.help().is_some(), "{said}");
    }
    let large_file = dir.join("large");
    large(&large_file);
    let error = Outbound::replay(&large_file).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("larger than 256 MiB"), "{error}");
    assert!(Outbound::replay(dir.join("gone")).unwrap_err().help().is_some());
    assert!(Outbound::replay(&dir).unwrap_err().help().is_some());
    assert!(Outbound::record(dir.join("gone/deep"), Outbound::deny()).unwrap_err().help().is_some());
}

#[test]
fn settings_that_are_wrong_are_named_with_the_place() {
    let dir = temporary("hostile-settings");
    let component = "[component.a]\npath = \"a.wasm\"\n";
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: &[(&str, &str)] = &[
        ("", "name no component"),
        ("\u{0}", "line 1"),
        ("[component", "line 1"),
        ("[component.a]", "missing field `path`"),
        ("component = 1", "line 1"),
        ("[component.a]\npath = 1", "line 2, column 8"),
        ("[[component]]\npath = \"a\"", "line 1"),
        ("addr = 3000", "line 1, column 8"),
        ("log = \"xml\"", "unknown variant `xml`"),
        ("nonsense = 1", "there is no key `nonsense`"),
        (&format!("addr = \"3000\"\n{component}"), "`3000` is no address to listen on"),
        (&format!("{component}[component.a]\n"), "line 3"),
        (&format!("{component}timeout = 30"), "line 3, column 11"),
        (&format!("{component}timeout = \"soon\""), "write a duration with its unit"),
        (&format!("{component}max-memory = \"99999999999999999999 GiB\""), "more than can be counted"),
        (&format!("{component}max-body = -1"), "line 3"),
        (&format!("{component}reuse = 99999999999"), "line 3"),
        (&format!("{component}max-concurrency = 0"), "it must be 1 at least"),
        (&format!("{component}allow-outbound = [\"ftp://a\"]"), "the scheme `ftp` is neither http nor https"),
        (&format!("{component}keyvalue = \"file\""), "write `memory`"),
        (&format!("{component}env = [\"A=1\"]"), "line 3"),
        (&format!("{component}mock = \"m\"\nreplay = \"r\""), "both `mock` and `replay`"),
        (&format!("{component}env-file = [\"gone\"]"), "gone`"),
        (&format!("{component}route = \"api\""), "a.wasm`"),
        (component, "cannot read the component `a.wasm`"),
        (&deep, "line 1"),
    ];
    for (contents, what) in cases {
        fs::write(dir.join("wayside.toml"), contents).unwrap();
        refused(FAILED, wayside().current_dir(&dir).arg("serve"), &[what]);
    }
    fs::write(dir.join("wayside.toml"), b"\xff").unwrap();
    refused(FAILED, wayside().current_dir(&dir).arg("serve"), &["cannot read the settings `wayside.toml`"]);
    fs::remove_file(dir.join("wayside.toml")).unwrap();
    fs::create_dir(dir.join("wayside.toml")).unwrap();
    refused(FAILED, wayside().current_dir(&dir).arg("serve"), &["help: "]);
}

#[tokio::test]
async fn environment_files_that_are_wrong_are_named_with_the_line() {
    let dir = temporary("hostile-env-files");
    let app = example("hello").await.unwrap();
    fs::create_dir(dir.join("directory")).unwrap();
    let mut cases = vec![
        (dir.join("gone"), "cannot read the environment file".to_owned()),
        (dir.join("directory"), "cannot read the environment file".to_owned()),
        (dir.join("large"), "it is larger than 16 MiB".to_owned()),
        (PathBuf::from("/dev/zero"), "it is larger than 16 MiB".to_owned()),
    ];
    fs::write(dir.join("large"), format!("A=1\n#{}", "x".repeat(16 * 1024 * 1024))).unwrap();
    for (number, (contents, what)) in [
        (&b"A\n"[..], "line 1: it has no `=`"),
        (b"A B=1\n", "line 1: `A B` is not a valid name"),
        (b"=1\n", "line 1: `` is not a valid name"),
        (b"\n\nA=\"1\n", "line 3: the quote `\"` is not closed"),
        (b"A='1' 2\n", "line 1: `2` follows the closing quote"),
        (b"A=\"\\x\"\n", "line 1: `\\x` is no escape"),
        (b"A=\0\n", "line 1: the value of the environment variable `A` contains a NUL"),
        (b"A=caf\xe9\n", "cannot read the environment file"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = dir.join(number.to_string());
        fs::write(&file, contents).unwrap();
        cases.push((file, what.to_owned()));
    }
    for (file, what) in cases {
        let mut command = wayside();
        command.arg("request").arg(&app.description().path).args(["/", "--env-file"]).arg(&file);
        refused(FAILED, &mut command, &[&file.to_string_lossy(), &what]);
    }
}
