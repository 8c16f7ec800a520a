//! Multipart forms in requests.

mod boundary;
mod disposition;
mod parser;
mod search;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;

use self::disposition::Disposition;
use self::parser::{Event, Parser};
use super::payload::if_typed;
use crate::{Body, Error, FromRequest, IncomingRequest};

/// A `multipart/form-data` form (RFC 7578), which can contain files. The handler reads it part by part. Needs the
/// feature `multipart`.
///
/// At most one piece of the body is in memory at a time, whatever the size of the form and its parts. The body limit
/// applies to each part that is read into memory, and not to the whole form.
///
/// Any other media type is rejected with 415, a malformed form with 400. A form is malformed if its first or last
/// delimiter is missing, or if a part has more than 16 KiB of headers, an invalid header, or two names. Lines must end
/// with CRLF, and a delimiter must fill a whole line (RFC 2046, section 5.1.1).
///
/// # Examples
///
/// ```
/// use wayside::extract::Multipart;
/// use wayside::{Error, http_component};
///
/// #[http_component]
/// async fn handle(mut form: Multipart) -> Result<String, Error> {
///     let mut answer = String::new();
///     while let Some(mut part) = form.next_part().await? {
///         let mut length = 0;
///         while let Some(piece) = part.next_chunk().await? {
///             length += piece.len();
///         }
///         answer.push_str(&format!("{}: {length} bytes\n", part.name().unwrap_or("no name")));
///     }
///     Ok(answer)
/// }
/// # fn main() {}
/// ```
pub struct Multipart {
    form: Arc<Mutex<ReadForm>>,
    part_limit: u64,
}

/// One part of a [`Multipart`] form: a field or a file.
pub struct Part {
    form: Arc<Mutex<ReadForm>>,
    number: u64,
    headers: HeaderMap,
    names: Disposition,
    limit: u64,
    has_ended: bool,
}

/// The body of a form, and the progress of reading it.
struct ReadForm {
    body: Body,
    parser: Parser,
    /// The number of the current part: 1 for the first part, 0 before the first part has been read.
    part: u64,
}

impl FromRequest for Multipart {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        let headers = request.headers()?;
        let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let parser = Parser::new(&boundary::of_form(content_type)?);
        let part_limit = request.body_limit();
        let form = ReadForm { body: request.into_body(), parser, part: 0 };
        Ok(Self { form: Arc::new(Mutex::new(form)), part_limit })
    }

    async fn from_request_optional(request: IncomingRequest) -> Result<Option<Self>, Error> {
        if_typed(request).await
    }
}

impl Multipart {
    /// Returns the next part. Discards the unread rest of the current part.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the form is malformed or the body breaks off.
    pub async fn next_part(&mut self) -> Result<Option<Part>, Error> {
        let next = poll_fn(|cx| lock(&self.form).poll_next_part(cx)).await?;
        let Some((number, headers)) = next else { return Ok(None) };
        let names = Disposition::of(&headers)
            .ok_or_else(|| malformed("a part has a malformed content-disposition, or two names"))?;
        let form = Arc::clone(&self.form);
        Ok(Some(Part { form, number, headers, names, limit: self.part_limit, has_ended: false }))
    }
}

impl Part {
    /// Returns the name of the field, with the browsers' escapes `%22`, `%0D` and `%0A` decoded. A name that is not
    /// UTF-8 is decoded as ISO 8859-1.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.names.name.as_deref()
    }

    /// Returns the file name from the client. Do not use it as a path: the client can send any text.
    ///
    /// Reads the parameter `filename`. If it is missing, returns [`extended_file_name`](Self::extended_file_name).
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.names.file_name.as_deref().or_else(|| self.extended_file_name())
    }

    /// Returns the file name in the parameter `filename*`, decoded (RFC 8187).
    ///
    /// Clients must not send `filename*` in a form (RFC 7578, section 4.2), but some do, in addition to `filename`.
    #[must_use]
    pub fn extended_file_name(&self) -> Option<&str> {
        self.names.extended_file_name.as_deref()
    }

    /// Returns the headers of this part.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Reads the next piece of the content. A piece is never empty. Returns `None` after the last piece.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the form is malformed or the body breaks off; with 500 if [`Multipart::next_part`] has already
    /// moved past this part.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if self.has_ended {
            return Ok(None);
        }
        let data = poll_fn(|cx| lock(&self.form).poll_data(self.number, cx)).await?;
        self.has_ended = data.is_none();
        Ok(data)
    }

    /// Reads the content into memory.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`next_chunk`](Part::next_chunk), and 413 if the content exceeds the body limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use wayside::{Error, extract::Multipart};
    /// /// The first file of a form, with the name that the client gives it.
    /// async fn first_file(mut form: Multipart) -> Result<Option<(String, wayside::Bytes)>, Error> {
    ///     while let Some(part) = form.next_part().await? {
    ///         if let Some(name) = part.file_name().map(str::to_owned) {
    ///             return Ok(Some((name, part.bytes().await?)));
    ///         }
    ///     }
    ///     Ok(None)
    /// }
    /// ```
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next_chunk().await? {
            if (whole.len() + piece.len()) as u64 > self.limit {
                let detail = format!("a part of the form is longer than {} bytes", self.limit);
                return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// Reads the content into memory as UTF-8 text.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`bytes`](Part::bytes), and 400 if the content is not UTF-8.
    pub async fn text(self) -> Result<String, Error> {
        String::from_utf8(self.bytes().await?.into()).map_err(|error| {
            Error::new(StatusCode::BAD_REQUEST, "a part of the form is not UTF-8").with_source(error.utf8_error())
        })
    }
}

impl ReadForm {
    /// Discards the rest of the current part. Returns the number and the headers of the next part.
    fn poll_next_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(u64, HeaderMap)>, Error>> {
        loop {
            match ready!(self.poll_event(cx))? {
                Event::Data(_) | Event::PartEnd => {}
                Event::Part(headers) => {
                    self.part += 1;
                    return Poll::Ready(Ok(Some((self.part, headers))));
                }
                Event::End => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn poll_data(&mut self, part: u64, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if part != self.part {
            let detail = "cannot read a part of the form after `next_part` moved past it; read each part first";
            return Poll::Ready(Err(Error::from_status(StatusCode::INTERNAL_SERVER_ERROR).with_source(detail)));
        }
        match ready!(self.poll_event(cx))? {
            Event::Data(data) => Poll::Ready(Ok(Some(data))),
            Event::PartEnd | Event::Part(_) | Event::End => Poll::Ready(Ok(None)),
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        loop {
            if let Some(event) = self.parser.next().map_err(malformed)? {
                return Poll::Ready(Ok(event));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.parser.complete(),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.parser.push(data);
                    }
                }
                Some(Err(error)) => {
                    return Poll::Ready(Err(Error::from(error).with_detail("the request body broke off")));
                }
            }
        }
    }
}

fn lock(form: &Mutex<ReadForm>) -> MutexGuard<'_, ReadForm> {
    form.lock().unwrap_or_else(PoisonError::into_inner)
}

fn malformed(why: impl fmt::Display) -> Error {
    Error::new(StatusCode::BAD_REQUEST, format!("the request body is not a valid form: {why}"))
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").finish_non_exhaustive()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("name", &self.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;
    use crate::test::{block_on, incoming};

    fn form(content_type: &str, body: &'static str) -> Result<Multipart, StatusCode> {
        let request = Request::post("/").header("content-type", content_type).body(body).unwrap();
        block_on(Multipart::from_request(incoming(request).with_body_limit(8))).map_err(|error| error.status())
    }

    const TYPE: &str = "multipart/form-data; boundary=cut";

    #[test]
    fn parts_come_in_order_with_their_names() {
        let body = "--cut\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\none\r\n\
                    --cut\r\ncontent-disposition: form-data; name=\"b\"; filename=\"f.txt\"\r\n\r\ntwo\r\n--cut--\r\n";
        block_on(async {
            let mut form = form(TYPE, body).unwrap();
            let first = form.next_part().await.unwrap().unwrap();
            assert_eq!((first.name(), first.file_name()), (Some("a"), None));
            assert_eq!(first.text().await.unwrap(), "one");
            let second = form.next_part().await.unwrap().unwrap();
            assert_eq!((second.name(), second.file_name()), (Some("b"), Some("f.txt")));
            assert_eq!(second.text().await.unwrap(), "two");
            assert!(form.next_part().await.unwrap().is_none());
        });
    }

    #[test]
    fn another_media_type_is_415_and_another_body_400() {
        assert_eq!(form("text/plain", "").unwrap_err(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(form("multipart/form-data", "").unwrap_err(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let error = block_on(async { form(TYPE, "no form at all").unwrap().next_part().await.unwrap_err() });
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_part_may_be_left_unread_but_not_be_read_later() {
        let body = "--cut\r\n\r\none\r\n--cut\r\n\r\ntwo\r\n--cut--\r\n";
        block_on(async {
            let mut form = form(TYPE, body).unwrap();
            let mut first = form.next_part().await.unwrap().unwrap();
            let mut second = form.next_part().await.unwrap().unwrap();
            assert_eq!(first.next_chunk().await.unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(second.next_chunk().await.unwrap().unwrap(), "two");
            assert_eq!(second.next_chunk().await.unwrap(), None);
            assert!(form.next_part().await.unwrap().is_none());
            assert_eq!(second.next_chunk().await.unwrap(), None);
            assert!(form.next_part().await.unwrap().is_none());
        });
    }

    #[test]
    fn a_malformed_form_is_400_each_time_it_is_asked() {
        let body = "--cut\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\none\r\n";
        block_on(async {
            let mut form = form(TYPE, body).unwrap();
            let mut part = form.next_part().await.unwrap().unwrap();
            assert_eq!(part.next_chunk().await.unwrap().unwrap(), "one");
            for _ in 0..2 {
                let error = part.next_chunk().await.unwrap_err();
                assert_eq!(error.status(), StatusCode::BAD_REQUEST);
                let detail = "the request body is not a valid form: it ends before its last delimiter";
                assert_eq!(error.detail(), Some(detail));
            }
            assert_eq!(form.next_part().await.unwrap_err().status(), StatusCode::BAD_REQUEST);
        });
    }

    #[test]
    fn a_name_that_is_given_twice_is_400() {
        let body = "--cut\r\ncontent-disposition: form-data; name=a; name=b\r\n\r\none\r\n--cut--\r\n";
        let error = block_on(async { form(TYPE, body).unwrap().next_part().await.unwrap_err() });
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn neither_name_of_a_file_is_lost() {
        let body = "--cut\r\ncontent-disposition: form-data; filename*=UTF-8''%e2%82%ac.txt; filename=\"eur.txt\"\r\n\r\n\r\n\
                    --cut\r\ncontent-disposition: form-data; filename*=UTF-8''%e2%82%ac.txt\r\n\r\n\r\n--cut--\r\n";
        block_on(async {
            let mut form = form(TYPE, body).unwrap();
            let both = form.next_part().await.unwrap().unwrap();
            assert_eq!((both.file_name(), both.extended_file_name()), (Some("eur.txt"), Some("\u{20ac}.txt")));
            let one = form.next_part().await.unwrap().unwrap();
            assert_eq!((one.file_name(), one.extended_file_name()), (Some("\u{20ac}.txt"), Some("\u{20ac}.txt")));
        });
    }

    #[test]
    fn a_body_that_breaks_off_is_an_error_in_every_part_of_a_form() {
        let whole = b"--cut\r\ncontent-disposition: form-data; name=a\r\n\r\none\r\n--cut\r\n\r\ntwo\r\n--cut--\r\n";
        for length in 0..whole.len() - 2 {
            let pieces = [Ok(Bytes::copy_from_slice(&whole[..length])), Err(std::io::Error::other("the line is cut"))];
            let body = Body::from_stream(futures_util::stream::iter(pieces));
            let request = Request::post("/").header("content-type", TYPE).body(body).unwrap();
            block_on(async {
                let mut form = Multipart::from_request(incoming(request)).await.unwrap();
                let error = loop {
                    match form.next_part().await {
                        Ok(Some(part)) => match part.text().await {
                            Ok(text) => assert!(["one", "two"].contains(&&*text), "{text}"),
                            Err(error) => break error,
                        },
                        Ok(None) => panic!("{length} bytes pass for a whole form"),
                        Err(error) => break error,
                    }
                };
                assert_eq!(error.detail(), Some("the request body broke off"), "after {length} bytes");
            });
        }
    }

    #[test]
    fn a_part_over_the_limit_is_413_when_it_is_read_into_memory() {
        let body = "--cut\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nnine byte\r\n--cut--\r\n";
        let error = block_on(async {
            form(TYPE, body).unwrap().next_part().await.unwrap().unwrap().bytes().await.unwrap_err()
        });
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
