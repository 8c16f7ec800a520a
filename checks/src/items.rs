//! The types and functions of a crate.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{ImplItemFn, ItemEnum, ItemFn, ItemStruct, ItemTrait, ItemType, TraitItemFn};

use crate::sources::Sources;

/// The types and functions of a crate, without test code.
#[derive(Debug, Default)]
pub struct Items {
    /// The files that define a type, trait or alias of this name.
    pub types: BTreeMap<String, Vec<PathBuf>>,
    /// The functions with a body.
    pub functions: Vec<Function>,
    /// The file of each call of `unwrap`.
    pub unwraps: Vec<PathBuf>,
    file: PathBuf,
}

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// The name.
    pub name: String,
    /// The number of lines from its signature to its end, both included.
    pub lines: usize,
}

impl Items {
    /// Finds the items of a crate.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let mut items = Self::default();
        for source in &sources.files {
            items.file.clone_from(&source.path);
            source.items.iter().for_each(|item| items.visit_item(item));
        }
        items
    }

    fn define(&mut self, name: &syn::Ident) {
        self.types.entry(name.to_string()).or_default().push(self.file.clone());
    }

    fn function(&mut self, name: &syn::Ident, signature: Span, body: Span) {
        let lines = body.end().line - signature.start().line + 1;
        self.functions.push(Function { file: self.file.clone(), name: name.to_string(), lines });
    }
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.define(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.define(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.define(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.define(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig.ident, item.sig.span(), item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig.ident, item.sig.span(), item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig.ident, item.sig.span(), body.span());
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method.to_token_stream().to_string() == "unwrap" {
            self.unwraps.push(self.file.clone());
        }
        visit::visit_expr_method_call(self, call);
    }
}
