//! One Rust file of the kernel, reduced to what the rules are about: the modules it names and its unsafe code.
//!
//! Pure: text in, facts out. What is compiled for tests alone (`#[cfg(test)]`) is left out of the named modules.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, Meta, UseTree};

/// A module path of this crate that a file names, from the crate's root.
#[derive(Debug, PartialEq)]
pub struct Named {
    pub path: Vec<String>,
    pub line: usize,
}

/// One keyword `unsafe`.
#[derive(Debug, PartialEq)]
pub struct Unsafe {
    pub line: usize,
    /// Of the form `#[unsafe(name)]`: no block, function, trait or impl.
    pub is_attribute: bool,
}

/// The facts about one file.
pub struct Source {
    /// Relative to the folder `kernel`.
    pub file: PathBuf,
    pub names: Vec<Named>,
    pub unsafe_code: Vec<Unsafe>,
    pub opens_with_doc: bool,
    pub forbids_unsafe: bool,
}

impl Source {
    /// Reads `text`, the contents of `file`.
    pub fn parse(file: &Path, text: &str) -> syn::Result<Self> {
        let syntax = syn::parse_file(text)?;
        let mut finder = NameFinder { module: module_path(file), names: Vec::new() };
        finder.visit_file(&syntax);
        let mut unsafe_code = Vec::new();
        find_unsafe(text.parse()?, &mut unsafe_code);
        Ok(Self {
            file: file.to_owned(),
            names: finder.names,
            unsafe_code,
            opens_with_doc: text.starts_with("//!"),
            forbids_unsafe: syntax.attrs.iter().any(forbids_unsafe),
        })
    }
}

/// `src/fs/pipe.rs` and `src/fs/pipe/mod.rs` are `fs::pipe`; a crate's root is the empty path.
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .with_extension("")
        .components()
        .map(|component| component.as_os_str().to_string_lossy().into_owned())
        .skip_while(|component| component != "src")
        .skip(1)
        .collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "main" | "lib")) {
        path.pop();
    }
    path
}

fn forbids_unsafe(attribute: &Attribute) -> bool {
    attribute.path().is_ident("forbid") && attribute.parse_args::<syn::Ident>().is_ok_and(|lint| lint == "unsafe_code")
}

fn find_unsafe(tokens: TokenStream, found: &mut Vec<Unsafe>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "unsafe" => {
                // Nowhere else does a parenthesis follow the keyword.
                let is_attribute = matches!(
                    tokens.peek(),
                    Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis
                );
                found.push(Unsafe { line: line(ident.span()), is_attribute });
            }
            TokenTree::Group(group) => find_unsafe(group.stream(), found),
            _ => {}
        }
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

/// Walks a file and collects the paths that start at `crate`, `super` or `self`.
struct NameFinder {
    /// Where the walk is.
    module: Vec<String>,
    names: Vec<Named>,
}

impl NameFinder {
    /// Notes the path `segments`, found in the current module, if it is one of this crate.
    fn note(&mut self, segments: &[String], line: usize) {
        if let Some(path) = self.absolute(segments).filter(|path| !path.is_empty()) {
            self.names.push(Named { path, line });
        }
    }

    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut base = match segments.first()?.as_str() {
            "crate" => return Some(segments[1..].to_vec()),
            "self" | "super" => self.module.clone(),
            _ => return None,
        };
        let mut rest = segments;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "self" => {}
                "super" => {
                    base.pop()?;
                }
                _ => break,
            }
            rest = others;
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn note_use(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.note_use(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_use(tree, prefix);
                }
            }
            UseTree::Name(syn::UseName { ident }) | UseTree::Rename(syn::UseRename { ident, .. }) => {
                let mut path = prefix.clone();
                if ident != "self" || path.is_empty() {
                    path.push(ident.to_string());
                }
                self.note(&path, line(ident.span()));
            }
            UseTree::Glob(glob) => self.note(prefix, line(glob.star_token.spans[0])),
        }
    }

    /// Macro arguments are no syntax tree: looks for `crate::a::b` and its like among the tokens.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 || path.is_empty() {
                        self.note(&std::mem::take(&mut path), start);
                        start = line(ident.span());
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.note(&std::mem::take(&mut path), start);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.note_tokens(group.stream());
                    }
                }
            }
        }
        self.note(&path, start);
    }
}

fn is_for_tests_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

impl<'ast> Visit<'ast> for NameFinder {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests_only(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_use(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.note(&segments, line(first.ident.span()));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.visit_path(&item.path);
        self.note_tokens(item.tokens.clone());
    }

    /// `pub(in crate::fs)` and `pub(super)` name no module for use.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str, text: &str) -> Vec<String> {
        let source = Source::parse(Path::new(file), text).unwrap();
        source.names.iter().map(|named| named.path.join("::")).collect()
    }

    #[test]
    fn use_trees_are_taken_apart() {
        let text = "use crate::{mm::{self, user::UserPtr as P}, sync::*}; use core::mem;";
        assert_eq!(names("src/fs/mod.rs", text), ["mm", "mm::user::UserPtr", "sync"]);
    }

    #[test]
    fn relative_paths_are_resolved_from_their_module() {
        assert_eq!(names("src/fs/pipe.rs", "use super::file; use self::ring;"), ["fs::file", "fs::pipe::ring"]);
        assert_eq!(names("src/fs/mod.rs", "use super::ipc;"), ["ipc"]);
        assert_eq!(names("src/fs/mod.rs", "mod inner { use super::super::ipc; }"), ["ipc"]);
    }

    #[test]
    fn paths_in_expressions_types_and_macros_are_found() {
        let text = "fn f(x: crate::fs::Fd) { crate::ipc::g(); log!(\"{}\", crate::mm::free(1), a::b); }";
        assert_eq!(names("src/sched/mod.rs", text), ["fs::Fd", "ipc::g", "mm::free"]);
    }

    #[test]
    fn code_for_tests_and_visibility_name_nothing() {
        let text = "#[cfg(test)] mod tests { use crate::fs; } pub(in crate::mm) fn f() {} #[cfg(test)] use crate::ipc;";
        assert_eq!(names("src/mm/mod.rs", text), [""; 0]);
    }

    #[test]
    fn unsafe_is_found_everywhere_but_in_comments_and_strings() {
        let text =
            "//! unsafe\nunsafe impl Send for X {}\n#[unsafe(no_mangle)]\nfn f() { m!(unsafe { g() }); \"unsafe\"; }";
        let source = Source::parse(Path::new("src/mm/mod.rs"), text).unwrap();
        let found: Vec<(usize, bool)> =
            source.unsafe_code.iter().map(|found| (found.line, found.is_attribute)).collect();
        assert_eq!(found, [(2, false), (3, true), (4, false)]);
    }
}
