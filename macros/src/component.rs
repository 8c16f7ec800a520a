//! `#[http_component]`: parse, validate, expand.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::Parser as _;
use syn::spanned::Spanned as _;
use syn::{FnArg, Ident, ItemFn, Path, ReturnType, Signature, Type};

use crate::options::{CRATE, MAX_BODY, Options, SERVICE};

pub(crate) fn http_component(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parser(&[CRATE, MAX_BODY, SERVICE]).parse2(options).and_then(|options| {
        let function =
            parse_function(item.clone(), "`#[http_component]` belongs on a function: `async fn handle(req: Request)`")?;
        validate(&function.sig)?;
        if let Some(service) = &options.service {
            validate_service(&options, service, &function.sig)?;
            return Ok(expand_service(&options, &function));
        }
        Ok(expand(&options, &function))
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
        // If the item is an invalid function, the message of the parser is better.
        if item.to_string().contains("fn ") { error } else { syn::Error::new_spanned(item, place) }
    })
}

/// Rejects functions for which the compiler would report errors in generated code.
fn validate(signature: &Signature) -> syn::Result<()> {
    validate_shape(signature)?;
    if let Some(second) = signature.inputs.iter().nth(1) {
        return Err(syn::Error::new_spanned(
            second,
            "an HTTP handler takes at most one argument; take `wayside::Request` to get all of the request",
        ));
    }
    Ok(())
}

/// Rejects functions that a host cannot call.
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

/// Rejects functions that cannot create a service: a service is created once, without a request, and reads bodies itself.
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

fn expand(options: &Options, function: &ItemFn) -> TokenStream {
    let wayside = &options.wayside;
    let name = &function.sig.ident;
    let (request, bound) = (variable("request"), variable("argument"));
    let (argument, parameter, checks) = match function.sig.inputs.first() {
        Some(FnArg::Typed(input)) => {
            let ty = &input.ty;
            let check = quote_spanned!(ty.span()=> #wayside::__private::check_argument::<#ty, _>(););
            (quote!(#bound), quote!(#bound: #ty), check)
        }
        _ => (quote!(), quote!((): ()), quote!()),
    };
    let response_check = response_check(wayside, &function.sig.output);
    let call = if function.sig.asyncness.is_some() {
        quote!(|#parameter| #name(#argument))
    } else {
        quote!(|#parameter| ::core::future::ready(#name(#argument)))
    };
    let body_limit = body_limit(options);
    quote! {
        #function

        const _: () = {
            // Makes the compiler point at a wrong type, on every target.
            const _: fn() = || {
                #checks
                #response_check
            };

            #wayside::__private::export!(#request => #wayside::__private::answer(#call, #request, #body_limit));
        };
    }
}

/// Returns a variable for generated code. Its span hides it from the user's code. Its prefix avoids the names of the
/// user's constants and statics, because a pattern matches these regardless of its span.
pub(crate) fn variable(name: &str) -> Ident {
    Ident::new(&format!("__wayside_{name}"), Span::mixed_site())
}

/// Returns code that makes the compiler point at the return type if it does not implement `IntoResponse`.
pub(crate) fn response_check(wayside: &Path, output: &ReturnType) -> TokenStream {
    match output {
        ReturnType::Type(_, response) if is_nameable(response) => {
            quote_spanned!(response.span()=> #wayside::__private::check_response::<#response>();)
        }
        _ => quote!(),
    }
}

/// Returns the body limit of extractors, as an expression.
pub(crate) fn body_limit(options: &Options) -> TokenStream {
    let wayside = &options.wayside;
    match options.max_body {
        Some(bytes) => quote!(#bytes),
        None => quote!(#wayside::extract::BODY_LIMIT),
    }
}

/// Whether a type can be a type argument. `impl Trait` cannot.
fn is_nameable(ty: &Type) -> bool {
    !quote!(#ty).into_iter().any(mentions_impl)
}

fn mentions_impl(token: proc_macro2::TokenTree) -> bool {
    match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "impl",
        proc_macro2::TokenTree::Group(group) => group.stream().into_iter().any(mentions_impl),
        _ => false,
    }
}
