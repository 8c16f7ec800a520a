//! Reads `wayside.toml`, which describes a server and its components. The keys of a component are named after the flags
//! of `wayside serve`.

mod keys;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use wayside_harness::{Error, Rule};

use crate::args::{Guest, Instances, Outbound, Serving, Store, Target, parse_rule, parse_secret, parse_store};
use crate::log::Format;
use crate::units::{parse_duration, parse_memory, parse_size};

/// The name of the settings file that is looked for in the working directory.
pub(crate) const FILE: &str = "wayside.toml";

/// The contents of a settings file.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) addr: Option<String>,
    pub(crate) log: Option<Format>,
    pub(crate) client_timeout: Option<Duration>,
    pub(crate) drain_timeout: Option<Duration>,
    pub(crate) components: Vec<Component>,
}

/// One component of a server.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) route: String,
    pub(crate) target: Target,
    pub(crate) guest: Guest,
    pub(crate) serving: Serving,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    addr: Option<String>,
    log: Option<Format>,
    #[serde(default, deserialize_with = "duration")]
    client_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    drain_timeout: Option<Duration>,
    #[serde(default)]
    component: BTreeMap<String, Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    path: PathBuf,
    route: Option<String>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    middleware: Vec<PathBuf>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    env_file: Vec<PathBuf>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "store")]
    keyvalue: Option<Store>,
    #[serde(default, deserialize_with = "rules")]
    allow_outbound: Vec<Rule>,
    mock: Option<PathBuf>,
    record: Option<PathBuf>,
    #[serde(default, deserialize_with = "secrets")]
    redact: Vec<String>,
    replay: Option<PathBuf>,
    #[serde(default)]
    replay_pauses: bool,
    learn_outbound: Option<PathBuf>,
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<Duration>,
    #[serde(default, deserialize_with = "memory")]
    max_memory: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    max_body: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    max_concurrency: Option<u32>,
    #[serde(default, deserialize_with = "count")]
    reuse: Option<u32>,
    #[serde(default, deserialize_with = "count")]
    at_once: Option<u32>,
    #[serde(default)]
    count_fuel: bool,
}

/// Reads a settings file. Paths in it are relative to the directory of the file.
pub(crate) fn read(path: &Path) -> Result<Settings, Error> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new(format!("cannot read the settings `{}`", path.display()))
            .with_help("name a `.wasm` file or the directory of a crate, or write a file with `[component.NAME]`, `path` and `route`")
            .with_source(error)
    })?;
    let file = parse(path, &text)?;
    if file.component.is_empty() {
        return Err(Error::new(format!("the settings `{}` name no component", path.display()))
            .with_help("write `[component.NAME]`, and below it `path = \"app.wasm\"`"));
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    let components = file.component.into_iter().map(|(name, table)| component(path, dir, name, table));
    Ok(Settings {
        addr: file.addr,
        log: file.log,
        client_timeout: file.client_timeout,
        drain_timeout: file.drain_timeout,
        components: components.collect::<Result<_, _>>()?,
    })
}

fn parse(path: &Path, text: &str) -> Result<File, Error> {
    let wrong = |offset: Option<usize>, what: &str, help: String| {
        let place = offset.map_or(String::new(), |offset| place(text, offset));
        Error::new(format!("the settings `{}` cannot be understood{place}: {what}", path.display())).with_help(help)
    };
    let syntax = |error: toml::de::Error| {
        let offset = error.span().map(|span| span.start);
        wrong(offset, error.message(), "README.md of Wayside lists the keys and their values".to_owned())
    };
    let tree = toml::de::DeTable::parse(text).map_err(syntax)?;
    if let Some(unknown) = keys::find_unknown::<File, Table>(&tree) {
        return Err(wrong(Some(unknown.offset), &format!("there is no key `{}`", unknown.key), unknown.help()));
    }
    toml::from_str(text).map_err(syntax)
}

/// Formats a position in a file, such as `, line 2, column 5`.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(", line {line}, column {column}")
}

fn component(file: &Path, dir: &Path, name: String, table: Table) -> Result<Component, Error> {
    let within = |path: PathBuf| dir.join(path);
    let outbound = Outbound {
        allow_outbound: table.allow_outbound,
        mock: table.mock.map(within),
        record: table.record.map(within),
        redact: table.redact,
        replay: table.replay.map(within),
        replay_pauses: table.replay_pauses,
        learn_outbound: table.learn_outbound.map(within),
    };
    if let Some((one, other)) = outbound.conflict() {
        return Err(Error::new(format!(
            "the settings `{}` give the component `{name}` both `{one}` and `{other}`",
            file.display()
        ))
        .with_help("keep one of them: they answer the same calls"));
    }
    Ok(Component {
        name,
        route: table.route.unwrap_or_else(|| "/".to_owned()),
        target: Target { target: within(table.path), features: table.features },
        guest: Guest {
            middleware: table.middleware.into_iter().map(within).collect(),
            env: table.env.into_iter().collect(),
            env_file: table.env_file.into_iter().map(within).collect(),
            config: table.config.into_iter().collect(),
            keyvalue: table.keyvalue.map(|store| match store {
                Store::File(path) => Store::File(within(path)),
                store => store,
            }),
            outbound,
            timeout: table.timeout,
            max_memory: table.max_memory,
            max_body: table.max_body,
            trace_wasi: false,
        },
        serving: Serving {
            max_concurrency: table.max_concurrency,
            instances: Instances { reuse: table.reuse, at_once: table.at_once },
            count_fuel: table.count_fuel,
        },
    })
}

impl Component {
    /// Applies flags to the settings of the file. A flag replaces the whole setting, except that `--env` and `--config`
    /// replace only the values of the same names. The flag `--env-file` has already become a part of `--env`.
    pub(crate) fn with_flags(mut self, guest: &Guest, serving: &Serving) -> Self {
        let flags = guest.clone();
        let own = self.guest;
        self.guest = Guest {
            middleware: if flags.middleware.is_empty() { own.middleware } else { flags.middleware },
            env: [own.env, flags.env].concat(),
            env_file: own.env_file,
            config: [own.config, flags.config].concat(),
            keyvalue: flags.keyvalue.or(own.keyvalue),
            outbound: flags.outbound.over(own.outbound),
            timeout: flags.timeout.or(own.timeout),
            max_memory: flags.max_memory.or(own.max_memory),
            max_body: flags.max_body.or(own.max_body),
            trace_wasi: flags.trace_wasi,
        };
        self.serving.max_concurrency = serving.max_concurrency.or(self.serving.max_concurrency);
        let (instances, own) = (serving.instances, self.serving.instances);
        self.serving.instances.reuse = instances.reuse.or(own.reuse);
        self.serving.instances.at_once = instances.at_once.or(own.at_once);
        self.serving.count_fuel |= serving.count_fuel;
        self
    }
}

fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    parse(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    parsed(deserializer, parse_duration)
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    parsed(deserializer, parse_memory)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    parsed(deserializer, parse_size)
}

fn store<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Store>, D::Error> {
    parsed(deserializer, parse_store)
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("it must be 1 at least")),
        count => Ok(Some(count)),
    }
}

fn list<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| parse(text).map_err(D::Error::custom)).collect()
}

fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rule>, D::Error> {
    list(deserializer, parse_rule)
}

fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, parse_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, String) {
        let error = parse(Path::new("wayside.toml"), text).map(|_| ()).unwrap_err();
        (error.to_string(), error.help().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        for (text, what) in [
            ("addr = 1", "line 1, column 8: invalid type: integer `1`, expected a string"),
            ("[component.a]\npath = \"a\"\ntimeout = \"30\"", "line 3, column 11: write a duration with its unit"),
            ("[component.a]\npath = \"a\"\nreuse = 0", "line 3, column 9: it must be 1 at least"),
            ("[component.a]\npath = \"a\"\nallow-outbound = [\"ftp://x\"]", "line 3, column 18: "),
            ("[component.a]\npath = \"a\"\nredact = [\"x: y\"]", "line 3, column 10: write the name alone"),
            ("[component.a]\nroute = \"/\"", "line 1, column 1: missing field `path`"),
            ("[component.a\n", "line 1, column 13: "),
            ("log = \"xml\"", "line 1, column 7: unknown variant `xml`, expected `text` or `json`"),
        ] {
            let (error, _) = error(text);
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_with_the_nearest_known_one() {
        for (text, what, nearest) in [
            ("adr = \"x\"", "line 1, column 1: there is no key `adr`", Some("addr")),
            (
                "\n[component.a]\npath = \"a\"\n  rout = \"/\"",
                "line 4, column 3: there is no key `rout`",
                Some("route"),
            ),
            ("component.a = { path = \"a\", max_body = \"1\" }", "there is no key `max_body`", Some("max-body")),
            ("[components.a]\npath = \"a\"", "there is no key `components`", Some("component")),
            ("zebra = 1", "there is no key `zebra`", None),
        ] {
            let (error, help) = error(text);
            assert!(error.contains(what), "{error}");
            match nearest {
                Some(nearest) => assert!(help.starts_with(&format!("write `{nearest}`")), "{help}"),
                None => assert!(help.starts_with("the keys here are `addr`, `log`"), "{help}"),
            }
        }
    }

    #[test]
    fn names_of_variables_and_settings_are_free() {
        let text = "[component.a]\npath = \"a\"\nenv = { ANY = \"1\" }\n[component.a.config]\nany = \"2\"\n";
        assert_eq!(parse(Path::new("wayside.toml"), text).unwrap().component["a"].config["any"], "2");
    }
}
