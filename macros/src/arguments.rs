//! Generates the code that extracts the arguments of a handler: any number from the request head, and a last one that
//! may read the body.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{FnArg, ItemFn, Path, ReturnType, Signature, Type};

use crate::options::Options;

/// Returns an expression whose value is the future of the response.
///
/// `request` is the variable that contains the arriving request, and `types` are the types of the arguments to
/// extract. `further` is the expression for one more argument after them, or empty. The code for each type has the
/// span of the type, so that the compiler reports a missing trait only once, and at that type.
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

/// Returns a path with the given span. A call that starts with this path then has that span, and the compiler reports
/// its errors there.
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
/// Fails at an argument whose type has no name, such as `impl Trait`.
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

/// Returns the return type of a handler, or `_` if that type has no name, and the span where the compiler reports
/// errors about it.
fn response_type(output: &ReturnType) -> (TokenStream, Span) {
    match output {
        ReturnType::Default => (quote!(()), Span::call_site()),
        ReturnType::Type(_, ty) if is_nameable(ty) => (ty.to_token_stream(), ty.span()),
        ReturnType::Type(_, ty) => (quote!(_), ty.span()),
    }
}

/// Returns an expression for the maximum number of body bytes that an extractor reads into memory.
fn body_limit(options: &Options) -> TokenStream {
    let wayside = &options.wayside;
    match options.max_body {
        Some(bytes) => quote!(#bytes),
        None => quote!(#wayside::extract::BODY_LIMIT),
    }
}

/// Returns a variable for generated code. Its span hides it from the user's code. Its prefix keeps it apart from the
/// user's constants and statics, because such a name in a pattern refers to the constant, whatever its span.
pub(crate) fn variable(name: &str) -> Ident {
    Ident::new(&format!("__wayside_{name}"), Span::mixed_site())
}

/// Whether a type can be a type argument. A type that contains `impl Trait` cannot.
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
