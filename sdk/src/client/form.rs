//! Multipart forms for requests.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::Body;
use crate::body;

/// A `multipart/form-data` form (RFC 7578), which can contain files.
/// [`RequestBuilder::multipart`](super::RequestBuilder::multipart) sends it. Needs the feature `multipart`.
///
/// The content of a file is a [`Body`], so it can stream. The length of the form is known only if the length of every
/// file is known.
///
/// # Examples
///
/// ```
/// use wayside::client::{Client, Form};
/// use wayside::{Body, Error};
///
/// async fn send(report: Body) -> Result<(), Error> {
///     let form = Form::new().text("title", "a report").file("report", "report.txt", "text/plain", report);
///     Client::new().post("https://files.example.org/").multipart(form).send().await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "send the form with `RequestBuilder::multipart`"]
pub struct Form {
    boundary: String,
    pieces: VecDeque<Body>,
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

impl Form {
    /// Creates an empty form with a random boundary.
    pub fn new() -> Self {
        let random = RandomState::new();
        let boundary = format!("wayside-{:016x}{:016x}", random.hash_one(0), random.hash_one(1));
        Self { boundary, pieces: VecDeque::new() }
    }

    /// Adds a text field.
    pub fn text(self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        let disposition = format!("form-data; name=\"{}\"", escaped(name.as_ref()));
        self.part(&disposition, None, value.into().into())
    }

    /// Adds a file. `name` is the name of the field. Line breaks in `media_type` are removed, so that it cannot
    /// end its header line.
    pub fn file(
        self,
        name: impl AsRef<str>,
        file_name: impl AsRef<str>,
        media_type: &str,
        content: impl Into<Body>,
    ) -> Self {
        let (name, file_name) = (escaped(name.as_ref()), escaped(file_name.as_ref()));
        let disposition = format!("form-data; name=\"{name}\"; filename=\"{file_name}\"");
        self.part(&disposition, Some(media_type), content.into())
    }

    fn part(mut self, disposition: &str, media_type: Option<&str>, content: Body) -> Self {
        let mut head = format!("--{}\r\ncontent-disposition: {disposition}\r\n", self.boundary);
        if let Some(media_type) = media_type {
            // Writing to a `String` never fails.
            let _ = write!(head, "content-type: {}\r\n", media_type.replace(['\r', '\n'], ""));
        }
        head.push_str("\r\n");
        self.pieces.extend([head.into(), content, "\r\n".into()]);
        self
    }

    pub(super) fn media_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(super) fn into_body(mut self) -> Body {
        self.pieces.push_back(format!("--{}--\r\n", self.boundary).into());
        Body::from_http_body(Pieces(self.pieces))
    }
}

/// Percent-encodes quotes and line breaks, so that a name cannot end its quoted string or its line (WHATWG HTML,
/// "multipart/form-data encoding algorithm").
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A body that consists of other bodies in sequence.
struct Pieces(VecDeque<Body>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        while let Some(piece) = self.0.front_mut() {
            match ready!(Pin::new(piece).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // Drops the trailers of a file's body, because a part of a form has none.
                Some(Ok(_)) => {}
                None => {
                    self.0.pop_front();
                }
            }
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        let exact: Option<u64> = self.0.iter().map(|piece| piece.size_hint().exact()).sum();
        exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Multipart;
    use crate::test::{block_on, incoming};
    use crate::{FromRequest as _, Request};

    #[test]
    fn a_form_that_is_sent_is_read_as_it_was() {
        let content = Body::from_stream(futures_util::stream::iter(["a", "b"].map(Ok::<_, std::convert::Infallible>)));
        let form = Form::new().text("no\"te\r\n", "one").file("f", "x.txt", "text/plain", content);
        let request = Request::post("/").header("content-type", form.media_type()).body(form.into_body()).unwrap();
        block_on(async {
            let mut form = Multipart::from_request(incoming(request)).await.unwrap();
            let first = form.next_part().await.unwrap().unwrap();
            assert_eq!(first.name(), Some("no\"te\r\n"));
            assert_eq!(first.text().await.unwrap(), "one");
            let second = form.next_part().await.unwrap().unwrap();
            assert_eq!((second.name(), second.file_name()), (Some("f"), Some("x.txt")));
            assert_eq!(second.headers()["content-type"], "text/plain");
            assert_eq!(second.text().await.unwrap(), "ab");
            assert!(form.next_part().await.unwrap().is_none());
        });
    }

    #[test]
    fn the_length_of_a_form_is_known_where_that_of_each_part_is() {
        let body = Form::new().text("a", "one").into_body();
        let length = body.size_hint().exact().unwrap();
        assert_eq!(block_on(body.bytes()).unwrap().len() as u64, length);
        let content = Body::from_stream(futures_util::stream::empty::<Result<&str, std::convert::Infallible>>());
        assert_eq!(Form::new().file("a", "b", "text/plain", content).into_body().size_hint().exact(), None);
    }
}
