//! The exit codes of the command `wayside`.

/// The exit codes of every sub-command. Code 2 is missing here: clap exits with it if the arguments are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// The command did what it was asked for. For `request`, the status was below 400.
    Success = 0,
    /// The command failed; stderr says why.
    Failure = 1,
    /// `check`: one of the given hosts cannot run the component, or one of the given worlds does not fit.
    WouldNotRun = 3,
    /// `request`: the status was 4xx.
    ClientError = 4,
    /// `request`: the status was 5xx.
    ServerError = 5,
    /// `request`: the response broke off before its end.
    Incomplete = 6,
    /// `bench`: the component takes more time or fuel than `--fail-above` allows.
    Regression = 7,
}

/// The section on exit codes in the help of most sub-commands.
pub(crate) const USUAL: &str = "Exit codes:
  0  it is done
  1  it cannot be done; stderr says why
  2  the arguments cannot be understood";

/// The section on exit codes in the help of `request`.
pub(crate) const OF_REQUEST: &str = "Exit codes:
  0  the status is below 400
  1  the component cannot be run; stderr says why
  2  the arguments cannot be understood
  4  the status is 4xx
  5  the status is 5xx
  6  the response broke off";

/// The section on exit codes in the help of `check`.
pub(crate) const OF_CHECK: &str = "Exit codes:
  0  the hosts and worlds that were named would do, or none was named
  1  the component cannot be read; stderr says why
  2  the arguments cannot be understood
  3  one that was named would not do";

/// The section on exit codes in the help of `bench`.
pub(crate) const OF_BENCH: &str = "Exit codes:
  0  it was measured
  1  the component cannot be run, fails with 5xx or a cut response, or answers
     with other statuses than that of --vs where --fail-above is given
  2  the arguments cannot be understood
  7  it takes more time or fuel than --fail-above allows";

impl ExitCode {
    /// Returns the code for a response with this status.
    pub(crate) fn of_status(status: http::StatusCode) -> Self {
        if status.is_server_error() {
            Self::ServerError
        } else if status.is_client_error() {
            Self::ClientError
        } else {
            Self::Success
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_told_of_in_a_help() {
        use ExitCode::{ClientError, Failure, Incomplete, Regression, ServerError, Success, WouldNotRun};
        let all = [USUAL, OF_REQUEST, OF_CHECK, OF_BENCH].concat();
        for code in [Success, Failure, WouldNotRun, ClientError, ServerError, Incomplete, Regression] {
            assert!(all.contains(&format!("\n  {}  ", code as u8)), "{code:?}");
        }
    }

    #[test]
    fn a_status_has_its_code() {
        let code = |status: u16| ExitCode::of_status(status.try_into().unwrap()) as u8;
        assert_eq!([200, 304, 404, 500, 599].map(code), [0, 0, 4, 5, 5]);
    }
}
