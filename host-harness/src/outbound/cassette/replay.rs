//! Replays a cassette.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header, request};
use http_body::Frame;
use http_body_util::{BodyExt as _, BodyStream, StreamBody};

use super::file::{self, Answered, Missing, Recorded, Sent};
use super::redaction::is_form;
use super::{BODY_LIMIT, Redaction};
use crate::Error;
use crate::message::body::Body;
use crate::message::body::{BodyError, code_of};
use crate::message::error_code::ErrorCode;
use crate::message::timeouts::Timeouts;
use crate::outbound::difference::Difference;
use crate::outbound::toml_file::Code;
use crate::outbound::{Outbound, url};

/// Whether a replay waits between the pieces of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::outbound) enum Pace {
    Immediate,
    /// As long as the server waited in the recording.
    Recorded,
}

pub(in crate::outbound) fn replay(path: &Path, pace: Pace) -> Result<Outbound, Error> {
    let (redaction, mut calls) = file::read(path)?;
    // Redacts the recorded calls again, because a user may have added the names of more headers or parameters to the
    // lists `redacted-fields` and `redacted-parameters` of the file.
    for Recorded { request, .. } in &mut calls {
        request.url = url::normal(&redaction.redact_url(&request.url));
        request.fields.0 = with_normal_host(redaction.redact_fields(&request.fields.0), &request.url);
        request.trailers.0 = redaction.redact_fields(&request.trailers.0);
        request.set_body(redaction.redact_body(&request.fields.0, request.body()));
    }
    let tape =
        Arc::new(Tape { path: path.to_owned(), redaction, pace, played: Mutex::new(vec![false; calls.len()]), calls });
    Ok(Outbound::from_fn(move |request| Arc::clone(&tape).answer(request)))
}

/// A cassette that is replayed.
struct Tape {
    path: PathBuf,
    redaction: Redaction,
    pace: Pace,
    calls: Vec<Recorded>,
    /// For each call, whether it has been replayed.
    played: Mutex<Vec<bool>>,
}

/// The number of bytes to read of a body that is compared as a whole.
const ALL: usize = usize::MAX;

/// A request of the component, read and redacted.
struct Heard {
    method: String,
    /// Normalized, like the URLs of the cassette.
    url: String,
    fields: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

impl Tape {
    async fn answer(self: Arc<Self>, mut request: Request<Body>) -> Result<Response<Body>, ErrorCode> {
        let timeouts = request.extensions_mut().remove::<Timeouts>().unwrap_or_default();
        let is_head = request.method() == Method::HEAD;
        let heard = self.hear(request).await.map_err(|error| code_of(&error))?;
        match self.find(&heard) {
            Ok(index) => respond(&self.calls[index].response, is_head, self.pace, timeouts).await,
            Err(unrecorded) => {
                tracing::error!("{unrecorded}");
                let line = unrecorded.lines().next().unwrap_or_default().to_owned();
                Err(ErrorCode::InternalError(Some(line)))
            }
        }
    }

    /// Reads a request. Reads its body as far as the body was read in the recording.
    async fn hear(&self, request: Request<Body>) -> Result<Heard, BodyError> {
        let (parts, mut body) = request.into_parts();
        let mut heard = self.head(parts);
        let enough = self.needed(&heard);
        let mut bytes = BytesMut::new();
        let redact = |bytes: &BytesMut| self.redaction.redact_body(&heard.fields, Bytes::copy_from_slice(bytes));
        // Counts the bytes of a form after redaction, because the secrets in the recording may have had another length.
        let is_enough = |bytes: &BytesMut| match enough {
            ALL => false,
            ..BODY_LIMIT if is_form(&heard.fields) => redact(bytes).len() >= enough,
            _ => bytes.len() >= enough,
        };
        let mut trailers = HeaderMap::new();
        while !is_enough(&bytes)
            && let Some(frame) = body.frame().await
        {
            match frame?.into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => trailers = self.redaction.redact_fields(&frame.into_trailers().unwrap_or_default()),
            }
        }
        if is_enough(&bytes) {
            // Reads the rest and drops it, as a server would.
            tokio::spawn(body.drain());
        }
        heard.body = redact(&bytes);
        heard.trailers = trailers;
        Ok(heard)
    }

    fn head(&self, parts: request::Parts) -> Heard {
        let url = url::normal(&self.redaction.redact_url(&parts.uri.to_string()));
        Heard {
            method: parts.method.as_str().to_owned(),
            fields: with_normal_host(self.redaction.redact_fields(&parts.headers), &url),
            url,
            body: Bytes::new(),
            trailers: HeaderMap::new(),
        }
    }

    /// Returns how many bytes of the body to compare: all, unless the receiver in the recording stopped reading early.
    fn needed(&self, heard: &Heard) -> usize {
        let same_head = |sent: &&Sent| {
            let mut difference = Difference::default();
            self.compare_heads(sent, heard, &mut difference);
            difference.is_empty()
        };
        let candidates = self.calls.iter().map(|call| &call.request).filter(same_head);
        candidates
            .map(|sent| if sent.missing == Some(Missing::Unread) { sent.body().len() } else { ALL })
            .max()
            .unwrap_or(BODY_LIMIT)
    }

    /// Returns the index of the first equal call that has not been replayed. If there is none, returns a message that
    /// describes the most similar call.
    fn find(&self, heard: &Heard) -> Result<usize, String> {
        let mut played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        let same: Vec<usize> =
            (0..self.calls.len()).filter(|index| self.is_same(&self.calls[*index].request, heard)).collect();
        if let Some(index) = same.iter().copied().find(|index| !played[*index]) {
            played[index] = true;
            return Ok(index);
        }
        let call = format!("{} {}", heard.method, heard.url);
        let path = self.path.display();
        if !same.is_empty() {
            return Err(format!(
                "the cassette `{path}` has no more {call}: all {} of them have been replayed",
                same.len()
            ));
        }
        let mut text = format!("the cassette `{path}` has no {call} like this");
        let differences = self.calls.iter().map(|call| self.difference(&call.request, heard)).enumerate();
        match differences.min_by_key(|(_, difference)| difference.distance()) {
            Some((index, difference)) => {
                let Sent { method, url, .. } = &self.calls[index].request;
                text.push_str(&format!("\n  nearest is call {}, {method} {url}:", index + 1));
                difference.lines.iter().for_each(|line| text.push_str(&format!("\n    {line}")));
            }
            None => text.push_str("\n  it has no calls"),
        }
        text.push_str("\n  record it anew if the component is right");
        Err(text)
    }

    fn is_same(&self, sent: &Sent, heard: &Heard) -> bool {
        // Compares the URLs first, because that is cheap and distinguishes most calls of a long cassette.
        sent.url == heard.url && sent.method == heard.method && self.difference(sent, heard).is_empty()
    }

    fn difference(&self, sent: &Sent, heard: &Heard) -> Difference {
        let mut difference = Difference::default();
        self.compare_heads(sent, heard, &mut difference);
        let body = sent.body();
        match sent.missing {
            Some(Missing::Unread) if heard.body.starts_with(&body) => {}
            Some(Missing::TooLarge) => difference.condition(&format!("a body of at most {BODY_LIMIT} bytes")),
            _ => difference.body(&body, &heard.body),
        }
        if sent.missing.is_none() {
            self.compare_fields(&sent.trailers.0, &heard.trailers, true, &mut difference);
        }
        difference
    }

    fn compare_heads(&self, sent: &Sent, heard: &Heard, difference: &mut Difference) {
        difference.method(&sent.method, &heard.method);
        if sent.url != heard.url {
            difference.url(&sent.url, &heard.url);
        }
        // If the recorded body was not read to its end, the rest cannot be compared, so the declared lengths are
        // compared instead. Those of forms are not, because they include the lengths of secrets.
        let is_compared = sent.missing.is_none() || is_form(&sent.fields.0);
        self.compare_fields(&sent.fields.0, &heard.fields, is_compared, difference);
    }

    fn compare_fields(
        &self,
        expected: &HeaderMap,
        found: &HeaderMap,
        has_whole_body: bool,
        difference: &mut Difference,
    ) {
        let names: BTreeSet<&str> = expected.keys().chain(found.keys()).map(HeaderName::as_str).collect();
        for name in names.into_iter().filter_map(|name| name.parse().ok()) {
            // If both requests declare a length, the comparison of their whole bodies makes that of the lengths
            // unnecessary.
            let are_lengths =
                name == header::CONTENT_LENGTH && expected.contains_key(&name) && found.contains_key(&name);
            let is_exempt = self.redaction.hides(&name) || are_lengths && has_whole_body;
            if !is_exempt {
                difference.field(&name, expected, found);
            }
        }
    }
}

/// Normalizes the `host` header in the same way as the host in `url`.
fn with_normal_host(mut fields: HeaderMap, url: &str) -> HeaderMap {
    if let (Some(host), Some((scheme, _))) = (fields.get_mut(header::HOST), url.split_once("://"))
        && let Ok(text) = host.to_str()
        && let Some((_, normal)) = url::normal(&format!("{scheme}://{text}")).split_once("://")
        && let Ok(normal) = normal.trim_end_matches('/').parse()
    {
        *host = normal;
    }
    fields
}

async fn respond(
    answered: &Answered,
    is_head: bool,
    pace: Pace,
    timeouts: Timeouts,
) -> Result<Response<Body>, ErrorCode> {
    let status = answered.status.and_then(|status| StatusCode::from_u16(status).ok());
    let Some(status) = status else {
        return Err(match &answered.error {
            Some(Code(code)) => code.clone(),
            // The component gave up waiting in the recording, so no response comes now either.
            None => {
                match timeouts.first_byte {
                    Some(limit) => tokio::time::sleep(limit).await,
                    None => std::future::pending().await,
                }
                ErrorCode::HttpResponseTimeout
            }
        });
    };
    let body = answered.body();
    let broken = match (answered.missing, &answered.error) {
        (Some(Missing::TooLarge), _) => Some(ErrorCode::InternalError(Some(format!(
            "the body was over {BODY_LIMIT} bytes, and is not in the cassette"
        )))),
        (_, Some(Code(code))) => Some(code.clone()),
        (Some(Missing::Unread), None) => Some(ErrorCode::InternalError(Some(
            "nobody read the body further than this when it was recorded".to_owned(),
        ))),
        (None, None) => None,
    };
    let mut headers = answered.fields.0.clone();
    // Sets the length anew, because the body may have been edited by hand.
    if broken.is_none()
        && !is_head
        && status != StatusCode::NOT_MODIFIED
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let mut pieces = answered.pieces();
    if pace == Pace::Immediate {
        pieces.iter_mut().for_each(|(wait, _)| *wait = Duration::ZERO);
    }
    let body = if pieces.len() == 1 { Body::from(body) } else { Body::in_pieces(pieces) };
    let mut response = Response::new(with_end(body, answered.trailers.0.clone(), broken));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Adds trailers to a body, or the error that breaks it off.
fn with_end(body: Body, trailers: HeaderMap, broken: Option<ErrorCode>) -> Body {
    if trailers.is_empty() && broken.is_none() {
        return body;
    }
    let trailers = (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers)));
    let end = trailers.into_iter().chain(broken.map(|code| Err(code.into())));
    let end = futures_util::stream::iter(end.collect::<Vec<_>>());
    Body::new(StreamBody::new(BodyStream::new(body).chain(end)))
}
