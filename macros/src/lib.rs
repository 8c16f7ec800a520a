//! The attribute macros of the [`wayside`](https://docs.rs/wayside) crate. Use them through that crate.

mod arguments;
mod component;
mod middleware;
mod options;
mod test;

use proc_macro::TokenStream;

/// Turns a function into the HTTP handler of a component.
///
/// The function takes any number of arguments that implement `FromRequestParts`; the last one may implement
/// `FromRequest` instead, and read the body. The arguments are extracted in order, and the first rejection is the
/// response, so an argument that checks credentials rejects a request before its body is read. An `Option` argument
/// is `None` if the value is absent. A `Result` argument passes a rejection to the function, which decides on the
/// response.
///
/// The function returns a type that implements `IntoResponse`. It may be `async`. It stays an ordinary function, which
/// tests can call. A component has one handler.
///
/// # Options
///
/// - `max_body = "10 MiB"`: the limit for bodies that an extractor reads into memory; 2 MiB by default. The units are
///   B, kB, KiB, MB, MiB, GB and GiB.
/// - `service`: the function creates a `tower_service::Service`, such as an `axum::Router`, once per instance, and the
///   service is the handler. The header `grpc-timeout` of gRPC calls is enforced. Needs the feature `tower`.
/// - `crate = path`: the path of the `wayside` crate, if it has another name; `::wayside` by default.
///
/// # Errors
///
/// The compiler rejects a function with type parameters, `impl Trait` as an argument, `self`, or a type that does not
/// implement the required trait. The error points at the cause.
#[proc_macro_attribute]
pub fn http_component(options: TokenStream, item: TokenStream) -> TokenStream {
    component::http_component(options.into(), item.into()).into()
}

/// Turns a function into middleware: a handler in front of another handler.
///
/// The last argument of the function is `wayside::middleware::Next`. The arguments before it may be those of an
/// `http_component`; usually the last of these is the `Request`. The function returns a type that implements
/// `IntoResponse`, and may be `async`. It stays an ordinary function, which tests can call with `Next::from_fn`.
///
/// Middleware needs WASI 0.3: build it with the feature `wasip3` of the crate `wayside`.
///
/// # Options
///
/// - `max_body = "10 MiB"`: the limit for bodies that an extractor reads into memory; 2 MiB by default. The units are
///   B, kB, KiB, MB, MiB, GB and GiB.
/// - `crate = path`: the path of the `wayside` crate, if it has another name; `::wayside` by default.
///
/// # Errors
///
/// The compiler rejects a function with type parameters, `impl Trait` as an argument, `self`, fewer than two
/// arguments, or a type that does not implement the required trait. The error points at the cause. The compiler also
/// rejects middleware in a WASI 0.2 component.
#[proc_macro_attribute]
pub fn http_middleware(options: TokenStream, item: TokenStream) -> TokenStream {
    middleware::http_middleware(options.into(), item.into()).into()
}

/// Turns an `async` function into a test on the native executor of the `wayside` crate.
///
/// The attribute combines `#[test]` and `wayside::test::block_on`. A function that is not `async` becomes a plain
/// `#[test]`. The option `crate = path` is the path of the `wayside` crate, if it has another name.
///
/// # Errors
///
/// The compiler rejects a function with arguments, and points at them.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    test::test(options.into(), item.into()).into()
}
