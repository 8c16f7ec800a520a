//! The servers that a component may call, and the addresses at which it may reach them.

use std::sync::Arc;

use http::Uri;

use super::permitted::Addresses;
use super::rule::{Rule, address, default_port};

/// A set of rules.
#[derive(Clone, Debug)]
pub(super) struct Policy(Arc<[Rule]>);

impl Policy {
    pub(super) fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// Returns the permitted addresses for a call: none, if no rule allows it.
    pub(super) fn addresses(&self, uri: &Uri) -> Addresses {
        let mut addresses = Addresses::default();
        for rule in &*self.0 {
            rule.permit(uri, &mut addresses);
        }
        addresses
    }

    /// Denies a call that no rule allows, with a message that says how to allow it. The addresses of a name are checked
    /// after the lookup.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), String> {
        let addresses = self.addresses(uri);
        match uri.host().and_then(address) {
            Some(address) if addresses != Addresses::default() => {
                addresses.allow(address).map_err(|kind| denied(uri, &kind.sentence(address)))
            }
            _ if addresses == Addresses::default() => Err(denied(uri, "")),
            _ => Ok(()),
        }
    }
}

/// Returns the narrowest rule that would allow a call.
pub(super) fn target(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match uri.port_u16().filter(|port| uri.scheme().and_then(default_port) != Some(*port)) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Formats the message for a denied call, with the rule that would allow it.
pub(super) fn denied(uri: &Uri, why: &str) -> String {
    let target = target(uri);
    format!("denied the outbound call to {target}{why}; allow it with `--allow-outbound {target}`")
}

#[cfg(test)]
mod tests {
    use super::super::permitted::Refusal;
    use super::*;

    #[test]
    fn rules_add_up_to_the_addresses_at_which_a_server_may_be() {
        let policy = Policy::new(["*", "10.0.0.0/8", "local.test"].map(|rule| rule.parse().unwrap()));
        let allow = |uri: &str, address: &str| policy.addresses(&uri.parse().unwrap()).allow(address.parse().unwrap());
        assert_eq!(allow("http://a.test/", "8.8.8.8"), Ok(()));
        assert_eq!(allow("http://a.test/", "10.0.0.1"), Ok(()));
        assert_eq!(allow("http://a.test/", "127.0.0.1"), Err(Refusal::Special("loopback")));
        assert_eq!(allow("http://local.test/", "127.0.0.1"), Ok(()));
        let policy = Policy::new(["10.0.0.0/8".parse().unwrap()]);
        let addresses = policy.addresses(&"http://a.test/".parse().unwrap());
        assert_eq!(addresses.allow("8.8.8.8".parse().unwrap()), Err(Refusal::Outside));
    }

    #[test]
    fn a_denial_names_the_flag() {
        let check = |rules: &[&str], uri: &str| {
            Policy::new(rules.iter().map(|rule| rule.parse().unwrap())).check(&uri.parse().unwrap())
        };
        let denied = check(&[], "http://example.org:81/secret?x=1").unwrap_err();
        assert!(denied.contains("`--allow-outbound http://example.org:81`"), "{denied}");
        assert!(!denied.contains("secret"));
        let denied = check(&["*"], "https://127.0.0.1:443/").unwrap_err();
        assert_eq!(
            denied,
            "denied the outbound call to https://127.0.0.1: the address 127.0.0.1 is loopback, which a `*` does not stand for; \
             allow it with `--allow-outbound https://127.0.0.1`"
        );
    }
}
