//! Names and versions of WIT interfaces.

use std::fmt;

/// The name and the version of a WIT interface, such as `wasi:http/types@0.2.6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// The name without the version, such as `wasi:http/types`.
    pub(crate) name: String,
    pub(super) version: Version,
}

/// A version, such as `0.2.6`. A draft has a further part after a dash, as in `0.2.0-draft`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    numbers: [u64; 3],
    draft: Option<String>,
}

/// The line of releases that a version is in. Versions of WASI 0.2 are compatible with each other, and so are those of
/// 0.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    V02,
    V03,
    /// A draft or another version, which is compatible only with itself.
    Other,
}

impl Interface {
    /// Parses the name of an interface with its version. Returns `None` for any other name, because hosts offer no such
    /// interface.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, version) = text.split_once('@')?;
        let name = name.contains(':').then(|| name.to_owned())?;
        Some(Self { name, version: Version::parse(version)? })
    }
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (numbers, draft) = match text.split_once('-') {
            Some((numbers, draft)) => (numbers, Some(draft.to_owned())),
            None => (text, None),
        };
        let mut parts = numbers.split('.').map(|number| number.parse().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self { numbers, draft })
    }

    pub(super) fn line(&self) -> Line {
        match (self.numbers, &self.draft) {
            ([0, 2, _], None) => Line::V02,
            ([0, 3, _], None) => Line::V03,
            _ => Line::Other,
        }
    }

    /// Whether this version is in the same line as `newest`, and not newer.
    pub(super) fn is_within(&self, newest: &Self) -> bool {
        self.line() == newest.line() && self.numbers <= newest.numbers
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        self.draft.iter().try_for_each(|draft| write!(f, "-{draft}"))
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were_read() {
        for text in ["wasi:http/types@0.2.6", "wasi:keyvalue/store@0.2.0-draft", "wasi:config/store@0.2.0-rc.1"] {
            assert_eq!(Interface::parse(text).unwrap().to_string(), text);
        }
        for text in ["types", "wasi:http/types", "wasi:http/types@x", "wasi:http/types@0.2", "wasi:http/types@0.2.0.1"]
        {
            assert_eq!(Interface::parse(text), None, "{text}");
        }
    }

    #[test]
    fn drafts_fit_nothing_but_themselves() {
        let version = |text| Version::parse(text).unwrap();
        assert_eq!(version("0.3.0-rc-2025-09-16").line(), Line::Other);
        assert!(version("0.2.0").is_within(&version("0.2.6")));
        assert!(!version("0.2.12").is_within(&version("0.2.6")));
        assert!(!version("0.2.0").is_within(&version("0.3.0")));
    }
}
