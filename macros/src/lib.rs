//! The attribute macros of the [`wayside`](https://docs.rs/wayside) crate. Use them from there.

mod component;
mod middleware;
mod options;
mod test;

use proc_macro::TokenStream;

/// Makes a function the HTTP handler of a component.
///
/// The function takes nothing, or one argument that implements `FromRequest`, and returns anything that implements
/// `IntoResponse`. It may be `async`. It stays as it is written, so tests call it as the plain function that it is. A
/// component has one handler.
///
/// # Options
///
/// - `max_body = "10 MiB"`: how many bytes of a body an extractor reads into memory; 2 MiB by default. The units are B, kB,
///   KiB, MB, MiB, GB and GiB.
/// - `service`: the function makes a `tower_service::Service`, as an `axum::Router` is, once an instance, and the service is
///   the handler. A call of gRPC is held to its `grpc-timeout`. Needs the feature `tower`.
/// - `crate = path`: where the `wayside` crate is found, when it goes by another name; `::wayside` by default.
///
/// # Errors
///
/// The compiler rejects a function that has type parameters, a `self`, more than one argument or a type that fits
/// neither trait, and says so at the place in question.
#[proc_macro_attribute]
pub fn http_component(options: TokenStream, item: TokenStream) -> TokenStream {
    component::http_component(options.into(), item.into()).into()
}

/// Makes a function middleware: a handler in front of another.
///
/// The function takes an argument that implements `FromRequest`, which is the `Request` where it is to be passed on, and
/// `wayside::middleware::Next`; it returns anything that implements `IntoResponse`. It may be `async`. It stays as it is
/// written, so tests call it as the plain function that it is, with `Next::from_fn`.
///
/// Components can be middleware in WASI 0.3: build it with the feature `wasip3` of the crate `wayside`.
///
/// # Options
///
/// - `max_body = "10 MiB"`: how many bytes of a body an extractor reads into memory; 2 MiB by default. The units are B, kB,
///   KiB, MB, MiB, GB and GiB.
/// - `crate = path`: where the `wayside` crate is found, when it goes by another name; `::wayside` by default.
///
/// # Errors
///
/// The compiler rejects a function that has type parameters, a `self`, other than two arguments or a type that does not
/// fit, and says so at the place in question; and middleware that is built as a component of WASI 0.2.
#[proc_macro_attribute]
pub fn http_middleware(options: TokenStream, item: TokenStream) -> TokenStream {
    middleware::http_middleware(options.into(), item.into()).into()
}

/// Makes an `async` function a test, which runs on the native executor of the `wayside` crate.
///
/// It is `#[test]` and `wayside::test::block_on` in one; a function that is not `async` is a plain `#[test]`. The option `crate = path` says where the `wayside` crate is found,
/// when it goes by another name.
///
/// # Errors
///
/// The compiler rejects a function that takes arguments, and says so.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    test::test(options.into(), item.into()).into()
}
