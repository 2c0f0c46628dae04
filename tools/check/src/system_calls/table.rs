//! The kernel's table of calls, `table! { … }`, as values.
//!
//! Pure: text in, calls out. A line is `#[lacks = "what is missing"] __NR_name => function,`, the attribute for partial calls.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, ExprLit, Item, Lit};

/// One line of the table.
#[derive(Debug, PartialEq)]
pub struct Call {
    pub name: String,
    /// What is missing; nothing for a call that is whole.
    pub lacks: Option<String>,
}

const PREFIX: &str = "__NR_";

/// The calls of all sections of the one `table!` in `text`.
pub fn parse(text: &str) -> syn::Result<Vec<Call>> {
    let file = syn::parse_file(text)?;
    let is_table = |item: &Item| matches!(item, Item::Macro(item) if item.mac.path.is_ident("table"));
    let Some(Item::Macro(table)) = file.items.into_iter().find(is_table) else {
        return Err(syn::Error::new(proc_macro2::Span::call_site(), "there is no table! of calls"));
    };
    let sections = table.mac.tokens.into_iter().filter_map(|token| match token {
        TokenTree::Group(section) => Some(section.stream()),
        _ => None,
    });
    let calls: Vec<Vec<Call>> = sections.map(section).collect::<syn::Result<_>>()?;
    Ok(calls.into_iter().flatten().collect())
}

fn section(tokens: TokenStream) -> syn::Result<Vec<Call>> {
    let mut calls = Vec::new();
    let mut lacks = None;
    for token in tokens {
        match token {
            // Groups are attributes here; functions are paths.
            TokenTree::Group(attribute) => lacks = Some(missing(attribute.stream())?),
            TokenTree::Ident(word) => {
                if let Some(name) = word.to_string().strip_prefix(PREFIX) {
                    calls.push(Call { name: name.to_owned(), lacks: lacks.take() });
                }
            }
            _ => {}
        }
    }
    Ok(calls)
}

/// The text of `lacks = "…"`, which stands in a cell of a table.
fn missing(attribute: TokenStream) -> syn::Result<String> {
    let attribute: syn::MetaNameValue = syn::parse2(attribute)?;
    if let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &attribute.value
        && attribute.path.is_ident("lacks")
        && !text.value().contains('|')
    {
        return Ok(text.value());
    }
    Err(syn::Error::new_spanned(&attribute.path, "not of the form lacks = \"what is missing\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_read_and_an_attribute_belongs_to_its_line_alone() {
        let text = "macro_rules! table { () => {} }\ntable! { a { // Files.\n__NR_read => fs::read,\n\
                    #[lacks = \"x, y\"]\n__NR_open => fs::open, } b { __NR_exit => exit, } }";
        let names: Vec<_> = parse(text).unwrap().into_iter().map(|call| (call.name, call.lacks)).collect();
        let expected = [("read", None), ("open", Some("x, y")), ("exit", None)];
        assert_eq!(names, expected.map(|(name, lacks)| (name.to_owned(), lacks.map(str::to_owned))));
    }

    #[test]
    fn no_table_or_an_unknown_attribute_is_an_error() {
        assert!(parse("fn main() {}").is_err());
        assert!(parse("table! { a { #[misses = \"x\"] __NR_read => fs::read, } }").is_err());
        assert!(parse("table! { a { #[lacks = \"a | b\"] __NR_read => fs::read, } }").is_err());
    }
}
