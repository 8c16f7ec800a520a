//! `wayside dev` right after `wayside new`, as a new user starts it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use super::{root, text, wayside, workshop};

/// A crate that `wayside new` made, with a running `wayside dev`.
struct Dev {
    dir: PathBuf,
    child: Child,
    stderr: BufReader<ChildStderr>,
    url: String,
    inspector: String,
}

impl Dev {
    /// Makes a crate, and runs the `wayside dev` that `wayside new` printed as the next step, on free ports.
    fn start(name: &str, args: &[&str]) -> Self {
        let made = wayside(workshop(), &[&["new", name], args].concat());
        let said = text(&made.stderr);
        assert!(made.status.success(), "{said}");
        let run = said.lines().find_map(|line| line.split_once("wayside dev")).expect("what is next is printed").1;
        let dir = workshop().join(name);
        // Copies the lock file of this workspace, so that few dependencies are compiled anew.
        fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayside"));
        command.current_dir(&dir).arg("dev").args(run.split_whitespace());
        command.args(["--addr", "127.0.0.1:0", "--inspector", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut dev = Self { dir, child, stderr, url: String::new(), inspector: String::new() };
        let url = |line: &str| line.rsplit_once("http://").unwrap().1.trim_end_matches('/').to_owned();
        dev.url = url(&dev.line("listening on "));
        dev.inspector = url(&dev.line("requests are shown on "));
        dev
    }

    /// Reads the output up to a line that starts with this text, and returns the line.
    fn line(&mut self, start: &str) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it ended before `{start}`: {said}");
            if line.starts_with(start) {
                return line.trim_end().to_owned();
            }
            said.push_str(&line);
            assert!(!line.starts_with("waiting for a change"), "it does not compile: {said}");
        }
    }

    /// Returns the whole response to a GET. Requests wait for the first build.
    fn get(&self, path: &str) -> String {
        get(&self.url, path)
    }

    /// Changes a file, and waits until the new build responds.
    fn replace(&mut self, file: &str, from: &str, to: &str) {
        let path = self.dir.join(file);
        let source = fs::read_to_string(&path).unwrap();
        assert!(source.contains(from), "{source}");
        write_at_once(&path, &source.replace(from, to));
        assert_eq!(self.line(file), format!("{file} changed; building"));
        self.line("the new component answers");
    }

    /// Ends the command as Ctrl-C does, and checks that it prints nothing more.
    fn stop(mut self) {
        let interrupt = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(interrupt.success());
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{rest}");
        assert_eq!((rest.as_str(), printed.as_str()), ("", ""));
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // The process is still running only if the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a temporary file and renames it, so that `wayside dev` sees a single change.
fn write_at_once(path: &Path, text: &str) {
    let beside = path.with_file_name(".beside");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

fn get(addr: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_made_crate_answers_and_changes_with_its_source() {
    let mut dev = Dev::start("dev-hello", &[]);
    let answer = dev.get("/ada");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nHello, ada!\n"), "{answer}");
    dev.line("ready after ");
    dev.replace("src/lib.rs", "Hello, {name}!", "Good morning, {name}!");
    let answer = dev.get("/ada");
    assert!(answer.ends_with("\r\n\r\nGood morning, ada!\n"), "{answer}");

    let page = get(&dev.inspector, "/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<title>"), "{page}");
    // The inspector learns of a response a moment after the client.
    let mut seen = (0..1000).map(|_| get(&dev.inspector, "/requests/2"));
    assert!(seen.any(|one| one.contains(r#""text":"Good morning, ada!\n""#)), "{}", get(&dev.inspector, "/requests/2"));
    dev.stop();
}

#[test]
fn made_middleware_answers_in_front_of_its_application_and_changes_with_its_source() {
    let mut dev = Dev::start("dev-middleware", &["--template", "middleware"]);
    let answer = dev.get("/");
    assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello from behind!\n"), "{answer}");
    let answer = dev.get("/private");
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n") && answer.ends_with("this is private\n"), "{answer}");
    dev.line("ready after ");
    dev.replace("src/lib.rs", "this is private", "nobody passes");
    assert!(dev.get("/private").ends_with("\r\n\r\nnobody passes\n"));
    dev.replace("app/src/lib.rs", "from behind", "from further behind");
    assert!(dev.get("/").ends_with("\r\n\r\nHello from further behind!\n"));
    dev.stop();
}
