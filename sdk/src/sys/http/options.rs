//! The options of an outbound call: its time limits.

use std::time::Duration;

/// The time limits of an outbound call. `None` means no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeouts {
    /// The limit from the start of the call to the end of the response body. The component measures it; the host
    /// enforces the limits below.
    pub(crate) total: Option<Duration>,
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) between_bytes: Option<Duration>,
}

/// The `request-options` resource of the host. A setter fails if the host does not support the option.
pub(crate) trait HostOptions {
    fn set_connect_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported>;
    fn set_first_byte_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported>;
    fn set_between_bytes_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported>;
}

/// The host does not support a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsupported;

impl Unsupported {
    pub(crate) const REASON: &str = "the host cannot keep the time limits of the request";
}

/// Makes the options for the limits that the host enforces, which are all but `total`. Returns `None` if none of
/// these is set.
pub(crate) fn options<O: HostOptions>(timeouts: &Timeouts, new: impl FnOnce() -> O) -> Result<Option<O>, Unsupported> {
    let Timeouts { connect, first_byte, between_bytes, .. } = timeouts;
    if connect.is_none() && first_byte.is_none() && between_bytes.is_none() {
        return Ok(None);
    }
    let options = new();
    options.set_connect_timeout(connect.map(nanos))?;
    options.set_first_byte_timeout(first_byte.map(nanos))?;
    options.set_between_bytes_timeout(between_bytes.map(nanos))?;
    Ok(Some(options))
}

/// Converts a duration to nanoseconds, the unit of time in WASI. Saturates at `u64::MAX`, which is 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A host that records the options, and supports no `between-bytes-timeout` above `LIMIT`.
    #[derive(Debug, Default, PartialEq)]
    struct Fake(RefCell<Vec<(&'static str, Option<u64>)>>);

    const LIMIT: u64 = 1_000_000_000;

    impl HostOptions for Fake {
        fn set_connect_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported> {
            self.0.borrow_mut().push(("connect", nanos));
            Ok(())
        }

        fn set_first_byte_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported> {
            self.0.borrow_mut().push(("first-byte", nanos));
            Ok(())
        }

        fn set_between_bytes_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported> {
            self.0.borrow_mut().push(("between-bytes", nanos));
            if nanos.is_some_and(|nanos| nanos > LIMIT) { Err(Unsupported) } else { Ok(()) }
        }
    }

    #[test]
    fn without_limits_there_are_no_options() {
        assert_eq!(options(&Timeouts::default(), Fake::default), Ok(None));
    }

    #[test]
    fn the_total_limit_is_not_an_option_of_the_host() {
        let timeouts = Timeouts { total: Some(Duration::from_secs(1)), ..Timeouts::default() };
        assert_eq!(options(&timeouts, Fake::default), Ok(None));
    }

    #[test]
    fn each_limit_is_set_in_nanoseconds() {
        let timeouts = Timeouts {
            total: None,
            connect: Some(Duration::from_millis(1)),
            first_byte: Some(Duration::from_micros(1)),
            between_bytes: Some(Duration::from_nanos(1)),
        };
        let set = options(&timeouts, Fake::default).unwrap().unwrap().0.into_inner();
        assert_eq!(set, [("connect", Some(1_000_000)), ("first-byte", Some(1_000)), ("between-bytes", Some(1))]);
    }

    #[test]
    fn a_single_limit_makes_options() {
        for timeouts in [
            Timeouts { connect: Some(Duration::ZERO), ..Timeouts::default() },
            Timeouts { first_byte: Some(Duration::ZERO), ..Timeouts::default() },
            Timeouts { between_bytes: Some(Duration::ZERO), ..Timeouts::default() },
        ] {
            assert_eq!(options(&timeouts, Fake::default).unwrap().unwrap().0.into_inner().len(), 3);
        }
    }

    #[test]
    fn an_unsupported_limit_is_an_error() {
        let timeouts = Timeouts { between_bytes: Some(Duration::from_secs(2)), ..Timeouts::default() };
        assert_eq!(options(&timeouts, Fake::default), Err(Unsupported));
    }

    #[test]
    fn a_very_long_limit_saturates() {
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(nanos(Duration::from_nanos(u64::MAX)), u64::MAX);
        assert_eq!(nanos(Duration::ZERO), 0);
    }
}
