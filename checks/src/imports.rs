//! Imports between the modules of a crate.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Item, UseTree, Visibility};

use crate::sources::Sources;

/// The imports between the modules of a crate, through `use` or through paths in the code.
#[derive(Debug)]
pub struct Imports {
    /// The modules that each module imports.
    modules: BTreeMap<String, BTreeSet<String>>,
}

/// An import between two modules with the same parent. It stands for the imports of their descendants too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The importing module.
    pub from: String,
    /// The imported module.
    pub to: String,
}

impl Imports {
    /// Finds the imports of a crate. The import of a name that the root re-exports counts as an import of the module that
    /// defines it.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let root = sources.files.iter().filter(|file| file.module.is_empty()).flat_map(|file| &file.items);
        let re_exports: BTreeMap<String, Vec<String>> = root
            .filter_map(|item| match item {
                Item::Use(item) if !matches!(item.vis, Visibility::Inherited) => Some(paths_of(&item.tree)),
                _ => None,
            })
            .flatten()
            .filter_map(|path| Some((path.last()?.clone(), path)))
            .collect();
        let mut modules = BTreeMap::new();
        for file in sources.files.iter().filter(|file| !file.module.is_empty()) {
            let mut paths = Vec::new();
            for item in &file.items {
                match item {
                    Item::Use(item) => paths.extend(paths_of(&item.tree)),
                    other => paths_in(other.to_token_stream(), &mut paths),
                }
            }
            let resolver = Resolver { sources, re_exports: &re_exports, module: &file.module };
            let imported: BTreeSet<String> = paths.iter().filter_map(|path| resolver.module_of(path)).collect();
            modules.insert(file.module.clone(), imported);
        }
        Self { modules }
    }

    /// Returns the imports between modules with the same parent. Imports of an ancestor do not count, because a module
    /// is a part of its parent.
    #[must_use]
    pub fn between_siblings(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (from, imported) in &self.modules {
            for to in imported {
                let (from, to): (Vec<&str>, Vec<&str>) = (from.split("::").collect(), to.split("::").collect());
                let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
                if shared < from.len() && shared < to.len() {
                    arrows.insert(Arrow { from: from[..=shared].join("::"), to: to[..=shared].join("::") });
                }
            }
        }
        arrows
    }

    /// Returns the imports between top-level modules.
    #[must_use]
    pub fn between_top_modules(&self) -> BTreeSet<Arrow> {
        self.between_siblings().into_iter().filter(|arrow| !arrow.from.contains("::")).collect()
    }

    /// Returns the import cycles between modules with the same parent, each as a list of modules.
    #[must_use]
    pub fn circles(&self) -> Vec<Vec<String>> {
        let mut imported: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let arrows = self.between_siblings();
        for Arrow { from, to } in &arrows {
            imported.entry(from).or_default().insert(to);
        }
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            imported.keys().map(|from| (*from, reachable(from, &imported))).collect();
        let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
        for (module, others) in &reached {
            if others.contains(module) {
                let back = others.iter().filter(|other| reached.get(*other).is_some_and(|back| back.contains(module)));
                circles.insert(back.map(|module| (*module).to_owned()).collect());
            }
        }
        circles.into_iter().collect()
    }
}

fn reachable<'a>(from: &'a str, imported: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let (mut reached, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(module) = waiting.pop() {
        for next in imported.get(module).into_iter().flatten() {
            if reached.insert(*next) {
                waiting.push(next);
            }
        }
    }
    reached
}

struct Resolver<'a> {
    sources: &'a Sources,
    re_exports: &'a BTreeMap<String, Vec<String>>,
    module: &'a str,
}

impl Resolver<'_> {
    /// Returns the module of a path. Returns `None` for this module and for other crates.
    fn module_of(&self, path: &[String]) -> Option<String> {
        let mut place: Vec<&str> = self.module.split("::").collect();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" | "$crate" => {
                place.clear();
                rest = &path[1..];
                // A module takes precedence over a re-exported item of the same name.
                if let Some(name) = rest.first()
                    && !self.sources.has(name)
                    && let Some(original) = self.re_exports.get(name)
                {
                    rest = original;
                }
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    place.pop();
                    rest = &rest[1..];
                }
            }
            child if self.sources.has(&format!("{}::{child}", self.module)) => {}
            _ => return None,
        }
        let mut found = place.join("::");
        for name in rest {
            let next = if found.is_empty() { name.clone() } else { format!("{found}::{name}") };
            if !self.sources.has(&next) {
                break;
            }
            found = next;
        }
        (!found.is_empty() && found != self.module).then_some(found)
    }
}

/// Returns the paths of a `use`, one for each name.
fn paths_of(tree: &UseTree) -> Vec<Vec<String>> {
    match tree {
        UseTree::Path(path) => {
            let mut paths = paths_of(&path.tree);
            paths.iter_mut().for_each(|rest| rest.insert(0, path.ident.to_string()));
            paths
        }
        UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        UseTree::Rename(rename) => vec![vec![rename.ident.to_string()]],
        UseTree::Glob(_) => vec![Vec::new()],
        UseTree::Group(group) => group.items.iter().flat_map(paths_of).collect(),
    }
}

/// Collects the paths of at least two names in code, including the arguments of macros.
fn paths_in(tokens: TokenStream, paths: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    let mut end = |path: &mut Vec<String>| paths.extend(Some(std::mem::take(path)).filter(|path| path.len() > 1));
    let mut groups = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    end(&mut path);
                }
                // A path that starts with `::` refers to another crate.
                if colons != 2 || !path.is_empty() {
                    path.push(ident.to_string());
                }
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            token => {
                end(&mut path);
                colons = 0;
                if let TokenTree::Group(group) = token {
                    groups.push(group);
                }
            }
        }
    }
    end(&mut path);
    groups.into_iter().for_each(|group| paths_in(group.stream(), paths));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_code_and_in_macros() {
        let mut paths = Vec::new();
        let code = "fn f() -> crate::a::B { x!(super::c::D { y: 1 }, ::std::e); g.h() }";
        paths_in(code.parse().unwrap(), &mut paths);
        let paths: Vec<String> = paths.iter().map(|path| path.join("::")).collect();
        assert_eq!(paths, ["crate::a::B", "super::c::D"]);
    }

    #[test]
    fn a_use_has_a_path_for_each_name() {
        let item: syn::ItemUse = syn::parse_str("use crate::{a::{self, B as C}, d::*, e};").unwrap();
        let paths: Vec<String> = paths_of(&item.tree).iter().map(|path| path.join("::")).collect();
        assert_eq!(paths, ["crate::a::self", "crate::a::B", "crate::d", "crate::e"]);
    }

    #[test]
    fn circles_are_found_between_siblings_and_not_with_parents() {
        let modules = [
            ("a", vec!["a::x", "b"]),
            ("a::x", vec!["a", "c"]),
            ("b", vec!["c"]),
            ("c", vec!["a::x"]),
            ("d", vec!["a"]),
        ];
        let modules = modules.map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()));
        let imports = Imports { modules: modules.into_iter().collect() };
        assert_eq!(imports.circles(), [["a", "b", "c"]]);
    }
}
