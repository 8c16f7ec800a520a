//! How often a call is expected.

use std::fmt;
use std::ops::{RangeFrom, RangeFull, RangeInclusive, RangeToInclusive};

/// How often a [`Call`](super::Call) is expected: a number, or a range such as `1..=3`, `2..`, or `..` for any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    at_least: usize,
    at_most: usize,
}

impl Times {
    pub(super) fn is_reached_by(self, count: usize) -> bool {
        count >= self.at_least
    }

    pub(super) fn allows_another_after(self, count: usize) -> bool {
        count < self.at_most
    }
}

impl Default for Times {
    /// Returns the default: a call is expected once or more.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_has_its_bounds() {
        for (times, allowed) in [
            (Times::default(), [false, true, true, true]),
            (2.into(), [false, false, true, false]),
            ((..).into(), [true; 4]),
            ((2..).into(), [false, false, true, true]),
            ((1..=2).into(), [false, true, true, false]),
            ((..=1).into(), [true, true, false, false]),
        ] {
            for (count, expected) in allowed.into_iter().enumerate() {
                let fits = times.is_reached_by(count) && (count == 0 || times.allows_another_after(count - 1));
                assert_eq!(fits, expected, "{times}: {count}");
            }
        }
    }
}
