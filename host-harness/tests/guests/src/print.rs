//! Prints the request body on stdout in two writes, a word on stderr, and an unfinished line at the end.

use std::io::Write as _;

use wayside::{Error, Request};

pub(crate) async fn handle(request: Request) -> Result<&'static str, Error> {
    let text = request.into_body().text().await?;
    let (first, second) = text.split_at(text.len() / 2);
    let mut stdout = std::io::stdout();
    for part in [first, second, "\n", "half"] {
        stdout.write_all(part.as_bytes())?;
        stdout.flush()?;
    }
    eprintln!("warned");
    Ok("printed\n")
}
