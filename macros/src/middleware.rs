//! `#[http_middleware]`: parse, validate, expand.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::Parser as _;
use syn::spanned::Spanned as _;
use syn::{FnArg, ItemFn, Signature, Type};

use crate::component::{body_limit, parse_function, response_check, validate_shape, variable};
use crate::options::{CRATE, MAX_BODY, Options};

pub(crate) fn http_middleware(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parser(&[CRATE, MAX_BODY]).parse2(options).and_then(|options| {
        let place = "`#[http_middleware]` belongs on a function: `async fn auth(req: Request, next: Next)`";
        let function = parse_function(item.clone(), place)?;
        validate_shape(&function.sig)?;
        let (request, next) = arguments(&function.sig)?;
        Ok(expand(&options, &function, request, next))
    });
    // Keeps the user's function next to the error, so that editors understand the rest of the file.
    expanded.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#item #error)
    })
}

/// Returns the types of the two arguments.
fn arguments(signature: &Signature) -> syn::Result<(&Type, &Type)> {
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next(), inputs.next()) {
        (Some(FnArg::Typed(request)), Some(FnArg::Typed(next)), None) => Ok((&request.ty, &next.ty)),
        (_, _, Some(third)) => {
            Err(syn::Error::new_spanned(third, "middleware takes only two arguments: a request and `Next`"))
        }
        _ => Err(syn::Error::new_spanned(
            &signature.ident,
            "middleware takes two arguments: `async fn auth(req: Request, next: Next)`",
        )),
    }
}

fn expand(options: &Options, function: &ItemFn, request_type: &Type, next_type: &Type) -> TokenStream {
    let wayside = &options.wayside;
    let name = &function.sig.ident;
    let request_check =
        quote_spanned!(request_type.span()=> #wayside::__private::check_argument::<#request_type, _>(););
    let next_check = quote_spanned!(next_type.span()=> #wayside::__private::check_next::<#next_type>(););
    let response_check = response_check(wayside, &function.sig.output);
    let (incoming, request, next) = (variable("incoming"), variable("request"), variable("next"));
    let call = if function.sig.asyncness.is_some() {
        quote!(|#request: #request_type, #next| #name(#request, #next))
    } else {
        quote!(|#request: #request_type, #next| ::core::future::ready(#name(#request, #next)))
    };
    let body_limit = body_limit(options);
    quote! {
        #function

        const _: () = {
            // Makes the compiler point at a wrong type, on every target.
            const _: fn() = || {
                #request_check
                #next_check
                #response_check
            };

            #wayside::__private::declare_middleware!();
            #wayside::__private::export!(
                #incoming => #wayside::__private::answer_middleware(#call, #incoming, #body_limit)
            );
        };
    }
}
