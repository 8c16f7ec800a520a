//! Starts the command `wayside` as a user starts it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::fixture::root;

pub(crate) fn wayside() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayside"));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    wayside().args(args).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn temporary(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Checks that a command has failed, that the message after `error:` contains all these parts, and that it shows no
/// internals.
#[track_caller]
pub(crate) fn assert_message(output: &Output, parts: &[&str]) {
    let text = stderr(output);
    let message = &text[text.find("error:").unwrap_or_else(|| panic!("no error in {text:?}"))..];
    assert!(!output.status.success(), "{text}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in {text}");
    }
    for bad in ["panicked", "stack backtrace", "Os {", "Error {", "Some(", "kind:"] {
        assert!(!text.contains(bad), "`{bad}` in {text}");
    }
}

/// A running `wayside serve`.
pub(crate) struct Serving {
    pub(crate) url: String,
    child: Child,
    stdout: Printed,
    stderr: Printed,
}

/// The output of a process, read by a thread as it arrives.
struct Printed {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<io::Result<()>>,
}

impl Printed {
    fn read(mut stream: impl io::Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let printed = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => printed.lock().unwrap().extend_from_slice(&buffer[..read]),
                }
            }
        });
        Self { bytes, reader }
    }

    fn whole(self) -> Vec<u8> {
        self.reader.join().unwrap().unwrap();
        std::mem::take(&mut self.bytes.lock().unwrap())
    }
}

impl Serving {
    /// Starts the command on a free port, and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_in(&root(), args)
    }

    pub(crate) fn start_in(dir: &std::path::Path, args: &[&str]) -> Self {
        let mut command = wayside();
        command.current_dir(dir).arg("serve").args(args);
        Self::spawn(&mut command)
    }

    /// Starts a command that serves on a free port, and waits until it listens.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let command = command.args(["--addr", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let url = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended: {said}");
            if let Some(url) = line.strip_prefix("listening on ") {
                break url.trim_end().trim_end_matches('/').to_owned();
            }
            said.push_str(&line);
        };
        Self { url, child, stdout: Printed::read(stdout), stderr: Printed::read(stderr) }
    }

    /// The address and the port of the server.
    pub(crate) fn addr(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Returns what the command has written to stderr since it began to listen.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.stderr.bytes.lock().unwrap()).into_owned()
    }

    /// Sends a request without a body, and returns the whole response.
    pub(crate) fn get(&self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"))
    }

    /// Sends a POST request with a body and its `content-length`, and returns the whole response.
    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }

    /// Sends raw text, and returns everything that arrives until the server closes the connection.
    pub(crate) fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.addr()).unwrap();
        // Ignores an error: a server that has refused the request need not read all of it.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Ends the command as Ctrl-C does, and returns its output since it began to listen.
    pub(crate) fn stop(self) -> Output {
        self.signal("-INT");
        self.ended()
    }

    /// Sends a signal to the command. The signal is given as a flag of `kill`, such as `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the command, and returns its output since it began to listen.
    pub(crate) fn ended(mut self) -> Output {
        let status = self.child.wait().unwrap();
        Output { status, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}
