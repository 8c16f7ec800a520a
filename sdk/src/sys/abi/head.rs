//! Reads the head of a message from the host.
//!
//! The generated bindings allocate a separate list for each header name and each value, which costs more than all
//! later work on the headers. Here the host writes names and values into one block of memory, and each `HeaderValue`
//! is a slice of that block.

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

    /// Writes the list of all headers to `result`.
    const ENTRIES: unsafe extern "C" fn(fields: u32, result: *mut List);
    /// Writes the authority to `result`.
    const AUTHORITY: unsafe extern "C" fn(request: u32, result: *mut OptionalText);
    /// Writes path and query to `result`.
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

/// Asserts that the types above have the layouts that the canonical ABI prescribes. Pointers and lengths have four
/// bytes in a component, and eight in native tests.
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
/// `call` must write a whole `T` to the address that it gets.
unsafe fn result_of<T>(call: unsafe extern "C" fn(u32, *mut T), handle: u32) -> T {
    let mut result = MaybeUninit::uninit();
    // SAFETY: the caller promises that the result is written.
    unsafe {
        call(handle, result.as_mut_ptr());
        result.assume_init()
    }
}

/// A string or a list of bytes from the host. It lies in the block of gathered results, or in an allocation of its
/// own.
struct HostText<'a> {
    /// The text lies in the block, which owns its memory, or in an allocation that this value alone owns. The host
    /// has written all of its bytes.
    text: Text,
    block: &'a Bytes,
}

impl<'a> HostText<'a> {
    /// # Safety
    ///
    /// The host must have returned `text` within the call of `gather` that made the block, and no other value may own
    /// `text`.
    unsafe fn new(text: Text, block: &'a Bytes) -> Self {
        Self { text, block }
    }

    /// # Safety
    ///
    /// If `optional` contains a text, the conditions of `new` must hold for it.
    unsafe fn optional(optional: OptionalText, block: &'a Bytes) -> Option<Self> {
        // SAFETY: the host has written the text if the option is `some`. The caller promises the conditions of `new`.
        (optional.is_some != 0).then(|| unsafe { Self::new(optional.text.assume_init(), block) })
    }

    /// Returns the offset of the text in the block, if it lies in the block.
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
            // SAFETY: the text lies outside of the block. `this` is never dropped, so the new vector is the only
            // owner.
            None => (unsafe { this.owned() }.into(), false),
        }
    }

    /// # Safety
    ///
    /// The text must lie outside of the block, and this method must be called only once for it.
    unsafe fn owned(&self) -> Vec<u8> {
        // SAFETY: outside of the block, the text is an allocation of this length, and the host has written all of it.
        // The caller promises that there is no second owner.
        unsafe { Vec::from_raw_parts(self.text.start, self.text.length, self.text.length) }
    }
}

impl Deref for HostText<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the host has written all bytes of the text. They live as long as `self`, which owns them or borrows
        // the block that does.
        unsafe { slice::from_raw_parts(self.text.start, self.text.length) }
    }
}

impl Drop for HostText<'_> {
    fn drop(&mut self) {
        if self.offset().is_none() {
            // SAFETY: the text lies outside of the block, and only `self` owns it.
            drop(unsafe { self.owned() });
        }
    }
}

/// The names and values of a list of headers.
struct Entries<'a> {
    /// The list lies in the block, or in an allocation that this value owns. The names and values of the entries from
    /// `next` on have no other owner.
    list: List,
    /// The index of the next entry, at most `list.count`.
    next: usize,
    block: &'a Bytes,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (HostText<'a>, HostText<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.list.count {
            return None;
        }
        // SAFETY: `next` is less than the number of entries. Each entry is read once, so its name and its value get
        // one owner.
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
            // SAFETY: outside of the block, the list is an allocation with room for this many entries. Its length is
            // 0, because all entries have been taken.
            drop(unsafe { Vec::from_raw_parts(self.list.start, 0, self.list.count) });
        }
    }
}

impl<'a> Entries<'a> {
    fn new(list: List, block: &'a Bytes) -> Self {
        Self { list, next: 0, block }
    }

    /// Returns the offset of `list` from the start of `block`, if `list` lies in `block`.
    fn offset(&self) -> Option<usize> {
        let offset = self.list.start.addr().wrapping_sub(self.block.as_ptr().addr());
        (offset < self.block.len()).then_some(offset)
    }

    /// Whether all strings in the block are valid header values, so that no value needs its own check.
    fn are_values(&self) -> bool {
        // If the block starts with the list, all other bytes of the block belong to strings.
        let texts = self.block.get(self.list.count * size_of::<Entry>()..);
        self.offset() == Some(0) && texts.is_some_and(field::is_value)
    }

    /// Reserves space for the headers of the list and for one more header, `host`.
    fn reserve(&self, headers: &mut HeaderMap) -> Result<(), String> {
        headers.try_reserve(self.list.count + 1).map_err(too_many)
    }

    fn append_to(self, headers: &mut HeaderMap) -> Result<Declared, String> {
        let are_values = self.are_values();
        let mut declared = Declared::default();
        for (text, value) in self {
            let name = field::name(&*text)?;
            // The length is compared before the name, because most names are neither 14 nor 4 bytes long.
            match text.len() {
                14 if name == header::CONTENT_LENGTH => {
                    declared.append_length(headers, value)?;
                    continue;
                }
                // The first `host` header from the list replaces the one that was made from the authority.
                4 if name == header::HOST && !mem::replace(&mut declared.host, true) => drop(headers.remove(&name)),
                _ => {}
            }
            let (bytes, is_part) = value.into_bytes_and_origin();
            let value = if is_part && are_values {
                // SAFETY: `is_value` is true for all strings in the block together, and so for each slice of them.
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
    /// Whether a `host` header has been read.
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
                // A list of equal numbers is cut after its first number.
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

/// Reads the headers of a message as the host lists them, without adding a `host` header.
pub(in crate::sys) fn headers<W: Heads>(fields: &W::Fields) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    append_to::<W>(&mut headers, fields)?;
    Ok(headers)
}

/// Appends the headers of a message to `headers`, and collects the values in [`Declared`].
pub(in crate::sys) fn append_to<W: Heads>(headers: &mut HeaderMap, fields: &W::Fields) -> Result<Declared, String> {
    // SAFETY: `ENTRIES` writes a whole list to its address, and the closure frees no result.
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

/// Fills in all parts of `request` except its body. Returns the values that were collected while the headers were
/// read.
pub(in crate::sys) fn read<W: Heads, B>(
    incoming: &W::IncomingRequest,
    request: &mut Request<B>,
) -> Result<Declared, RequestError> {
    let (method, scheme) = lists(|| (W::method(incoming), W::scheme(incoming)));
    *request.method_mut() = method.map_err(RequestError::Invalid)?;
    let empty_path = target::empty_path(*request.method() == Method::OPTIONS);
    let fields = W::headers(incoming);
    // SAFETY: each called function writes a whole result to its address, and the closure frees no result.
    let ((list, authority, path), block) = unsafe {
        gather(|| {
            let list = result_of(W::ENTRIES, W::handle_of_fields(&fields));
            let authority = result_of(W::AUTHORITY, W::handle_of_request(incoming));
            (list, authority, result_of(W::PATH_WITH_QUERY, W::handle_of_request(incoming)))
        })
    };
    let entries = Entries::new(list, &block);
    // SAFETY: the host returned both strings within the call of `gather` that made the block, and each gets one
    // owner.
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

/// Adds the authority as a `host` header, because hosts remove this header from requests.
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
