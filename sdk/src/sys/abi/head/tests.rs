//! Tests with a fake host, which allocates the list of headers before the names and values in it or after them, as
//! real hosts do.

use std::cell::{Cell, RefCell};

use super::super::memory::{allocate, reallocate};
use super::*;

#[derive(Default)]
struct Message {
    method: Option<&'static str>,
    authority: Option<String>,
    path: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
}

thread_local! {
    static MESSAGE: RefCell<Message> = RefCell::default();
    static ORDER: Cell<Order> = const { Cell::new(Order::ListFirst) };
}

/// The order of a host's allocations.
#[derive(Clone, Copy, Debug)]
enum Order {
    ListFirst,
    TextsFirst,
    /// The list comes first. Each name and value gets an allocation that is too short at first and then grows, as in
    /// hosts whose strings are UTF-16.
    Growing,
}

enum FakeHost {}

impl Heads for FakeHost {
    type Fields = ();
    type IncomingRequest = ();

    const ENTRIES: unsafe extern "C" fn(u32, *mut List) = write_entries;
    const AUTHORITY: unsafe extern "C" fn(u32, *mut OptionalText) = write_authority;
    const PATH_WITH_QUERY: unsafe extern "C" fn(u32, *mut OptionalText) = write_path;

    fn handle_of_fields((): &()) -> u32 {
        0
    }

    fn handle_of_request((): &()) -> u32 {
        0
    }

    fn method((): &()) -> Result<Method, Invalid> {
        MESSAGE.with_borrow(|message| match message.method {
            None => Ok(Method::GET),
            Some(name) => target::other_method(name),
        })
    }

    fn scheme((): &()) -> Option<Result<Scheme, Invalid>> {
        Some(Ok(Scheme::HTTP))
    }

    fn authority((): &()) -> Option<String> {
        MESSAGE.with_borrow(|message| message.authority.clone())
    }

    fn path_with_query((): &()) -> Option<String> {
        MESSAGE.with_borrow(|message| message.path.clone())
    }

    fn headers((): &()) {}
}

fn text(bytes: &[u8]) -> Text {
    let start = match (ORDER.get(), bytes.len()) {
        (Order::Growing, 2..) => reallocate(allocate(1, 1), 1, 1, bytes.len()),
        _ => allocate(1, bytes.len()),
    };
    // SAFETY: `start` is the address of an allocation of `bytes.len()` bytes.
    unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Text { start, length: bytes.len() }
}

unsafe extern "C" fn write_entries(_: u32, result: *mut List) {
    let headers = MESSAGE.with_borrow(|message| message.headers.clone());
    let entries = || -> Vec<Entry> {
        headers.iter().map(|(name, value)| Entry { name: text(name.as_bytes()), value: text(value) }).collect()
    };
    let list = || allocate(align_of::<Entry>(), headers.len() * size_of::<Entry>()).cast::<Entry>();
    let (start, entries) = match ORDER.get() {
        Order::TextsFirst => {
            let entries = entries();
            (list(), entries)
        }
        Order::ListFirst | Order::Growing => (list(), entries()),
    };
    // SAFETY: the list has room for the entries, and `result` is the address of a `List` of the caller.
    unsafe {
        for (index, entry) in entries.into_iter().enumerate() {
            start.add(index).write(entry);
        }
        result.write(List { start, count: headers.len() });
    }
}

fn write_optional(content: Option<String>, result: *mut OptionalText) {
    let optional = match content {
        None => OptionalText { is_some: 0, text: MaybeUninit::uninit() },
        Some(content) => OptionalText { is_some: 1, text: MaybeUninit::new(text(content.as_bytes())) },
    };
    // SAFETY: `result` is the address of an `OptionalText` of the caller.
    unsafe { result.write(optional) };
}

unsafe extern "C" fn write_authority(_: u32, result: *mut OptionalText) {
    write_optional(FakeHost::authority(&()), result);
}

unsafe extern "C" fn write_path(_: u32, result: *mut OptionalText) {
    write_optional(FakeHost::path_with_query(&()), result);
}

fn message(authority: Option<&str>, path: Option<&str>, headers: &[(&str, &[u8])]) {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    MESSAGE.set(Message {
        method: None,
        authority: authority.map(str::to_owned),
        path: path.map(str::to_owned),
        headers,
    });
}

/// Runs a test for each order of allocations.
fn in_each_order(test: impl Fn()) {
    for order in [Order::ListFirst, Order::TextsFirst, Order::Growing] {
        ORDER.set(order);
        test();
    }
}

fn request() -> Result<(Request<()>, Declared), RequestError> {
    let mut request = Request::new(());
    let declared = read::<FakeHost, ()>(&(), &mut request)?;
    Ok((request, declared))
}

fn reason(result: Result<(Request<()>, Declared), RequestError>) -> String {
    match result {
        Err(RequestError::Invalid(Invalid { part, reason })) => format!("{part}: {reason}"),
        other => panic!("the head was read: {:?}", other.map(|(request, _)| request)),
    }
}

#[test]
fn a_head_is_read() {
    in_each_order(|| {
        message(Some("a.test:81"), Some("/x?y=1"), &[("accept", b"*/*"), ("x-own", b"1"), ("x-own", b"2")]);
        let (request, declared) = request().unwrap();
        assert_eq!(request.uri(), "http://a.test:81/x?y=1");
        assert_eq!(declared.length, None);
        let headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(
            headers,
            [("host", &b"a.test:81"[..]), ("accept", b"*/*"), ("x-own", b"1"), ("x-own", b"2")],
            "{:?}",
            ORDER.get()
        );
    });
}

#[test]
fn a_head_without_headers_authority_and_path_is_read() {
    in_each_order(|| {
        message(None, None, &[]);
        let (request, _) = request().unwrap();
        assert!(request.headers().is_empty());
        assert_eq!(request.uri().path(), "/");
    });
}

#[test]
fn the_values_of_a_small_head_share_one_block() {
    ORDER.set(Order::ListFirst);
    message(Some("a.test"), Some("/"), &[("accept", b"one"), ("x-own", b"two")]);
    let (request, _) = request().unwrap();
    let address = |name: &str| request.headers()[name].as_bytes().as_ptr().addr();
    assert_eq!(address("x-own") - address("accept"), "one".len() + "x-own".len());
}

#[test]
fn a_head_that_is_longer_than_the_block_is_read() {
    in_each_order(|| {
        let headers: Vec<_> = (0..100).map(|number| (format!("x-{number}"), vec![b'a'; number * 20])).collect();
        MESSAGE.set(Message { headers: headers.clone(), ..Message::default() });
        let (request, _) = request().unwrap();
        assert_eq!(request.headers().len(), 100);
        for (name, value) in headers {
            assert_eq!(request.headers()[&name].as_bytes(), value);
        }
    });
}

#[test]
fn an_invalid_name_fails_at_every_place() {
    in_each_order(|| {
        for place in 0..40 {
            let mut headers = vec![("x-own".to_owned(), vec![b'a'; 60]); 40];
            headers[place].0 = "no name".to_owned();
            MESSAGE.set(Message { headers, ..Message::default() });
            assert!(reason(request()).contains("the field name `no name`"));
        }
    });
}

#[test]
fn an_invalid_value_fails_at_every_place() {
    in_each_order(|| {
        for place in 0..40 {
            let mut headers = vec![("x-own".to_owned(), vec![b'a'; 60]); 40];
            headers[place].1[30] = b'\n';
            MESSAGE.set(Message { headers, ..Message::default() });
            assert!(reason(request()).contains("the field `x-own`"));
        }
    });
}

#[test]
fn a_host_header_replaces_the_authority_and_others_are_appended() {
    in_each_order(|| {
        message(Some("a.test"), Some("/"), &[("host", b"b.test"), ("host", b"c.test")]);
        let (request, _) = request().unwrap();
        let hosts: Vec<_> = request.headers().get_all("host").iter().collect();
        assert_eq!(hosts, ["b.test", "c.test"]);
        assert_eq!(request.uri().host(), Some("a.test"));
    });
}

#[test]
fn equal_lengths_become_one_and_different_ones_fail() {
    in_each_order(|| {
        message(None, None, &[("content-length", b"7, 7"), ("content-length", b"7")]);
        let (read, declared) = request().unwrap();
        assert_eq!(read.headers().get_all("content-length").iter().collect::<Vec<_>>(), ["7"]);
        assert_eq!(declared.length, Some(7));
        for lengths in [[&b"7"[..], b"8"], [b"7", b"x"], [b"", b"7"]] {
            message(None, None, &lengths.map(|length| ("content-length", length)));
            assert!(reason(request()).contains("content-length"));
        }
    });
}

#[test]
fn an_invalid_target_fails() {
    in_each_order(|| {
        message(Some("no host"), Some("/"), &[("accept", b"*/*")]);
        assert!(request().is_err());
        message(Some("a.test"), Some("/ x"), &[("accept", b"*/*")]);
        assert!(request().is_err());
    });
}

#[test]
fn the_target_of_options_may_be_an_asterisk() {
    in_each_order(|| {
        message(Some("a.test"), None, &[]);
        MESSAGE.with_borrow_mut(|message| message.method = Some("OPTIONS"));
        assert_eq!(request().unwrap().0.uri().path(), "*");
        assert_eq!(uri_of_request::<FakeHost>(&()).unwrap().path(), "*");
    });
}

#[test]
fn parts_of_a_head_are_read_alone() {
    in_each_order(|| {
        message(Some("a.test"), Some("/x"), &[("content-length", b"3"), ("accept", b"*/*")]);
        assert_eq!(uri_of_request::<FakeHost>(&()).unwrap(), "http://a.test/x");
        let (of_request, declared) = headers_of_request::<FakeHost>(&()).unwrap();
        assert_eq!((of_request.len(), declared.length), (3, Some(3)));
        let of_response = headers::<FakeHost>(&()).unwrap();
        assert_eq!(of_response.len(), 2, "a response has no host");
    });
}
