//! Conversions to URLs.

use std::borrow::Cow;

use bytes::Bytes;
use http::Uri;

/// A type that can be the URL of a request, such as a string or a [`Uri`].
///
/// A string is parsed as browsers parse it: invalid characters are percent-encoded, the path segments `.` and `..` are
/// resolved, and surrounding spaces are removed. A host must be ASCII: write an international name in punycode. A
/// fragment is not sent, but [`ResponseExt::final_url`](super::ResponseExt::final_url) returns it.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// use wayside::{Request, client, test};
///
/// let _upstream = test::outbound(async |request: Request| request.uri().to_string());
/// let seen = client::get("http://menu.example/café?q=crème brûlée").await?.into_body().text().await?;
/// assert_eq!(seen, "http://menu.example/caf%C3%A9?q=cr%C3%A8me%20br%C3%BBl%C3%A9e");
/// # Ok::<(), wayside::Error>(()) }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a URL",
    label = "expected text or `wayside::Uri`",
    note = "a URL is a `&str`, a `String`, a `&String`, a `Cow<str>`, a `Uri` or a `&Uri`"
)]
pub trait IntoUrl: sealed::IntoUrl {}

pub(super) mod sealed {
    use crate::url::Url;

    /// The text of an invalid URL, and the reason why it is invalid.
    pub struct Invalid {
        pub(in crate::client) reason: String,
        pub(in crate::client) text: Vec<u8>,
    }

    /// A parsed URL.
    pub struct Parsed(pub(in crate::client) Url);

    pub trait IntoUrl {
        fn into_url(self) -> Result<Parsed, Invalid>;
    }
}

use sealed::{Invalid, Parsed};

fn parse(text: Bytes) -> Result<Parsed, Invalid> {
    match crate::url::parse(&text) {
        Ok(url) => Ok(Parsed(url)),
        Err(reason) => Err(Invalid { reason, text: text.into() }),
    }
}

/// Implements [`IntoUrl`] and the sealed trait of the same name for each listed type.
macro_rules! into_url {
    ($([$($generics:tt)*] $type:ty, $self:ident => $url:expr;)*) => {$(
        impl<$($generics)*> IntoUrl for $type {}

        impl<$($generics)*> sealed::IntoUrl for $type {
            fn into_url($self) -> Result<Parsed, Invalid> {
                $url
            }
        }
    )*};
}

into_url! {
    [] String, self => parse(self.into());
    [] &String, self => self.as_str().into_url();
    [] &str, self => parse(Bytes::copy_from_slice(self.as_bytes()));
    [] Cow<'_, str>, self => self.into_owned().into_url();
    [] Vec<u8>, self => parse(self.into());
    [] &[u8], self => parse(Bytes::copy_from_slice(self));
    [] Uri, self => {
        let mut uri = self;
        crate::url::encode_fully(&mut uri);
        Ok(Parsed(uri.into()))
    };
    [] &Uri, self => self.clone().into_url();
    [] http::uri::Parts, self => Uri::from_parts(self)
        .map_err(|error| Invalid { reason: format!("the URL is not valid: {error}"), text: Vec::new() })?
        .into_url();
}
