//! `#[http_middleware]`: parse, validate, expand.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse as _, Parser as _};
use syn::spanned::Spanned as _;
use syn::{FnArg, ItemFn, Signature, Type};

use crate::component::{body_limit, parse_function, response_check, validate_shape, variable};
use crate::options::Options;

pub(crate) fn http_middleware(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parse.parse2(options).and_then(|options| {
        let place = "`#[http_middleware]` belongs on a function: `async fn auth(req: Request, next: Next)`";
        let function = parse_function(item.clone(), place)?;
        validate_shape(&function.sig)?;
        if let Some(service) = &options.service {
            return Err(syn::Error::new_spanned(service, "middleware is a function and no service; remove `service`"));
        }
        let (request, next) = arguments(&function.sig)?;
        Ok(expand(&options, &function, request, next))
    });
    // The user's function is kept beside the error, so that editors understand the rest of the file.
    expanded.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#item #error)
    })
}

/// The types of the two arguments.
fn arguments(signature: &Signature) -> syn::Result<(&Type, &Type)> {
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next(), inputs.next()) {
        (Some(FnArg::Typed(request)), Some(FnArg::Typed(next)), None) => Ok((&request.ty, &next.ty)),
        (_, _, Some(third)) => {
            Err(syn::Error::new_spanned(third, "middleware takes a request and `Next`, and no more"))
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
            // On every target; otherwise a wrong type would compile where nothing is exported.
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
