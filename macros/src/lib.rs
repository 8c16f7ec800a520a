//! The attribute macros of the [`wayside`](https://docs.rs/wayside) crate. Use them from there.

mod component;
mod middleware;
mod options;
mod test;

use proc_macro::TokenStream;

/// Makes a function the HTTP handler of a component.
///
/// The function takes no argument, or one that implements `FromRequest`, and returns a type that implements
/// `IntoResponse`. It may be `async`. It stays unchanged, so tests call it as an ordinary function. A component has one
/// handler.
///
/// # Options
///
/// - `max_body = "10 MiB"`: the limit for bodies that an extractor reads into memory; 2 MiB by default. The units are
///   B, kB, KiB, MB, MiB, GB and GiB.
/// - `service`: the function makes a `tower_service::Service`, such as an `axum::Router`, once per instance, and the
///   service is the handler. The `grpc-timeout` of gRPC calls is enforced. Needs the feature `tower`.
/// - `crate = path`: the path of the `wayside` crate, if it has another name; `::wayside` by default.
///
/// # Errors
///
/// The compiler rejects a function that has type parameters, a `self`, more than one argument or a type that implements
/// neither trait, and points at it.
#[proc_macro_attribute]
pub fn http_component(options: TokenStream, item: TokenStream) -> TokenStream {
    component::http_component(options.into(), item.into()).into()
}

/// Makes a function middleware: a handler in front of another handler.
///
/// The function takes an argument that implements `FromRequest`, usually the `Request`, and
/// `wayside::middleware::Next`. It returns a type that implements `IntoResponse`. It may be `async`. It stays
/// unchanged, so tests call it as an ordinary function, with `Next::from_fn`.
///
/// Middleware is a component of WASI 0.3: build it with the feature `wasip3` of the crate `wayside`.
///
/// # Options
///
/// - `max_body = "10 MiB"`: the limit for bodies that an extractor reads into memory; 2 MiB by default. The units are
///   B, kB, KiB, MB, MiB, GB and GiB.
/// - `crate = path`: the path of the `wayside` crate, if it has another name; `::wayside` by default.
///
/// # Errors
///
/// The compiler rejects a function that has type parameters, a `self`, other than two arguments or a type that does not
/// fit, and points at it. It also rejects middleware in a component of WASI 0.2.
#[proc_macro_attribute]
pub fn http_middleware(options: TokenStream, item: TokenStream) -> TokenStream {
    middleware::http_middleware(options.into(), item.into()).into()
}

/// Makes an `async` function a test on the native executor of the `wayside` crate.
///
/// It combines `#[test]` and `wayside::test::block_on`; a function that is not `async` becomes a plain `#[test]`. The
/// option `crate = path` is the path of the `wayside` crate, if it has another name.
///
/// # Errors
///
/// The compiler rejects a function with arguments, and points at them.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    test::test(options.into(), item.into()).into()
}
