//! The attribute `#[http_component]`: parses, validates and expands a function.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser as _;
use syn::{Ident, ItemFn, Signature, Type};

use crate::arguments::{argument_types, extract, variable};
use crate::options::{CRATE, MAX_BODY, Options, SERVICE};

pub(crate) fn http_component(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parser(&[CRATE, MAX_BODY, SERVICE]).parse2(options).and_then(|options| {
        let function =
            parse_function(item.clone(), "`#[http_component]` belongs on a function: `async fn handle(req: Request)`")?;
        validate_shape(&function.sig)?;
        if let Some(service) = &options.service {
            validate_service(&options, service, &function.sig)?;
            return Ok(expand_service(&options, &function));
        }
        Ok(expand(&options, &function, &argument_types(&function.sig)?))
    });
    // Keeps the user's function next to the error, so that editors understand the rest of the file.
    expanded.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#item #error)
    })
}

/// Parses the function below an attribute. Fails with the message `place` if the item is not a function.
pub(crate) fn parse_function(item: TokenStream, place: &str) -> syn::Result<ItemFn> {
    syn::parse2(item.clone()).map_err(|error| {
        // If the item is a function with a syntax error, the message of the parser tells the user more than `place`.
        if item.to_string().contains("fn ") { error } else { syn::Error::new_spanned(item, place) }
    })
}

/// Rejects functions that cannot be handlers, because a host cannot call them.
pub(crate) fn validate_shape(signature: &Signature) -> syn::Result<()> {
    if let Some(parameter) = signature.generics.params.first() {
        return Err(syn::Error::new_spanned(
            parameter,
            "an HTTP handler cannot be generic: the host calls it with one type of request",
        ));
    }
    if let Some(qualifier) = &signature.unsafety {
        return Err(syn::Error::new_spanned(qualifier, "an HTTP handler cannot be `unsafe`: the host calls it"));
    }
    if let Some(abi) = &signature.abi {
        return Err(syn::Error::new_spanned(abi, "an HTTP handler cannot have an ABI; remove `extern`"));
    }
    if let Some(receiver) = signature.receiver() {
        return Err(syn::Error::new_spanned(
            receiver,
            "an HTTP handler is a free function; move it out of the `impl` and remove `self`",
        ));
    }
    Ok(())
}

/// Rejects functions that cannot create a service: a service is created once, without a request, and reads bodies
/// itself.
fn validate_service(options: &Options, service: &Ident, signature: &Signature) -> syn::Result<()> {
    if let Some(asyncness) = &signature.asyncness {
        return Err(syn::Error::new_spanned(asyncness, "a function that makes a service cannot be `async`"));
    }
    if let Some(argument) = signature.inputs.first() {
        return Err(syn::Error::new_spanned(
            argument,
            "a function that makes a service takes no argument; the service gets the requests",
        ));
    }
    if options.max_body.is_some() {
        return Err(syn::Error::new_spanned(
            service,
            "`service` and `max_body` cannot be combined: a service limits bodies itself; remove `max_body`",
        ));
    }
    Ok(())
}

fn expand_service(options: &Options, function: &ItemFn) -> TokenStream {
    let wayside = &options.wayside;
    let name = &function.sig.ident;
    let request = variable("request");
    quote! {
        #function

        const _: () = {
            #wayside::__private::export!(#request => #wayside::__private::answer_service(#name, #request));
        };
    }
}

fn expand(options: &Options, function: &ItemFn, types: &[&Type]) -> TokenStream {
    let wayside = &options.wayside;
    let request = variable("request");
    let answer = extract(options, &request, function, types, &quote!());
    quote! {
        #function

        const _: () = {
            #wayside::__private::export!(#request => #answer);
        };
    }
}
