//! The attribute macros of the [`wayside`](https://docs.rs/wayside) crate. Use them from there.

mod component;

use proc_macro::TokenStream;

/// Makes a function the HTTP handler of a component.
///
/// The function takes nothing, or one argument that implements `FromRequest`, and returns anything that implements
/// `IntoResponse`. It may be `async`. It stays as it is written, so tests call it as the plain function that it is. A
/// component has one handler.
///
/// # Options
///
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
