//! Makes untrusted text safe to print: on a terminal, in a log, on a page.
//!
//! Much of the output comes from requests, responses, file names, settings and components. A terminal executes control
//! characters instead of showing them, and a bidirectional control reorders the text around it. So all output passes
//! through this module, which escapes such characters, as `\u{1b}`, and redacts passwords in URLs.

mod control;
mod url;

pub use control::{Escaper, bytes, json, line, text};
pub(crate) use control::{is_control, whole_characters};
pub(crate) use url::{bare_urls, redact_authority, redact_userinfo, without_userinfo};
pub use url::{url, urls};
