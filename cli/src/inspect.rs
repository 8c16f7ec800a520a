//! The command `wayside inspect`: describes a component.

use std::fmt::Write as _;

use wayside_harness::{Component, Description, Error, World, cargo, show};

use crate::args::{Inspect, Target};
use crate::exit_code::ExitCode;
use crate::report;

pub(crate) async fn run(args: Inspect) -> Result<ExitCode, Error> {
    let Target { target, features } = args.target;
    let path = cargo::find_or_build(target, &features, cargo::Progress::Shown).await?;
    let component = Component::load(path)?;
    let description = component.description();
    if args.json {
        report::json(&json(description)?)?;
    } else {
        report::text(&text(description))?;
    }
    Ok(ExitCode::Success)
}

fn json(description: &Description) -> Result<String, Error> {
    let json = serde_json::to_string_pretty(description)
        .map_err(|error| Error::new("cannot describe the component as JSON").with_source(error))?;
    Ok(json + "\n")
}

fn text(description: &Description) -> String {
    let mut text = String::new();
    // Writing to a `String` never fails.
    let _ = writeln!(text, "{}", show::line(&description.path.display().to_string()));
    let _ = writeln!(text, "world    {}", show::line(&description.world.to_string()));
    let _ = writeln!(text, "size     {} bytes", description.size_bytes);
    for (number, export) in description.exports.iter().enumerate() {
        let _ = writeln!(text, "{:<8} {}", if number == 0 { "exports" } else { "" }, show::line(export));
    }
    for (number, import) in description.imports.iter().enumerate() {
        let note = if import.provided { "" } else { "  (not offered by this harness)" };
        let _ = writeln!(text, "{:<8} {}{note}", if number == 0 { "imports" } else { "" }, show::line(&import.name));
    }
    if description.world == World::Other {
        text.push_str(
            "\nThis component has no HTTP handler. Put `#[http_component]` on a function, so that it exports\n\
             `wasi:http/incoming-handler`.\n",
        );
    }
    text
}
