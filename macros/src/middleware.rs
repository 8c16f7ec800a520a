//! The attribute `#[http_middleware]`: parses, validates and expands a function.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser as _;
use syn::{ItemFn, Signature, Type};

use crate::arguments::{argument_types, extract, variable};
use crate::component::{parse_function, validate_shape};
use crate::options::{CRATE, MAX_BODY, Options};

pub(crate) fn http_middleware(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parser(&[CRATE, MAX_BODY]).parse2(options).and_then(|options| {
        let place = "`#[http_middleware]` belongs on a function: `async fn auth(req: Request, next: Next)`";
        let function = parse_function(item.clone(), place)?;
        validate_shape(&function.sig)?;
        let (types, next) = arguments(&function.sig)?;
        Ok(expand(&options, &function, &types, next))
    });
    // Keeps the user's function next to the error, so that editors understand the rest of the file.
    expanded.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#item #error)
    })
}

/// Returns the types of the arguments to extract, and the type of the last argument, which is the next handler.
fn arguments(signature: &Signature) -> syn::Result<(Vec<&Type>, &Type)> {
    let mut types = argument_types(signature)?;
    match types.pop() {
        Some(next) if !types.is_empty() => Ok((types, next)),
        _ => Err(syn::Error::new_spanned(
            &signature.ident,
            "middleware takes at least two arguments: `async fn auth(req: Request, next: Next)`",
        )),
    }
}

fn expand(options: &Options, function: &ItemFn, types: &[&Type], next: &Type) -> TokenStream {
    let wayside = &options.wayside;
    let request = variable("request");
    let answer = extract(options, &request, function, types, &quote!(#wayside::__private::next::<#next>()));
    quote! {
        #function

        const _: () = {
            #wayside::__private::declare_middleware!();
            #wayside::__private::export!(#request => #answer);
        };
    }
}
