//! What the command tells its caller.

/// The exit codes of every sub-command. Code 2 is for arguments that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// It worked; for `request`, the status was below 400.
    Success = 0,
    /// It could not be done; stderr says why.
    Failure = 1,
    /// `check`: a host that was named would not run the component.
    WouldNotRun = 3,
    /// `request`: the status was 4xx.
    ClientError = 4,
    /// `request`: the status was 5xx.
    ServerError = 5,
    /// `request`: the response broke off before its end.
    Incomplete = 6,
    /// `bench`: the component takes more than is allowed.
    Regression = 7,
}

impl ExitCode {
    /// The code for a response with this status.
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
    fn a_status_has_its_code() {
        let code = |status: u16| ExitCode::of_status(status.try_into().unwrap()) as u8;
        assert_eq!([200, 304, 404, 500, 599].map(code), [0, 0, 4, 5, 5]);
    }
}
