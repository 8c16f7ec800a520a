//! The addresses at which a component may reach a server.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{lies_in, special};

/// The permitted addresses of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) any: bool,
    pub(super) public: bool,
    pub(super) nets: Vec<IpNet>,
}

/// The reason why an address is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The address is special, of the given kind, and only rules with a wildcard match the server.
    Special(&'static str),
    /// The address is in none of the allowed ranges.
    Outside,
}

impl Refusal {
    pub(super) fn sentence(self, address: IpAddr) -> String {
        match self {
            Self::Special(kind) => format!(": the address {address} is {kind}, which a `*` does not stand for"),
            Self::Outside => format!(": the address {address} is in no range that is allowed"),
        }
    }
}

impl Addresses {
    pub(super) fn allow(&self, address: IpAddr) -> Result<(), Refusal> {
        if self.any || self.nets.iter().any(|net| lies_in(address, net)) {
            return Ok(());
        }
        match special(address) {
            None if self.public => Ok(()),
            Some(kind) if self.public => Err(Refusal::Special(kind)),
            _ => Err(Refusal::Outside),
        }
    }
}
