//! The options in the parentheses of an attribute.

use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, LitStr, Path, Token, parse_quote};

/// The options of an attribute.
pub(crate) struct Options {
    /// The path of the `wayside` crate.
    pub(crate) wayside: Path,
    /// The maximum number of body bytes that an extractor reads into memory, if the attribute sets it.
    pub(crate) max_body: Option<u64>,
    /// The name of the option `service`, if the attribute has this option: the function then creates a service.
    pub(crate) service: Option<Ident>,
}

/// The options that an attribute accepts, each written as an example of its use.
pub(crate) type Known = [&'static str];

pub(crate) const CRATE: &str = "crate = path";
pub(crate) const MAX_BODY: &str = "max_body = \"10 MiB\"";
pub(crate) const SERVICE: &str = "service";

impl Options {
    /// Returns a parser for the options in the parentheses of an attribute.
    pub(crate) fn parser(known: &Known) -> impl Parser<Output = Self> {
        move |input: ParseStream<'_>| Self::parse(input, known)
    }

    fn parse(input: ParseStream<'_>, known: &Known) -> syn::Result<Self> {
        let mut options = Self { wayside: parse_quote!(::wayside), max_body: None, service: None };
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            match known.iter().find(|example| name == example.split(' ').next().unwrap_or_default()) {
                Some(&CRATE) => {
                    value(input, &name, "the path of the `wayside` crate, as in `crate = roadside`")?;
                    options.wayside = input.call(Path::parse_mod_style)?;
                }
                Some(&MAX_BODY) => {
                    value(input, &name, "a size, as in `max_body = \"10 MiB\"`")?;
                    options.max_body = Some(size(&input.parse()?)?);
                }
                Some(&SERVICE) => options.service = Some(name),
                _ => return Err(syn::Error::new_spanned(&name, unknown(&name, known))),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

fn unknown(name: &Ident, known: &Known) -> String {
    match known {
        [only] => format!("unknown option `{name}`; the only option is `{only}`"),
        [first @ .., last] => {
            format!("unknown option `{name}`; the options are `{}` and `{last}`", first.join("`, `"))
        }
        [] => format!("unknown option `{name}`"),
    }
}

fn value(input: ParseStream<'_>, name: &Ident, what: &str) -> syn::Result<()> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new_spanned(name, format!("`{name}` needs {what}")));
    }
    input.parse::<Token![=]>().map(drop)
}

/// Parses a size with a decimal or binary unit, and returns the number of bytes.
fn size(literal: &LitStr) -> syn::Result<u64> {
    let text = literal.value();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "B" => 1,
        "kB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => 0,
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|_| unit > 0);
    bytes.ok_or_else(|| {
        syn::Error::new_spanned(
            literal,
            format!("`{text}` is not a size; write a whole number and one of B, kB, KiB, MB, MiB, GB, GiB"),
        )
    })
}
