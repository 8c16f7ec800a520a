//! The command `wayside check`: tells which hosts can run a component.

mod asked;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde::Serialize;
use wayside_harness::{Component, Description, Error, World, cargo, show};

use crate::args::{Check, Target};
use crate::exit_code::ExitCode;
use crate::hosts::{HANDLER, Host, Interface, Verdict, known};
use crate::report;
use asked::Asked;

/// The findings about a component.
#[derive(Serialize)]
struct Findings {
    path: String,
    hosts: Vec<Finding>,
    /// The packages that depend on `wit-bindgen`, by its version. Empty unless the component has several versions of
    /// it.
    bindgens: BTreeMap<String, Vec<String>>,
}

/// The result for one host or world.
#[derive(Serialize)]
struct Finding {
    host: String,
    #[serde(skip)]
    is_world: bool,
    runs: bool,
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    missing: Vec<Lack>,
    with_flags: Vec<Lack>,
}

/// An interface that a host lacks, or offers only with a flag.
#[derive(Serialize)]
struct Lack {
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<String>,
    reason: String,
    asked_by: Vec<String>,
}

pub(crate) async fn run(args: Check) -> Result<ExitCode, Error> {
    let Target { target, features } = args.target;
    let path = cargo::find_or_build(target.clone(), &features, cargo::Progress::Shown).await?;
    let component = Component::load(&path)?;
    let bytes = fs::read(&path)
        .map_err(|error| Error::new(format!("cannot read the component `{}`", path.display())).with_source(error))?;
    let mut asked = Asked::read(&bytes, target.is_dir().then_some(target.as_path()))?;
    let named = !args.host.is_empty() || !args.world.is_empty();
    let hosts = if named { [args.host, args.world].concat() } else { known() };
    let description = component.description();
    let hosts: Vec<Finding> = hosts.iter().map(|host| find(host, description, &asked)).collect();
    let bindgens = if asked.bindgens.len() > 1 { std::mem::take(&mut asked.bindgens) } else { BTreeMap::new() };
    let would_run = !named || hosts.iter().all(|finding| finding.runs);
    let findings = Findings { path: path.display().to_string(), hosts, bindgens };
    if args.json {
        report::json(&json(&findings)?)?;
    } else {
        report::text(&text(&findings))?;
    }
    Ok(if would_run { ExitCode::Success } else { ExitCode::WouldNotRun })
}

fn find(host: &Host, description: &Description, asked: &Asked) -> Finding {
    let (mut missing, mut with_flags, mut flags) = (Vec::new(), Vec::new(), Vec::new());
    let exports: Vec<Interface> = description.exports.iter().filter_map(|name| Interface::parse(name)).collect();
    if let Verdict::Missing(reason) = host.export(&exports) {
        let reason = format!("its handler: {reason}");
        missing.push(Lack { import: None, reason, asked_by: Vec::new() });
    }
    for import in &description.imports {
        let Some(interface) = Interface::parse(&import.name) else {
            if import.name.contains(':') && !import.provided {
                let reason = "no host offers an interface without a version".to_owned();
                missing.push(Lack { import: Some(import.name.clone()), reason, asked_by: Vec::new() });
            }
            continue;
        };
        // Only middleware calls the handler interface. Other components import just its types, which a host need not
        // implement. A world, however, must list the interface.
        let is_middleware = matches!(description.world, World::Middleware { .. });
        if interface.name == HANDLER && !is_middleware && !host.is_world() {
            continue;
        }
        let lack =
            |reason: String| Lack { import: Some(import.name.clone()), reason, asked_by: asked.who(&interface.name) };
        match host.import(&interface, import.provided) {
            Verdict::Offered => {}
            Verdict::With(flag) => {
                if !flags.contains(&flag) {
                    flags.push(flag);
                }
                with_flags.push(lack(format!("needs {flag}")));
            }
            Verdict::Missing(reason) => missing.push(lack(reason.to_owned())),
        }
    }
    let runs = missing.is_empty();
    let command = if runs { host.command(&flags, &description.path.display().to_string()) } else { None };
    Finding { host: host.name.clone(), is_world: host.is_world(), runs, flags, command, missing, with_flags }
}

fn json(findings: &Findings) -> Result<String, Error> {
    let json = serde_json::to_string_pretty(findings)
        .map_err(|error| Error::new("cannot tell the findings as JSON").with_source(error))?;
    Ok(json + "\n")
}

fn text(findings: &Findings) -> String {
    // Writing to a `String` never fails.
    let mut text = format!("{}\n", show::line(&findings.path));
    for finding in &findings.hosts {
        let verdict = match (finding.is_world, finding.runs, finding.flags.as_slice()) {
            (true, true, _) => "fits".to_owned(),
            (true, false, _) => "does not fit".to_owned(),
            (false, true, []) => "would run".to_owned(),
            (false, true, flags) => format!("would run with {}", flags.join(" ")),
            (false, false, _) => "would not run".to_owned(),
        };
        let _ = writeln!(text, "\n{}: {verdict}", finding.host);
        if let Some(command) = finding.command.as_ref() {
            let _ = writeln!(text, "  {}", show::line(command));
        }
        lacks(&mut text, &finding.missing);
        lacks(&mut text, &finding.with_flags);
    }
    if !findings.bindgens.is_empty() {
        text.push_str(
            "\nseveral versions of wit-bindgen made bindings in this component; tasks that are\n\
             spawned through one are not run by the exports of another:\n",
        );
        for (version, packages) in &findings.bindgens {
            let packages = if packages.is_empty() { String::new() } else { format!(" ({})", packages.join(", ")) };
            let _ = writeln!(text, "  {}", show::line(&format!("{version}{packages}")));
        }
    }
    text
}

/// Writes what a host lacks: one paragraph for all interfaces with the same reason and the same importers, one line per
/// package.
fn lacks(text: &mut String, lacks: &[Lack]) {
    let mut left: Vec<&Lack> = lacks.iter().collect();
    while let Some(first) = left.first().copied() {
        let alike = |lack: &&Lack| lack.reason == first.reason && lack.asked_by == first.asked_by;
        let (group, rest): (Vec<&Lack>, Vec<&Lack>) = left.into_iter().partition(alike);
        left = rest;
        let _ = writeln!(text, "  {}", first.reason);
        let mut packages: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for import in group.iter().filter_map(|lack| lack.import.as_deref()) {
            let (package, rest) = import.split_once('/').unwrap_or((import, ""));
            let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
            packages.entry(format!("{package}@{version}:")).or_default().push(interface);
        }
        for (package, interfaces) in packages {
            let last = interfaces.len() - 1;
            let names = interfaces.iter().enumerate();
            let names = names.map(|(at, name)| if at == last { (*name).to_owned() } else { format!("{name},") });
            wrapped(text, std::iter::once(package).chain(names));
        }
        for who in &first.asked_by {
            let _ = writeln!(text, "    asked for by {}", show::line(who));
        }
    }
}

/// The width of the report in characters.
const WIDTH: usize = 80;

/// Wraps words into lines. The first line is indented by four spaces, the following ones by six.
fn wrapped(text: &mut String, words: impl Iterator<Item = String>) {
    let mut column = 3;
    text.push_str("   ");
    for word in words {
        if column + 1 + word.len() > WIDTH {
            text.push_str("\n     ");
            column = 5;
        }
        column += 1 + word.len();
        text.push(' ');
        text.push_str(&show::line(&word));
    }
    text.push('\n');
}
