//! The interfaces of hosts and worlds, as far as they are known for certain.
//!
//! wasmtime accepts an import of any version within 0.2 and within 0.3, but of a draft only the exact version. What
//! `wasmtime serve` implements, and with which flags, comes from its source code. jco replaces the packages of WASI 0.2
//! by name, whatever their version. The worlds are those of the WASI standard.

mod interface;

use interface::{Line, Version};

pub(crate) use interface::Interface;

/// A host or a world to check for.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The name on the command line, such as `wasmtime@48`.
    pub(crate) name: String,
    kind: HostKind,
}

#[derive(Clone, Debug)]
enum HostKind {
    Wayside,
    /// `wasmtime serve`, and whether this version of it supports WASI 0.3.
    Wasmtime {
        v03: bool,
    },
    Jco,
    World(World),
}

/// A world. If `newest` is set, interfaces may have that version or an older one; otherwise they may have any version
/// of `line`.
#[derive(Clone, Debug)]
struct World {
    imports: &'static [&'static str],
    export: &'static str,
    line: Line,
    newest: Option<Version>,
}

/// Whether a host supports an import or an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Offered,
    /// The host offers it, but only with this flag.
    With(&'static str),
    /// The host does not offer it, for this reason.
    Missing(&'static str),
}

const PROXY: [&str; 11] = [
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
];

/// The interfaces of the world `wasi:cli/command@0.2` that are not in `PROXY`.
const COMMAND: [&str; 18] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

const SERVICE: [&str; 12] = [
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:http/client",
    "wasi:http/types",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

const MIDDLEWARE: [&str; 13] = [
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:http/client",
    "wasi:http/handler",
    "wasi:http/types",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The interfaces of WASI 0.3 that `wasmtime serve` offers in addition to `SERVICE`, without a flag.
const CLI_03: [&str; 7] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
];

/// The interfaces of WASI 0.3 that `wasmtime serve` offers only with the flag `-Scli`.
const COMMAND_03: [&str; 4] =
    ["wasi:filesystem/preopens", "wasi:filesystem/types", "wasi:sockets/ip-name-lookup", "wasi:sockets/types"];

/// The import with which middleware calls the next handler.
pub(crate) const HANDLER: &str = "wasi:http/handler";

const JCO_PACKAGES: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

const NOT_KNOWN: &str = "this host is not known to offer it";
const NOT_IN_WORLD: &str = "it is not in this world";
const TOO_NEW: &str = "it is newer than this world";
const BEFORE_03: &str = "this host is older than WASI 0.3";
const NO_APPLICATION: &str =
    "it needs a handler to call: name an application as the target, and this with --middleware";
const NO_NEXT: &str = "no host calls on behind a service; `wayside compose` puts an application there";

/// The hosts that the report covers if the user names none.
pub(crate) fn known() -> Vec<Host> {
    ["wayside", "wasmtime@48", "wasmtime@36", "jco"].into_iter().filter_map(|name| parse_host(name).ok()).collect()
}

/// Parses the name of a host.
pub(crate) fn parse_host(text: &str) -> Result<Host, String> {
    let kind = match text {
        "wayside" => HostKind::Wayside,
        "wasmtime@48" => HostKind::Wasmtime { v03: true },
        "wasmtime@36" => HostKind::Wasmtime { v03: false },
        "jco" => HostKind::Jco,
        _ => return Err("enough is known about wasmtime@36, wasmtime@48, jco and wayside".to_owned()),
    };
    Ok(Host { name: text.to_owned(), kind })
}

/// Parses the name of a world.
pub(crate) fn parse_world(text: &str) -> Result<Host, String> {
    let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
    let (imports, export, line): (&'static [&'static str], _, _) = match name {
        "wasi:http/proxy" => (&PROXY, "wasi:http/incoming-handler", Line::V02),
        "wasi:http/service" => (&SERVICE, "wasi:http/handler", Line::V03),
        "wasi:http/middleware" => (&MIDDLEWARE, "wasi:http/handler", Line::V03),
        _ => return Err("write wasi:http/proxy, wasi:http/service or wasi:http/middleware".to_owned()),
    };
    let newest = match version {
        None => None,
        Some(version) => {
            let version = Version::parse(version).filter(|version| version.line() == line);
            Some(version.ok_or("write the version as @0.2.6 for a proxy, and as @0.3.0 for the others")?)
        }
    };
    Ok(Host { name: text.to_owned(), kind: HostKind::World(World { imports, export, line, newest }) })
}

impl Host {
    /// Returns whether this host or world supports an import. `provided` says whether Wayside's own harness offers the
    /// import.
    pub(crate) fn import(&self, import: &Interface, provided: bool) -> Verdict {
        let name = import.name.as_str();
        match &self.kind {
            HostKind::Wayside if provided && name == HANDLER => Verdict::Missing(NO_APPLICATION),
            HostKind::Wayside if provided => Verdict::Offered,
            HostKind::Wayside => Verdict::Missing("this harness does not offer it"),
            HostKind::Wasmtime { v03 } => wasmtime(import, *v03),
            HostKind::Jco => {
                let package = name.strip_prefix("wasi:").and_then(|rest| rest.split('/').next());
                let replaced = package.is_some_and(|package| JCO_PACKAGES.contains(&package));
                if replaced && import.version.line() == Line::V02 {
                    Verdict::Offered
                } else {
                    Verdict::Missing(NOT_KNOWN)
                }
            }
            HostKind::World(world) if !world.imports.contains(&name) => Verdict::Missing(NOT_IN_WORLD),
            HostKind::World(world) => world.version(&import.version),
        }
    }

    /// Returns whether this host or world has a use for one of the exported HTTP handlers.
    pub(crate) fn export(&self, exports: &[Interface]) -> Verdict {
        let handler =
            |name: &str, line| exports.iter().find(|export| export.name == name && export.version.line() == line);
        let (v02, v03) = (handler("wasi:http/incoming-handler", Line::V02), handler("wasi:http/handler", Line::V03));
        match &self.kind {
            HostKind::World(world) => match handler(world.export, world.line) {
                Some(export) => world.version(&export.version),
                None => Verdict::Missing("the component does not export the handler of this world"),
            },
            HostKind::Wayside | HostKind::Wasmtime { v03: true } if v02.or(v03).is_some() => Verdict::Offered,
            HostKind::Wasmtime { v03: false } | HostKind::Jco if v02.is_some() => Verdict::Offered,
            HostKind::Wasmtime { .. } if v03.is_some() => Verdict::Missing(BEFORE_03),
            HostKind::Jco if v03.is_some() => Verdict::Missing(NOT_KNOWN),
            _ => Verdict::Missing("the component exports no HTTP handler"),
        }
    }

    /// Whether this is a world, which is only a list of interfaces and cannot run a component.
    pub(crate) fn is_world(&self) -> bool {
        matches!(self.kind, HostKind::World(_))
    }

    /// Returns the command that runs a component on this host.
    pub(crate) fn command(&self, flags: &[&str], path: &str) -> Option<String> {
        let program = match self.kind {
            HostKind::Wayside => "wayside serve",
            HostKind::Wasmtime { .. } => "wasmtime serve",
            HostKind::Jco => "jco serve",
            HostKind::World(_) => return None,
        };
        let flags: String = flags.iter().map(|flag| format!(" {flag}")).collect();
        Some(format!("{program}{flags} {path}"))
    }
}

impl World {
    fn version(&self, version: &Version) -> Verdict {
        match &self.newest {
            _ if version.line() != self.line => Verdict::Missing(NOT_IN_WORLD),
            Some(newest) if !version.is_within(newest) => Verdict::Missing(TOO_NEW),
            _ => Verdict::Offered,
        }
    }
}

fn wasmtime(import: &Interface, v03: bool) -> Verdict {
    let name = import.name.as_str();
    match import.version.line() {
        Line::V02 if PROXY.contains(&name) => Verdict::Offered,
        Line::V02 if COMMAND.contains(&name) => Verdict::With("-Scli"),
        Line::V03 if !v03 => Verdict::Missing(BEFORE_03),
        Line::V03 if name == HANDLER => Verdict::Missing(NO_NEXT),
        Line::V03 if SERVICE.contains(&name) || CLI_03.contains(&name) => Verdict::Offered,
        Line::V03 if COMMAND_03.contains(&name) => Verdict::With("-Scli"),
        // wasmtime offers these drafts from version 48 on.
        Line::Other if v03 => match import.to_string().as_str() {
            "wasi:config/store@0.2.0-rc.1" => Verdict::With("-Sconfig"),
            "wasi:keyvalue/store@0.2.0-draft"
            | "wasi:keyvalue/atomics@0.2.0-draft"
            | "wasi:keyvalue/batch@0.2.0-draft" => Verdict::With("-Skeyvalue"),
            _ => Verdict::Missing(NOT_KNOWN),
        },
        _ => Verdict::Missing(NOT_KNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(host: &str, name: &str) -> Verdict {
        let host = parse_host(host).or_else(|_| parse_world(host)).unwrap();
        host.import(&Interface::parse(name).unwrap(), true)
    }

    #[test]
    fn wasmtime_offers_the_proxy_and_the_rest_with_flags() {
        for host in ["wasmtime@36", "wasmtime@48"] {
            assert_eq!(import(host, "wasi:http/types@0.2.12"), Verdict::Offered);
            assert_eq!(import(host, "wasi:cli/environment@0.2.0"), Verdict::With("-Scli"));
            assert_eq!(import(host, "wasi:nn/tensor@0.2.0"), Verdict::Missing(NOT_KNOWN));
            assert_eq!(import(host, "wasi:http/types@0.3.0-rc-2025-09-16"), Verdict::Missing(NOT_KNOWN));
        }
        assert_eq!(import("wasmtime@36", "wasi:http/types@0.3.0"), Verdict::Missing(BEFORE_03));
        assert_eq!(import("wasmtime@48", "wasi:http/types@0.3.0"), Verdict::Offered);
        assert_eq!(import("wasmtime@48", "wasi:http/handler@0.3.0"), Verdict::Missing(NO_NEXT));
        assert_eq!(import("wasmtime@48", "wasi:keyvalue/store@0.2.0-draft"), Verdict::With("-Skeyvalue"));
    }

    #[test]
    fn a_world_has_its_imports_up_to_its_version() {
        assert_eq!(import("wasi:http/proxy", "wasi:http/types@0.2.12"), Verdict::Offered);
        assert_eq!(import("wasi:http/proxy@0.2.6", "wasi:http/types@0.2.6"), Verdict::Offered);
        assert_eq!(import("wasi:http/proxy@0.2.6", "wasi:http/types@0.2.12"), Verdict::Missing(TOO_NEW));
        assert_eq!(import("wasi:http/proxy", "wasi:cli/exit@0.2.0"), Verdict::Missing(NOT_IN_WORLD));
        assert_eq!(import("wasi:http/service@0.3.0", "wasi:http/client@0.3.0"), Verdict::Offered);
        assert_eq!(import("wasi:http/service", "wasi:http/types@0.2.6"), Verdict::Missing(NOT_IN_WORLD));
        assert!(parse_world("wasi:http/proxy@0.3.0").is_err() && parse_world("wasi:cli/command").is_err());
    }
}
