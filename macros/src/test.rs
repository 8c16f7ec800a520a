//! The attribute `#[wayside::test]`: parses, validates and expands a function.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser as _;
use syn::{ItemFn, Signature};

use crate::options::{CRATE, Options};

pub(crate) fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parser(&[CRATE]).parse2(options).and_then(|options| {
        let function: ItemFn = syn::parse2(item.clone())?;
        validate(&function.sig)?;
        Ok(expand(&options, function))
    });
    expanded.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#item #error)
    })
}

fn validate(signature: &Signature) -> syn::Result<()> {
    if let Some(argument) = signature.inputs.first() {
        return Err(syn::Error::new_spanned(argument, "a test takes no arguments"));
    }
    Ok(())
}

fn expand(options: &Options, mut function: ItemFn) -> TokenStream {
    let wayside = &options.wayside;
    // `use wayside::test` imports this attribute with the module, so it shadows the built-in `#[test]`. A function that
    // is not `async` gets the built-in attribute.
    if function.sig.asyncness.take().is_none() {
        return quote!(#[::core::prelude::v1::test] #function);
    }
    let ItemFn { attrs, vis, sig, block } = function;
    quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis #sig {
            #wayside::test::block_on(async move #block)
        }
    }
}
