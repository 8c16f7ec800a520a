//! The options in the parentheses of an attribute.

use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Path, Token, parse_quote};

/// The options of all attributes. Each attribute declares which of them it has.
pub(crate) struct Options {
    /// The path of the `wayside` crate.
    pub(crate) wayside: Path,
    /// The body limit of extractors.
    pub(crate) max_body: Option<u64>,
    /// Whether the function makes a service.
    pub(crate) service: Option<Ident>,
}

const KNOWN: &str = "the options are `crate = path`, `max_body = \"10 MiB\"` and `service`";

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self { wayside: parse_quote!(::wayside), max_body: None, service: None };
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            match name.to_string().as_str() {
                "crate" => {
                    value(input, &name, "the path of the `wayside` crate, as in `crate = roadside`")?;
                    options.wayside = input.call(Path::parse_mod_style)?;
                }
                "max_body" => {
                    value(input, &name, "a size, as in `max_body = \"10 MiB\"`")?;
                    options.max_body = Some(size(&input.parse()?)?);
                }
                "service" => options.service = Some(name),
                other => return Err(syn::Error::new_spanned(&name, format!("unknown option `{other}`; {KNOWN}"))),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

fn value(input: ParseStream<'_>, name: &Ident, what: &str) -> syn::Result<()> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new_spanned(name, format!("`{name}` needs {what}")));
    }
    input.parse::<Token![=]>().map(drop)
}

/// Parses a size: a number and a unit, decimal or binary.
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
            format!("`{text}` is no size; write a whole number and one of B, kB, KiB, MB, MiB, GB, GiB"),
        )
    })
}
