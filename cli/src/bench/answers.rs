//! Counts the responses to the measured requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::StatusCode;

use crate::args::Expected;

/// What is counted of one response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// Whether the response was complete.
    pub(super) is_whole: bool,
}

impl Answered {
    /// Whether the component failed: with a response that broke off, or with a status that is not expected. If none is,
    /// those are the 5xx.
    pub(super) fn has_failed(self, expected: &[Expected]) -> bool {
        let status = self.status.as_u16();
        let is_expected = match expected {
            [] => !self.status.is_server_error(),
            expected => expected.iter().any(|expected| expected.allows(status)),
        };
        !is_expected || !self.is_whole
    }
}

/// The counted responses of one component.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) statuses: BTreeMap<u16, u64>,
    /// The number of failures; see [`Answered::has_failed`].
    pub(super) failed: u64,
}

impl Answers {
    pub(super) fn add(&mut self, answer: Answered, expected: &[Expected]) {
        *self.statuses.entry(answer.status.as_u16()).or_default() += 1;
        self.failed += u64::from(answer.has_failed(expected));
    }

    /// Returns the number of responses with 4xx or 5xx if they are more than half of all.
    pub(super) fn most_are_errors(&self) -> Option<u64> {
        let errors: u64 = self.statuses.range(400..).map(|(_, count)| count).sum();
        (errors * 2 > self.statuses.values().sum()).then_some(errors)
    }

    /// Formats the number of responses with each status: `980 with 200, 20 with 404`.
    pub(super) fn distribution(&self) -> String {
        self.statuses.iter().map(|(status, count)| format!("{count} with {status}")).collect::<Vec<_>>().join(", ")
    }

    /// Returns the number of responses with a status outside of 2xx.
    pub(super) fn non_2xx(&self) -> u64 {
        self.others().map(|(_, count)| count).sum()
    }

    /// Whether there were responses, and none of them has a 2xx status.
    pub(super) fn none_is_2xx(&self) -> bool {
        !self.statuses.is_empty() && self.statuses.keys().all(|status| !is_2xx(*status))
    }

    /// Whether another component answered with the same set of statuses, however often with each.
    pub(super) fn has_the_statuses_of(&self, other: &Self) -> bool {
        self.statuses.keys().eq(other.statuses.keys())
    }

    /// Formats the statuses outside of 2xx, by class: `4xx: 30 of 401, 2 of 404; 5xx: 1 of 503`.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut class = 0;
        for (status, count) in self.others() {
            // Writing to a `String` never fails.
            let _ = match status / 100 {
                this if this == class => write!(text, ", {count} of {status}"),
                this => write!(text, "{}{this}xx: {count} of {status}", if text.is_empty() { "" } else { "; " }),
            };
            class = status / 100;
        }
        text
    }

    /// Formats the statuses: `200, 404`.
    pub(super) fn list(&self) -> String {
        self.statuses.keys().map(u16::to_string).collect::<Vec<_>>().join(", ")
    }

    fn others(&self) -> impl Iterator<Item = (u16, u64)> {
        self.statuses.iter().map(|(status, count)| (*status, *count)).filter(|(status, _)| !is_2xx(*status))
    }
}

fn is_2xx(status: u16) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(all: &[(u16, bool)]) -> Answers {
        let mut answers = Answers::default();
        for (status, is_whole) in all {
            answers.add(Answered { status: (*status).try_into().unwrap(), is_whole: *is_whole }, &[]);
        }
        answers
    }

    #[test]
    fn statuses_other_than_2xx_are_counted_by_class() {
        let answers =
            answers(&[(200, true), (401, true), (503, true), (401, true), (404, true), (299, true), (304, true)]);
        assert_eq!((answers.non_2xx(), answers.failed), (5, 1));
        assert_eq!(answers.text(), "3xx: 1 of 304; 4xx: 2 of 401, 1 of 404; 5xx: 1 of 503");
        assert_eq!(answers.list(), "200, 299, 304, 401, 404, 503");
    }

    #[test]
    fn a_response_that_breaks_off_fails_and_has_its_status() {
        let answers = answers(&[(200, false), (500, false)]);
        assert_eq!((answers.failed, answers.non_2xx()), (2, 1));
    }

    #[test]
    fn responses_are_mostly_errors_above_one_half() {
        assert_eq!(answers(&[(200, true), (404, true)]).most_are_errors(), None);
        assert_eq!(answers(&[(200, true), (404, true), (503, true)]).most_are_errors(), Some(2));
        assert_eq!(answers(&[(302, true), (304, true)]).most_are_errors(), None);
        assert_eq!(answers(&[(404, true), (200, true), (404, true)]).distribution(), "1 with 200, 2 with 404");
    }

    #[test]
    fn exactly_the_expected_statuses_are_no_failures() {
        let answered = |status: u16, is_whole| Answered { status: status.try_into().unwrap(), is_whole };
        let expected = [Expected::Status(404), Expected::Class(5)];
        assert!(!answered(404, true).has_failed(&expected) && !answered(503, true).has_failed(&expected));
        assert!(answered(200, true).has_failed(&expected) && answered(404, false).has_failed(&expected));
        assert!(answered(503, true).has_failed(&[]) && !answered(404, true).has_failed(&[]));
    }

    #[test]
    fn no_answer_is_no_answer_without_2xx() {
        assert!(!answers(&[]).none_is_2xx());
        assert!(answers(&[(302, true), (401, true)]).none_is_2xx());
        assert!(!answers(&[(302, true), (204, true)]).none_is_2xx());
    }

    #[test]
    fn components_differ_that_answer_with_different_statuses() {
        let one = answers(&[(200, true), (200, true), (404, true)]);
        assert!(one.has_the_statuses_of(&answers(&[(404, true), (200, true)])));
        assert!(!one.has_the_statuses_of(&answers(&[(200, true)])));
    }
}
