//! `wayside serve` with idle clients, with too few file descriptors, and when it stops.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;

use super::command::{Serving, stderr, stdout};
use super::fixture::{eventually, example, root};

const GUESTS: &str = "host-harness/tests/guests";

/// An upstream that answers one request once the returned sender sends. If the sender is dropped, it never answers.
fn upstream() -> (String, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (let_go, gate) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if gate.recv().is_ok() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
        // Closing with unread data would reset the connection before the client has read the response.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    (url, let_go)
}

/// Starts a server and sends it a request. Its response is complete, but its background work still waits for the
/// upstream.
fn serve_work(drain: &str) -> (Serving, mpsc::Sender<()>) {
    let (url, let_go) = upstream();
    let env = format!("UPSTREAM={url}");
    let server = Serving::start(&[GUESTS, "--env", &env, "--allow-outbound", &url, "--drain-timeout", drain]);
    assert!(server.get("/work-after").ends_with("answered\n"));
    (server, let_go)
}

async fn stops_listening(server: &Serving) {
    eventually("nothing listens any more", || TcpStream::connect(server.addr()).is_err()).await;
}

#[tokio::test]
async fn sigterm_waits_for_work_after_the_response() {
    let (server, let_go) = serve_work("1h");
    server.signal("-TERM");
    stops_listening(&server).await;
    let_go.send(()).unwrap();
    let output = server.ended();
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("the work was done"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("cut"), "{}", stderr(&output));
}

#[tokio::test]
async fn sigterm_says_which_work_it_cuts() {
    let (server, _never) = serve_work("200ms");
    server.signal("-TERM");
    let output = server.ended();
    assert_eq!(output.status.code(), Some(0));
    let cut = "waited 200ms for requests to finish, and cut 1 request: #1 GET /work-after (work after the response)";
    assert!(stderr(&output).contains(cut), "{}", stderr(&output));
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_says_what_it_cuts() {
    let (server, _never) = serve_work("1h");
    server.signal("-TERM");
    stops_listening(&server).await;
    server.signal("-INT");
    let output = server.ended();
    assert_eq!(output.status.code(), Some(0));
    let cut = "ended at once and cut 1 request: #1 GET /work-after (work after the response)";
    assert!(stderr(&output).contains(cut), "{}", stderr(&output));
}

#[test]
fn the_log_names_a_client_that_pauses_in_its_upload() {
    let request = "POST /whole HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nonly this";
    let fault = "the client sent nothing of its request body for 200ms";
    for format in ["text", "json"] {
        let server = Serving::start(&[GUESTS, "--client-timeout", "200ms", "--log", format]);
        assert!(server.send(request).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        let output = server.stop();
        let log = if format == "text" { stderr(&output) } else { stdout(&output) };
        let line = log.lines().find(|line| line.contains(fault)).unwrap_or_else(|| panic!("no line in {log}"));
        assert!(line.contains("408") && !log.contains("` trapped: "), "{log}");
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&line["status"], &line["client_fault"]), (&408.into(), &fault.into()));
        }
    }
}

/// Waits for the response to a request that has been sent, and returns the status line. The connection stays open.
fn answered(stream: &TcpStream) -> String {
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).unwrap();
    status
}

#[tokio::test]
async fn too_many_open_files_are_told_once_and_recovered_from() {
    let component = example("hello").await.unwrap().description().path.clone();
    let mut command = Command::new("sh");
    command.current_dir(root()).args([
        "-c",
        "ulimit -n 64 && exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_wayside"),
        "serve",
    ]);
    let server = Serving::spawn(command.arg(component));
    let clients: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(server.addr()).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
            stream
        })
        .collect();
    eventually("the trouble is told", || server.said().contains("cannot accept connections")).await;
    // The server has descriptors for a part of the connections only. Each connection that ends makes room for one more.
    for client in clients {
        assert_eq!(answered(&client), "HTTP/1.1 200 OK\r\n");
    }
    eventually("the end of the trouble is told", || server.said().contains("connections are accepted again")).await;
    assert!(server.get("/").starts_with("HTTP/1.1 200 OK\r\n"));
    let said = stderr(&server.stop());
    assert_eq!(said.matches("cannot accept").count(), 1, "{said}");
    assert_eq!(said.matches("accepted again").count(), 1, "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}
