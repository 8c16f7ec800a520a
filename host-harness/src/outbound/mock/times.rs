//! How often a mock expects a call.

use std::fmt;
use std::ops::{RangeFrom, RangeFull, RangeInclusive, RangeToInclusive};
use std::str::FromStr;

/// How often a call is expected: a number, or a range such as `1..=3`, `2..` or `..` for any number including zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    at_least: usize,
    at_most: usize,
}

impl Times {
    pub(super) fn reached(self, count: usize) -> bool {
        count >= self.at_least
    }

    pub(super) fn allows_another(self, count: usize) -> bool {
        count < self.at_most
    }
}

impl Default for Times {
    /// Expects a call once or more.
    fn default() -> Self {
        Self { at_least: 1, at_most: usize::MAX }
    }
}

impl From<usize> for Times {
    fn from(times: usize) -> Self {
        Self { at_least: times, at_most: times }
    }
}

impl From<RangeFull> for Times {
    fn from(_: RangeFull) -> Self {
        Self { at_least: 0, at_most: usize::MAX }
    }
}

impl From<RangeFrom<usize>> for Times {
    fn from(range: RangeFrom<usize>) -> Self {
        Self { at_least: range.start, at_most: usize::MAX }
    }
}

impl From<RangeInclusive<usize>> for Times {
    fn from(range: RangeInclusive<usize>) -> Self {
        Self { at_least: *range.start(), at_most: *range.end() }
    }
}

impl From<RangeToInclusive<usize>> for Times {
    fn from(range: RangeToInclusive<usize>) -> Self {
        Self { at_least: 0, at_most: range.end }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least, self.at_most) {
            (0, usize::MAX) => f.write_str("any number of times"),
            (1, usize::MAX) => f.write_str("once or more"),
            (least, usize::MAX) => write!(f, "{least} times or more"),
            (0, 0) => f.write_str("never"),
            (1, 1) => f.write_str("once"),
            (least, most) if least == most => write!(f, "{least} times"),
            (least, most) => write!(f, "{least} to {most} times"),
        }
    }
}

impl FromStr for Times {
    type Err = String;

    /// Parses `any`, a number, or a range in Rust's syntax.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let parsed = match text.split_once("..") {
            None if text == "any" => Some((..).into()),
            None => number(text).map(Self::from),
            Some((from, to)) => {
                let from = if from.trim().is_empty() { Some(0) } else { number(from) };
                let to = match to.strip_prefix('=') {
                    Some(to) => number(to),
                    None if to.trim().is_empty() => Some(usize::MAX),
                    None => None,
                };
                from.zip(to).filter(|(from, to)| from <= to).map(|(from, to)| Self { at_least: from, at_most: to })
            }
        };
        parsed.ok_or_else(|| format!("`{text}` is no number of times; write `2`, `1..=3`, `2..` or `any`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_means_what_the_range_means() {
        for (text, times) in [
            ("any", Times::from(..)),
            ("..", (..).into()),
            ("2", 2.into()),
            ("1..=3", (1..=3).into()),
            ("2..", (2..).into()),
            ("..=2", (..=2).into()),
        ] {
            assert_eq!(text.parse::<Times>().unwrap(), times, "{text}");
        }
        for bad in ["", "x", "3..=1", "1..4", "-1", "1...2"] {
            assert!(bad.parse::<Times>().unwrap_err().contains("`any`"), "{bad}");
        }
    }
}
