//! Makes the request body that the flag `--data` describes.

use std::fs::File;
use std::io::{self, Read};
use std::thread;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::{mpsc, watch};
use wayside_harness::{Body, Error};

/// The largest number of bytes that one read of the source takes.
const READ_BYTES: usize = 64 * 1024;

/// Opens the value of `--data`: text, `@FILE`, or `@-` for standard input. Files are streamed.
pub(super) fn open(data: Option<&str>) -> Result<(Body, End), Error> {
    match data.map(|data| (data, data.strip_prefix('@'))) {
        None => Ok((Body::empty(), End::default())),
        Some((text, None)) => Ok((text.to_owned().into(), End::default())),
        Some((_, Some("-"))) => streamed(io::stdin(), true),
        Some((_, Some(path))) => {
            let failed = |error| {
                Error::new(format!("cannot read the data file `{path}`"))
                    .with_help("check the path; `-d` without `@` takes text")
                    .with_source(error)
            };
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            streamed(file, !metadata.is_file())
        }
    }
}

/// A handle that ends a request body whose source may be endless, such as a pipe or a terminal.
#[derive(Default)]
pub(super) struct End(Option<watch::Sender<bool>>);

impl End {
    /// Drops the unread rest of an endless source, so that the body breaks off for the component. Does nothing for
    /// other sources.
    pub(super) fn now(&self) {
        if let Some(end) = &self.0 {
            end.send_replace(true);
        }
    }
}

/// Makes a body that streams a source. A separate thread reads the source. The process ends without waiting for this
/// thread, which may be blocked until every writer of a pipe has closed it.
fn streamed(source: impl Read + Send + 'static, may_be_endless: bool) -> Result<(Body, End), Error> {
    let (sender, chunks) = mpsc::channel(1);
    let read = move || read(source, &sender);
    thread::Builder::new()
        .name("data".to_owned())
        .spawn(read)
        .map_err(|error| Error::new("cannot start a thread that reads the data").with_source(error))?;
    let (end, ended) = watch::channel(false);
    let frames = stream::try_unfold((chunks, ended), |(mut chunks, mut ended)| async move {
        let chunk: Option<Bytes> = tokio::select! {
            chunk = chunks.recv() => chunk.transpose()?,
            () = given_up(&mut ended) => return Err(io::Error::other("the response is complete")),
        };
        Ok(chunk.map(|chunk| (Frame::data(chunk), (chunks, ended))))
    });
    Ok((Body::new(StreamBody::new(frames)), End(may_be_endless.then_some(end))))
}

/// Completes when [`End::now`] is called. Never completes if the handle has been dropped.
async fn given_up(ended: &mut watch::Receiver<bool>) {
    if ended.wait_for(|has_ended| *has_ended).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Reads a source and sends each piece, until the source ends or fails, or until the receiver has been dropped.
fn read(mut source: impl Read, sender: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut chunk = vec![0; READ_BYTES];
        let read = match source.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk.into())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let has_failed = read.is_err();
        if sender.blocking_send(read).is_err() || has_failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// Yields a first piece, and then waits forever.
    struct HeldOpen(Option<&'static [u8]>);

    impl Read for HeldOpen {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                match self.0.take() {
                    Some(piece) => return (&mut &*piece).read(buffer),
                    None => thread::park(),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_source_that_is_held_open_breaks_off_when_it_is_ended() {
        let (mut body, end) = streamed(HeldOpen(Some(b"first")), true).unwrap();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "first");
        end.now();
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_source_with_an_end_is_read_to_it() {
        let (body, end) = streamed(&b"all of it"[..], false).unwrap();
        end.now();
        assert_eq!(body.text().await.unwrap(), "all of it");
    }
}
