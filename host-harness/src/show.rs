//! Makes text from outside safe to show: on a terminal, in a log, on a page.
//!
//! Requests, responses, file names, settings and components decide much of what is printed. A terminal obeys control
//! characters instead of showing them, and a bidirectional control reorders what stands around it. So everything that is
//! printed goes through this module, which writes such characters as escapes, `\u{1b}`, and hides passwords of URLs.

mod control;
mod url;

pub use control::{Escaper, bytes, json, line, text};
pub(crate) use control::{is_control, whole_characters};
pub(crate) use url::{bare_urls, redact_authority, redact_userinfo, without_userinfo};
pub use url::{url, urls};
