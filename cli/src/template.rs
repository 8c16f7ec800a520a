//! The templates of `wayside new`.

use std::path::Path;

use clap::ValueEnum;

/// A template for a new crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// A greeting in one function
    Hello,
    /// JSON in and out, checked before the handler runs
    Json,
    /// Sends requests on to another server
    Proxy,
    /// An `axum::Router` as the handler
    Axum,
    /// Stands in front of another handler
    Middleware,
}

/// The parts in which the templates differ.
struct Parts {
    about: &'static str,
    dependencies: &'static str,
    lib: &'static str,
    component: &'static str,
}

macro_rules! parts {
    ($dir:literal) => {
        Parts {
            about: include_str!(concat!("../templates/", $dir, "/about.md")),
            dependencies: include_str!(concat!("../templates/", $dir, "/dependencies.toml")),
            lib: include_str!(concat!("../templates/", $dir, "/lib.rs")),
            component: include_str!(concat!("../templates/", $dir, "/component.rs")),
        }
    };
}

const MANIFEST: &str = include_str!("../templates/shared/manifest.toml");
const COMPONENT_TESTS: &str = include_str!("../templates/shared/component-tests.toml");
const README: &str = include_str!("../templates/shared/README.md");
const GITIGNORE: &str = include_str!("../templates/shared/gitignore");

impl Template {
    fn parts(self) -> Parts {
        match self {
            Self::Hello => parts!("hello"),
            Self::Json => parts!("json"),
            Self::Proxy => parts!("proxy"),
            Self::Axum => parts!("axum"),
            Self::Middleware => parts!("middleware"),
        }
    }

    /// The files of an application to try middleware with. Other templates have none.
    fn app(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Middleware => &[
                ("app/Cargo.toml", include_str!("../templates/middleware/app.toml")),
                ("app/src/lib.rs", include_str!("../templates/middleware/app.rs")),
            ],
            _ => &[],
        }
    }

    /// The part of the README that shows how to run the component on other hosts.
    fn elsewhere(self) -> &'static str {
        match self {
            Self::Middleware => include_str!("../templates/middleware/elsewhere.md"),
            _ => include_str!("../templates/shared/elsewhere.md"),
        }
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The arguments with which `wayside dev` runs the made crate, with a space before them.
    pub(crate) fn arguments(self) -> &'static str {
        match self {
            Self::Proxy => " --env UPSTREAM=http://127.0.0.1:8000 --allow-outbound http://127.0.0.1:8000",
            Self::Middleware => " app --middleware .",
            _ => "",
        }
    }

    /// Returns the files of a new crate with this name, which depends on a checkout of Wayside. `lock_file` is the lock
    /// file of the checkout; with it, the component tests of all made crates use the same versions.
    pub(crate) fn files(self, name: &str, checkout: &Path, lock_file: Option<String>) -> Vec<(&'static str, String)> {
        let parts = self.parts();
        let fill = |text: &str| {
            text.replace("{{dependencies}}", parts.dependencies)
                .replace("{{about}}", parts.about)
                .replace("{{dev}}", self.arguments())
                .replace("{{elsewhere}}", self.elsewhere())
                .replace("{{members}}", if self.app().is_empty() { "" } else { "members = [\"app\"]\n" })
                .replace("{{name}}", name)
                .replace("{{file}}", &name.replace('-', "_"))
                .replace("{{sdk}}", &toml_string(&checkout.join("sdk")))
                .replace("{{harness}}", &toml_string(&checkout.join("host-harness")))
        };
        let own = [
            (".gitignore", fill(GITIGNORE)),
            ("Cargo.toml", fill(MANIFEST)),
            ("README.md", fill(README)),
            ("src/lib.rs", fill(parts.lib)),
            ("component-tests/Cargo.toml", fill(COMPONENT_TESTS)),
            ("component-tests/tests/component.rs", fill(parts.component)),
        ];
        let lock_file = lock_file.map(|text| ("component-tests/Cargo.lock", text));
        own.into_iter().chain(lock_file).chain(self.app().iter().map(|(file, text)| (*file, fill(text)))).collect()
    }
}

fn toml_string(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().into_owned()).to_string()
}

/// Lists the templates, one line each: name and description.
pub(crate) fn list() -> String {
    let values = Template::value_variants().iter().filter_map(Template::to_possible_value);
    values
        .map(|value| {
            format!("{:<10} {}\n", value.get_name(), value.get_help().map(ToString::to_string).unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        for template in Template::value_variants() {
            for (file, text) in template.files("app", Path::new("/a \"b\""), None) {
                assert!(!text.contains("{{") && !text.contains("}}\n"), "{file} of {template:?}: {text}");
            }
        }
    }

    #[test]
    fn any_path_of_a_checkout_makes_a_manifest() {
        for (file, text) in Template::Hello.files("app", Path::new("/a \"b\" \\ 'c'"), None) {
            if file.ends_with(".toml") {
                text.parse::<toml::Table>().unwrap();
            }
        }
    }
}
