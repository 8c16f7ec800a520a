//! Reads the head of a message from the host.
//!
//! The generated bindings make a list of each name and each value, which costs more than all that is done with them later.
//! Here the host writes them into one block of memory, and the values of the `http` crate are slices of that block.

#![allow(unsafe_code, reason = "results of the host are addresses in memory that was made for them")]

use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ops::Deref;
use std::{mem, slice};

use bytes::Bytes;
use http::header::MaxSizeReached;
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Uri, header};

use super::{gather, lists};
use crate::sys::http::target::{self, Invalid};
use crate::sys::http::{field, framing};
use crate::sys::request::RequestError;

/// The functions of a world that read the heads of messages.
pub(in crate::sys) trait Heads {
    /// The headers of a message in the host.
    type Fields;
    /// An incoming request.
    type IncomingRequest;

    /// Writes all headers to the address.
    const ENTRIES: unsafe extern "C" fn(fields: u32, result: *mut List);
    /// Writes the authority to the address.
    const AUTHORITY: unsafe extern "C" fn(request: u32, result: *mut OptionalText);
    /// Writes path and query to the address.
    const PATH_WITH_QUERY: unsafe extern "C" fn(request: u32, result: *mut OptionalText);

    fn handle_of_fields(fields: &Self::Fields) -> u32;
    fn handle_of_request(request: &Self::IncomingRequest) -> u32;
    fn method(request: &Self::IncomingRequest) -> Result<Method, Invalid>;
    fn scheme(request: &Self::IncomingRequest) -> Option<Result<Scheme, Invalid>>;
    fn authority(request: &Self::IncomingRequest) -> Option<String>;
    fn path_with_query(request: &Self::IncomingRequest) -> Option<String>;
    fn headers(request: &Self::IncomingRequest) -> Self::Fields;
}

/// The layout of `list<tuple<string, list<u8>>>` in the canonical ABI.
#[repr(C)]
pub(in crate::sys) struct List {
    start: *mut Entry,
    count: usize,
}

#[repr(C)]
struct Entry {
    name: Text,
    value: Text,
}

/// The layout of `string` and `list<u8>`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Text {
    start: *mut u8,
    length: usize,
}

/// The layout of `option<string>`.
#[repr(C)]
pub(in crate::sys) struct OptionalText {
    is_some: u8,
    text: MaybeUninit<Text>,
}

/// The layouts that the canonical ABI prescribes. Pointers and lengths have four bytes in a component, and eight in native tests.
const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(WORD == 4 || cfg!(not(target_family = "wasm")));
    assert!(size_of::<List>() == 2 * WORD && offset_of!(List, count) == WORD);
    assert!(size_of::<Entry>() == 4 * WORD && offset_of!(Entry, value) == 2 * WORD);
    assert!(size_of::<Text>() == 2 * WORD && offset_of!(Text, length) == WORD);
    assert!(size_of::<OptionalText>() == 3 * WORD && offset_of!(OptionalText, text) == WORD);
};

/// Calls a function of the host that writes its result to an address.
///
/// # Safety
///
/// The function writes a whole `T`.
unsafe fn result_of<T>(call: unsafe extern "C" fn(u32, *mut T), handle: u32) -> T {
    let mut result = MaybeUninit::uninit();
    // SAFETY: the caller promises that the result is written.
    unsafe {
        call(handle, result.as_mut_ptr());
        result.assume_init()
    }
}

/// A text from the host, inside or outside of the block.
struct HostText<'a> {
    /// Inside the block, which owns its memory, or an allocation that this value alone owns. The host has written all of it.
    text: Text,
    block: &'a Bytes,
}

impl<'a> HostText<'a> {
    /// # Safety
    ///
    /// The host returned it within the call of `gather` that made the block, and it has no other owner.
    unsafe fn new(text: Text, block: &'a Bytes) -> Self {
        Self { text, block }
    }

    /// # Safety
    ///
    /// As for `new`.
    unsafe fn optional(optional: OptionalText, block: &'a Bytes) -> Option<Self> {
        // SAFETY: the host writes the text if the option is `some`; the caller promises the rest.
        (optional.is_some != 0).then(|| unsafe { Self::new(optional.text.assume_init(), block) })
    }

    /// Returns its offset in the block, if it is inside.
    fn offset(&self) -> Option<usize> {
        let offset = self.text.start.addr().wrapping_sub(self.block.as_ptr().addr());
        (offset < self.block.len()).then_some(offset)
    }

    fn into_bytes(self) -> Bytes {
        self.into_bytes_and_origin().0
    }

    /// Returns the bytes, and whether they are a slice of the block.
    #[inline(always)]
    fn into_bytes_and_origin(self) -> (Bytes, bool) {
        let this = ManuallyDrop::new(self);
        match this.offset() {
            Some(offset) => (this.block.slice(offset..offset + this.text.length), true),
            // SAFETY: `this` is not dropped, so this is the only owner.
            None => (unsafe { this.owned() }.into(), false),
        }
    }

    /// # Safety
    ///
    /// It is outside of the block, and this is called once.
    unsafe fn owned(&self) -> Vec<u8> {
        // SAFETY: the host allocated memory of this length, and wrote all of it.
        unsafe { Vec::from_raw_parts(self.text.start, self.text.length, self.text.length) }
    }
}

impl Deref for HostText<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the host wrote all of it, and it lives as long as `self` and the block.
        unsafe { slice::from_raw_parts(self.text.start, self.text.length) }
    }
}

impl Drop for HostText<'_> {
    fn drop(&mut self) {
        if self.offset().is_none() {
            // SAFETY: it has no other owner.
            drop(unsafe { self.owned() });
        }
    }
}

/// The names and values of a list of headers.
struct Entries<'a> {
    /// Inside the block, or an allocation that this value owns. The entries from `next` on own their texts.
    list: List,
    /// At most `list.count`.
    next: usize,
    block: &'a Bytes,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (HostText<'a>, HostText<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.list.count {
            return None;
        }
        // SAFETY: the list has this many entries, and each is taken once.
        unsafe {
            let Entry { name, value } = self.list.start.add(self.next).read();
            self.next += 1;
            Some((HostText::new(name, self.block), HostText::new(value, self.block)))
        }
    }
}

impl Drop for Entries<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
        if self.offset().is_none() {
            // SAFETY: the host allocated memory of this length; the entries need no drop.
            drop(unsafe { Vec::from_raw_parts(self.list.start, 0, self.list.count) });
        }
    }
}

impl<'a> Entries<'a> {
    fn new(list: List, block: &'a Bytes) -> Self {
        Self { list, next: 0, block }
    }

    /// Returns the offset of the list in the block, if it is inside.
    fn offset(&self) -> Option<usize> {
        let offset = self.list.start.addr().wrapping_sub(self.block.as_ptr().addr());
        (offset < self.block.len()).then_some(offset)
    }

    /// Whether all texts in the block are valid header values, so that none needs its own check.
    fn are_values(&self) -> bool {
        // If the list comes first, only texts follow.
        let texts = self.block.get(self.list.count * size_of::<Entry>()..);
        self.offset() == Some(0) && texts.is_some_and(field::is_value)
    }

    /// Reserves space, including one place for `host`.
    fn reserve(&self, headers: &mut HeaderMap) -> Result<(), String> {
        headers.try_reserve(self.list.count + 1).map_err(too_many)
    }

    fn append_to(self, headers: &mut HeaderMap) -> Result<Declared, String> {
        let are_values = self.are_values();
        let mut declared = Declared::default();
        for (text, value) in self {
            let name = field::name(&*text)?;
            // Two lengths are compared before two names, because most headers have neither.
            match text.len() {
                14 if name == header::CONTENT_LENGTH => {
                    declared.append_length(headers, value)?;
                    continue;
                }
                // A `host` header replaces the authority.
                4 if name == header::HOST && !mem::replace(&mut declared.host, true) => drop(headers.remove(&name)),
                _ => {}
            }
            let (bytes, is_part) = value.into_bytes_and_origin();
            let value = if is_part && are_values {
                // SAFETY: a slice of a valid value is valid.
                unsafe { field::value_unchecked(bytes) }
            } else {
                field::value(&name, bytes)?
            };
            // `map_err` would compile to thirty more instructions.
            if let Err(error) = headers.try_append(name, value) {
                return Err(too_many(error));
            }
        }
        Ok(declared)
    }
}

/// Values that are collected while headers are read.
#[derive(Default)]
pub(in crate::sys) struct Declared {
    /// The declared length of the body.
    pub(in crate::sys) length: Option<u64>,
    /// Whether there is a `host`.
    host: bool,
}

impl Declared {
    /// Appends a `content-length` as one number. Repetitions are dropped.
    #[inline(never)]
    fn append_length(&mut self, headers: &mut HeaderMap, value: HostText<'_>) -> Result<(), String> {
        match framing::note(&mut self.length, &value) {
            Err(framing::InvalidLength) => Err("content-length is not one number of bytes".to_owned()),
            Ok(false) => Ok(()),
            Ok(true) => {
                let mut number = value.into_bytes();
                // A list of equal numbers becomes the first of them.
                let end = number.iter().position(|byte| !byte.is_ascii_digit());
                number.truncate(end.unwrap_or(number.len()));
                let value = field::value(&header::CONTENT_LENGTH, number)?;
                headers.try_append(header::CONTENT_LENGTH, value).map(drop).map_err(too_many)
            }
        }
    }
}

#[cold]
fn too_many(error: MaxSizeReached) -> String {
    error.to_string()
}

/// Reads the headers of any message.
pub(in crate::sys) fn headers<W: Heads>(fields: &W::Fields) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    append_to::<W>(&mut headers, fields)?;
    Ok(headers)
}

/// Appends the headers of any message.
pub(in crate::sys) fn append_to<W: Heads>(headers: &mut HeaderMap, fields: &W::Fields) -> Result<Declared, String> {
    // SAFETY: the called function writes its result, and frees nothing.
    let (list, block) = unsafe { gather(|| result_of(W::ENTRIES, W::handle_of_fields(fields))) };
    let entries = Entries::new(list, &block);
    entries.reserve(headers)?;
    entries.append_to(headers)
}

/// Reads the headers of a request, including `host`, and the length that they declare.
pub(in crate::sys) fn headers_of_request<W: Heads>(
    request: &W::IncomingRequest,
) -> Result<(HeaderMap, Declared), RequestError> {
    let mut headers = HeaderMap::new();
    add_host(&mut headers, lists(|| W::authority(request)).map(Bytes::from))?;
    let declared = append_to::<W>(&mut headers, &W::headers(request)).map_err(invalid)?;
    Ok((headers, declared))
}

/// Fills in everything of a request except its body.
pub(in crate::sys) fn read<W: Heads, B>(
    incoming: &W::IncomingRequest,
    request: &mut Request<B>,
) -> Result<Declared, RequestError> {
    let (method, scheme) = lists(|| (W::method(incoming), W::scheme(incoming)));
    *request.method_mut() = method.map_err(RequestError::Invalid)?;
    let empty_path = target::empty_path(*request.method() == Method::OPTIONS);
    let fields = W::headers(incoming);
    // SAFETY: the called functions write their results, and free nothing.
    let ((list, authority, path), block) = unsafe {
        gather(|| {
            let list = result_of(W::ENTRIES, W::handle_of_fields(&fields));
            let authority = result_of(W::AUTHORITY, W::handle_of_request(incoming));
            (list, authority, result_of(W::PATH_WITH_QUERY, W::handle_of_request(incoming)))
        })
    };
    let entries = Entries::new(list, &block);
    // SAFETY: each is a result of the call that made the block, and is taken once.
    let (authority, path) = unsafe { (HostText::optional(authority, &block), HostText::optional(path, &block)) };
    let authority = authority.map(HostText::into_bytes);
    let uri = target::uri(scheme, authority.clone(), path.map(HostText::into_bytes), empty_path);
    *request.uri_mut() = uri.map_err(RequestError::Invalid)?;
    entries.reserve(request.headers_mut()).map_err(invalid)?;
    add_host(request.headers_mut(), authority)?;
    entries.append_to(request.headers_mut()).map_err(invalid)
}

/// Reads the target of a request.
pub(in crate::sys) fn uri_of_request<W: Heads>(request: &W::IncomingRequest) -> Result<Uri, RequestError> {
    let (scheme, authority, path) = lists(|| (W::scheme(request), W::authority(request), W::path_with_query(request)));
    let empty_path = match &path {
        Some(path) if !path.is_empty() => "/",
        _ => target::empty_path(lists(|| W::method(request)).is_ok_and(|method| method == Method::OPTIONS)),
    };
    target::uri(scheme, authority.map(Bytes::from), path.map(Bytes::from), empty_path).map_err(RequestError::Invalid)
}

fn invalid(reason: String) -> RequestError {
    RequestError::Invalid(Invalid { part: "head", reason })
}

/// Adds the authority as `host`, which hosts remove from the headers.
fn add_host(headers: &mut HeaderMap, authority: Option<Bytes>) -> Result<(), RequestError> {
    if let Some(authority) = authority {
        let host = field::value(&header::HOST, authority)
            .map_err(|error| RequestError::Invalid(Invalid::new("authority", error)))?;
        headers.try_append(header::HOST, host).map_err(|error| invalid(too_many(error)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
