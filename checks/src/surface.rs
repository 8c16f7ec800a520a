//! The public API of a crate, as a list of its items.
//!
//! The list is read from the sources, because the compiler's own description needs a nightly toolchain. It contains the items
//! that `lib.rs` exports, their public fields, variants and methods, and their trait implementations. Trait implementations
//! that a macro generates are missing.

use std::collections::{BTreeMap, BTreeSet};

use quote::{ToTokens, quote};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Type, UseTree, Visibility};

use crate::sources::Sources;

/// The public API of a crate.
pub struct Surface<'a> {
    /// The items of each module, by its path.
    modules: BTreeMap<String, Vec<&'a Item>>,
    lines: BTreeSet<String>,
    /// The public path of each public type, by the module and the name of its definition.
    types: BTreeMap<(String, String), String>,
}

impl<'a> Surface<'a> {
    /// Lists the public API of a crate, one item per line, sorted.
    #[must_use]
    pub fn of(sources: &'a Sources, name: &str) -> String {
        let mut surface = Self { modules: BTreeMap::new(), lines: BTreeSet::new(), types: BTreeMap::new() };
        for source in &sources.files {
            surface.add_module(&source.module, &source.items);
        }
        surface.list_module("", name);
        surface.list_implementations();
        surface.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    fn add_module(&mut self, module: &str, items: &'a [Item]) {
        self.modules.entry(module.to_owned()).or_default().extend(items);
        for item in items {
            if let Item::Mod(child) = item
                && let Some((_, items)) = &child.content
            {
                self.add_module(&join(module, &child.ident.to_string()), items);
            }
        }
    }

    fn items(&self, module: &str) -> Vec<&'a Item> {
        self.modules.get(module).cloned().unwrap_or_default()
    }

    /// Lists the public items of a module.
    fn list_module(&mut self, module: &str, public: &str) {
        for item in self.items(module) {
            match item {
                Item::Mod(child) if is_public(&child.vis, &child.attrs) => {
                    self.lines.insert(format!("mod {public}::{}", child.ident));
                    self.list_module(&join(module, &child.ident.to_string()), &format!("{public}::{}", child.ident));
                }
                Item::Use(item) if is_public(&item.vis, &item.attrs) => {
                    for (path, alias) in names(&item.tree) {
                        self.list_export(module, &path, &format!("{public}::{alias}"));
                    }
                }
                Item::Macro(item) if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) => {}
                item => {
                    if let Some((name, visibility, attributes)) = described(item)
                        && is_public(visibility, attributes)
                    {
                        self.list_item(module, item, &format!("{public}::{name}"));
                    }
                }
            }
        }
    }

    /// Lists the export of a `pub use`.
    fn list_export(&mut self, module: &str, path: &[String], public: &str) {
        let (from, name) = match path {
            [name] => (module.to_owned(), name.clone()),
            [first, rest @ .., name] => {
                let start = match first.as_str() {
                    "crate" => String::new(),
                    "super" => module.rsplit_once("::").map_or_else(String::new, |(parent, _)| parent.to_owned()),
                    child => join(module, child),
                };
                (rest.iter().fold(start, |module, child| join(&module, child)), name.clone())
            }
            [] => return,
        };
        if !self.modules.contains_key(&from) || path.len() == 1 {
            self.lines.insert(format!("use {public} = {}", path.join("::")));
            return;
        }
        if self.modules.contains_key(&join(&from, &name)) {
            self.lines.insert(format!("mod {public}"));
            self.list_module(&join(&from, &name), public);
        }
        for item in self.items(&from) {
            match item {
                Item::Use(item) => {
                    let again = names(&item.tree).into_iter().filter(|(_, alias)| *alias == name);
                    again.for_each(|(path, _)| self.list_export(&from, &path, public));
                }
                item if described(item).is_some_and(|(other, ..)| other == name) => self.list_item(&from, item, public),
                _ => {}
            }
        }
    }

    fn list_item(&mut self, module: &str, item: &Item, public: &str) {
        let name = public.rsplit("::").next().unwrap_or(public);
        match item {
            Item::Struct(item) => {
                let generics = &item.generics;
                let open = open_to_growth(&item.attrs);
                self.lines.insert(format!("struct {public}{}{open}", text(quote!(#generics))));
                self.list_fields(&item.fields, public);
            }
            Item::Enum(item) => {
                let generics = &item.generics;
                let open = open_to_growth(&item.attrs);
                self.lines.insert(format!("enum {public}{}{open}", text(quote!(#generics))));
                for variant in &item.variants {
                    let (ident, fields) = (&variant.ident, without_attributes(&variant.fields));
                    self.lines.insert(format!("variant {public}::{}", text(quote!(#ident #fields))));
                }
            }
            Item::Trait(item) => {
                let (generics, bounds) = (&item.generics, &item.supertraits);
                self.lines.insert(format!("trait {public}{}: {}", text(quote!(#generics)), text(quote!(#bounds))));
                for member in &item.items {
                    self.list_trait_member(member, public);
                }
            }
            Item::Fn(item) => self.add("fn", public, name, item.sig.to_token_stream()),
            Item::Const(item) => {
                let ty = &item.ty;
                self.lines.insert(format!("const {public}: {}", text(quote!(#ty))));
            }
            Item::Type(item) => {
                let (generics, ty) = (&item.generics, &item.ty);
                self.lines.insert(format!("type {public}{} = {}", text(quote!(#generics)), text(quote!(#ty))));
            }
            _ => return,
        }
        if let Some((name, ..)) = described(item) {
            self.types.insert((module.to_owned(), name), public.to_owned());
        }
    }

    fn list_fields(&mut self, fields: &Fields, public: &str) {
        for (index, field) in fields.iter().enumerate() {
            if is_public(&field.vis, &field.attrs) {
                let name = field.ident.as_ref().map_or_else(|| index.to_string(), ToString::to_string);
                let ty = &field.ty;
                self.lines.insert(format!("field {public}.{name}: {}", text(quote!(#ty))));
            }
        }
    }

    fn list_trait_member(&mut self, member: &TraitItem, public: &str) {
        match member {
            TraitItem::Fn(member) if !is_hidden(&member.attrs) => {
                let provided = if member.default.is_some() { " (provided)" } else { "" };
                let signature = text(member.sig.to_token_stream());
                self.lines.insert(format!("method {public}: {signature}{provided}"));
            }
            TraitItem::Type(member) if !is_hidden(&member.attrs) => {
                let (ident, bounds) = (&member.ident, &member.bounds);
                self.lines.insert(format!("type {public}::{ident}: {}", text(quote!(#bounds))));
            }
            _ => {}
        }
    }

    /// Lists the methods and trait implementations of the public types.
    fn list_implementations(&mut self) {
        let implementations: Vec<(String, &ItemImpl)> = self
            .modules
            .iter()
            .flat_map(|(module, items)| {
                items
                    .iter()
                    .filter_map(|item| if let Item::Impl(item) = item { Some((module.clone(), item)) } else { None })
            })
            .collect();
        for (module, implementation) in implementations {
            let Type::Path(ty) = &*implementation.self_ty else { continue };
            let Some(name) = ty.path.segments.last().map(|segment| segment.ident.to_string()) else { continue };
            let Some(public) = self.public_path(&module, &name) else { continue };
            match &implementation.trait_ {
                Some((_, path, _)) => {
                    let generics = &implementation.generics.params;
                    let for_all =
                        if generics.is_empty() { String::new() } else { format!("<{}> ", text(quote!(#generics))) };
                    let path = text(path.to_token_stream());
                    self.lines.insert(format!("impl {for_all}{path} for {public}"));
                }
                None => self.list_methods(implementation, &public),
            }
        }
    }

    fn list_methods(&mut self, implementation: &ItemImpl, public: &str) {
        for member in &implementation.items {
            match member {
                ImplItem::Fn(member) if is_public(&member.vis, &member.attrs) => {
                    self.add("fn", public, &member.sig.ident.to_string(), member.sig.to_token_stream());
                }
                ImplItem::Const(member) if is_public(&member.vis, &member.attrs) => {
                    let (ident, ty) = (&member.ident, &member.ty);
                    self.lines.insert(format!("const {public}::{ident}: {}", text(quote!(#ty))));
                }
                _ => {}
            }
        }
    }

    /// Returns the public path of a type by the name that a module uses for it.
    fn public_path(&self, module: &str, name: &str) -> Option<String> {
        let mut scope = Some(module);
        while let Some(module) = scope {
            if let Some(public) = self.types.get(&(module.to_owned(), name.to_owned())) {
                return Some(public.clone());
            }
            scope = module.rsplit_once("::").map(|(parent, _)| parent);
        }
        None
    }

    fn add(&mut self, kind: &str, public: &str, name: &str, signature: proc_macro2::TokenStream) {
        let signature = text(signature);
        let place = if public.ends_with(name) { public.to_owned() } else { format!("{public}::{name}") };
        self.lines.insert(format!("{kind} {place}: {signature}"));
    }
}

/// Returns the name, the visibility and the attributes of an item.
fn described(item: &Item) -> Option<(String, &Visibility, &[Attribute])> {
    let (ident, visibility, attributes) = match item {
        Item::Struct(item) => (&item.ident, &item.vis, &item.attrs),
        Item::Enum(item) => (&item.ident, &item.vis, &item.attrs),
        Item::Trait(item) => (&item.ident, &item.vis, &item.attrs),
        Item::Fn(item) => (&item.sig.ident, &item.vis, &item.attrs),
        Item::Const(item) => (&item.ident, &item.vis, &item.attrs),
        Item::Type(item) => (&item.ident, &item.vis, &item.attrs),
        _ => return None,
    };
    Some((ident.to_string(), visibility, attributes))
}

fn without_attributes(fields: &Fields) -> Fields {
    let mut fields = fields.clone();
    fields.iter_mut().for_each(|field| field.attrs.clear());
    fields
}

fn is_public(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !is_hidden(attributes)
}

/// Returns a mark for types with `#[non_exhaustive]`.
fn open_to_growth(attributes: &[Attribute]) -> &'static str {
    if attributes.iter().any(|attribute| attribute.path().is_ident("non_exhaustive")) {
        " (non_exhaustive)"
    } else {
        ""
    }
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc") && attribute.meta.to_token_stream().to_string().contains("(hidden)")
    })
}

/// Returns the paths of a `use`, each with the name that it introduces.
fn names(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => names(&path.tree)
            .into_iter()
            .map(|(mut rest, alias)| {
                rest.insert(0, path.ident.to_string());
                (rest, alias)
            })
            .collect(),
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(rename) => vec![(vec![rename.ident.to_string()], rename.rename.to_string())],
        UseTree::Group(group) => group.items.iter().flat_map(names).collect(),
        UseTree::Glob(_) => Vec::new(),
    }
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_owned() } else { format!("{module}::{child}") }
}

/// Formats tokens with the usual spaces.
fn text(tokens: proc_macro2::TokenStream) -> String {
    let mut text = tokens.to_string();
    for (from, to) in [
        (" :: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" :", ":"),
        (" ;", ";"),
        (",)", ")"),
        (", }", " }"),
    ] {
        text = text.replace(from, to);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::sources::Source;

    #[test]
    fn the_surface_has_what_the_root_exports_and_nothing_else() {
        let module = |module: &str, text: &str| Source {
            module: module.to_owned(),
            path: PathBuf::new(),
            text: String::new(),
            items: syn::parse_file(text).unwrap().items,
        };
        let sources = Sources {
            files: vec![
                module("", "pub mod open; mod closed; pub use closed::{Shown, made as make}; pub use bytes::Bytes;"),
                module("closed", "pub struct Shown { pub a: u8, b: u8 } pub struct Unseen; pub fn made() -> u8 {}"),
                module("closed::inner", "impl Shown { pub fn get(&self) -> u8 {} fn own(&self) {} }"),
                module(
                    "open",
                    "#[non_exhaustive] pub enum Kind { One, /** Two. */ Two(/** An octet. */ u8) } pub(crate) struct Inner; #[doc(hidden)] pub fn hidden() {}",
                ),
            ],
        };
        let lines: Vec<String> = Surface::of(&sources, "x").lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "enum x::open::Kind (non_exhaustive)",
                "field x::Shown.a: u8",
                "fn x::Shown::get: fn get(&self) -> u8",
                "fn x::make: fn made() -> u8",
                "mod x::open",
                "struct x::Shown",
                "use x::Bytes = bytes::Bytes",
                "variant x::open::Kind::One",
                "variant x::open::Kind::Two(u8)",
            ]
        );
    }
}
