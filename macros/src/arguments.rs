//! The extraction of arguments: any number from the head, and a last one that may read the body.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{FnArg, ItemFn, Path, ReturnType, Signature, Type};

use crate::options::Options;

/// Returns an expression whose value is the future of the response.
///
/// `request` is the variable of the arriving request, `types` are the types to extract, and `further` is an argument after
/// them. The code for each type has the span of the type, so that the compiler reports a missing trait there, and once.
pub(crate) fn extract(
    options: &Options,
    request: &Ident,
    function: &ItemFn,
    types: &[&Type],
    further: &TokenStream,
) -> TokenStream {
    let wayside = &options.wayside;
    let body_limit = body_limit(options);
    let incoming = quote!(#wayside::__private::incoming(#request, #body_limit));
    let names: Vec<Ident> = (0..types.len()).map(|index| variable(&format!("argument{index}"))).collect();
    let call = call(wayside, function, &quote!(#(#names,)* #further));
    let Some(last) = types.len().checked_sub(1) else {
        return quote!(#wayside::__private::answer::<(), _, _, _>(#incoming, |()| #call));
    };
    names.iter().zip(types).enumerate().rev().fold(call, |inner, (index, (name, ty))| {
        let request_value = if index == 0 { incoming.clone() } else { quote!(#request) };
        let wayside = at(wayside, ty.span());
        if index == last {
            quote_spanned! {
                ty.span()=> #wayside::__private::answer(#request_value, move |#name: #ty| #inner)
            }
        } else {
            quote_spanned! {
                ty.span()=>
                #wayside::__private::answer_part(#request_value, move |#name: #ty, #request| #inner)
            }
        }
    })
}

/// Returns a path whose place is the span, as that of the code around it: an error points at the place where a call starts.
fn at(path: &Path, span: Span) -> TokenStream {
    let respan = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    path.to_token_stream().into_iter().map(respan).collect()
}

/// Returns the types of the arguments.
///
/// # Errors
///
/// Fails at an argument whose type has no name.
pub(crate) fn argument_types(signature: &Signature) -> syn::Result<Vec<&Type>> {
    signature
        .inputs
        .iter()
        .filter_map(|input| if let FnArg::Typed(input) = input { Some(&*input.ty) } else { None })
        .map(|ty| {
            let message = "an argument of an HTTP handler needs a type with a name: the host calls it with one type";
            if is_nameable(ty) { Ok(ty) } else { Err(syn::Error::new_spanned(ty, message)) }
        })
        .collect()
}

fn call(wayside: &Path, function: &ItemFn, arguments: &TokenStream) -> TokenStream {
    let name = &function.sig.ident;
    let future = match function.sig.asyncness {
        Some(_) => quote!(#name(#arguments)),
        None => quote!(::core::future::ready(#name(#arguments))),
    };
    let (response, span) = response_type(&function.sig.output);
    let wayside = at(wayside, span);
    quote_spanned!(span=> #wayside::__private::response::<#response, _>(#future))
}

/// Returns the type of the response, or `_` if it has no name, and the place where the compiler reports its errors.
fn response_type(output: &ReturnType) -> (TokenStream, Span) {
    match output {
        ReturnType::Default => (quote!(()), Span::call_site()),
        ReturnType::Type(_, ty) if is_nameable(ty) => (ty.to_token_stream(), ty.span()),
        ReturnType::Type(_, ty) => (quote!(_), ty.span()),
    }
}

/// Returns the body limit of extractors, as an expression.
fn body_limit(options: &Options) -> TokenStream {
    let wayside = &options.wayside;
    match options.max_body {
        Some(bytes) => quote!(#bytes),
        None => quote!(#wayside::extract::BODY_LIMIT),
    }
}

/// Returns a variable for generated code. Its span hides it from the user's code. Its prefix avoids the names of the
/// user's constants and statics, because a pattern matches these regardless of its span.
pub(crate) fn variable(name: &str) -> Ident {
    Ident::new(&format!("__wayside_{name}"), Span::mixed_site())
}

/// Whether a type can be a type argument. `impl Trait` cannot.
fn is_nameable(ty: &Type) -> bool {
    !quote!(#ty).into_iter().any(mentions_impl)
}

fn mentions_impl(token: TokenTree) -> bool {
    match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => group.stream().into_iter().any(mentions_impl),
        _ => false,
    }
}
