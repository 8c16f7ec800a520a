//! Counts the bytes of a body, and compares them with its declared length (RFC 9110, section 8.6).

use std::fmt;

use http_body::SizeHint;

/// The part of the declared length that has not been sent yet. `None` if no length is declared.
///
/// Hosts accept a body that is longer than declared and cut it to the declared length, so the SDK counts the bytes
/// itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remaining(Option<u64>);

/// The length of a body that is sent differs from the length that its head declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthError {
    TooLong,
    TooShort {
        /// How many bytes are missing.
        missing: u64,
    },
}

impl Remaining {
    pub(crate) fn new(declared: Option<u64>) -> Self {
        Self(declared)
    }

    /// Counts bytes that are about to be sent.
    ///
    /// # Errors
    ///
    /// Fails if the bytes exceed the rest of the declared length. Then they are not counted.
    pub(crate) fn count(&mut self, bytes: u64) -> Result<(), LengthError> {
        if let Some(left) = &mut self.0 {
            *left = left.checked_sub(bytes).ok_or(LengthError::TooLong)?;
        }
        Ok(())
    }

    /// Whether all declared bytes have been counted. Never true if no length is declared.
    pub(crate) fn is_complete(&self) -> bool {
        self.0 == Some(0)
    }

    /// Limits a transfer of `most` bytes to one byte more than the rest of the declared length. The extra byte is
    /// enough to notice that the body is longer than declared.
    pub(crate) fn limit(&self, most: u64) -> u64 {
        self.0.map_or(most, |left| most.min(left.saturating_add(1)))
    }

    /// Checks the length at the end of the body.
    ///
    /// # Errors
    ///
    /// Fails if fewer bytes than declared were counted.
    pub(crate) fn finish(self) -> Result<(), LengthError> {
        match self.0 {
            None | Some(0) => Ok(()),
            Some(missing) => Err(LengthError::TooShort { missing }),
        }
    }
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the body is longer than its content-length"),
            Self::TooShort { missing } => write!(f, "the body is {missing} bytes shorter than its content-length"),
        }
    }
}

/// How much of an incoming body has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) declared: Option<u64>,
    pub(crate) bytes: u64,
}

/// How far an incoming body has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Data may follow.
    Data,
    /// All data has been read, and trailers may follow.
    Ending,
    /// Trailers have arrived and have not been read.
    Trailers,
    Done,
}

impl Received {
    pub(crate) fn new(declared: Option<u64>) -> Self {
        Self { declared, bytes: 0 }
    }

    pub(crate) fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Whether exactly the declared length has arrived. Never true if no length is declared.
    pub(crate) fn is_complete(&self) -> bool {
        self.declared == Some(self.bytes)
    }

    /// Whether the body may end here: it is complete, or no length is declared.
    pub(crate) fn may_end(&self) -> bool {
        self.declared.is_none_or(|declared| declared == self.bytes)
    }

    /// Limits a read of `most` bytes to one byte more than the rest of the declared length. Thanks to the extra byte,
    /// the read that returns the last declared byte can also report the end of the stream.
    pub(crate) fn limit(&self, most: usize) -> usize {
        let left = self.declared.map_or(u64::MAX, |declared| declared.saturating_sub(self.bytes));
        usize::try_from(left.saturating_add(1)).map_or(most, |left| most.min(left))
    }

    /// Returns the number of bytes that follow. The number is reported as unknown while trailers may follow: a sender
    /// would turn it into a `content-length`, which a chunked message, and so one with trailers, must not have (RFC
    /// 9112, section 6.2).
    pub(crate) fn size_hint(&self, stage: Stage) -> SizeHint {
        match (stage, self.declared) {
            (Stage::Data, Some(declared)) => SizeHint::with_exact(declared.saturating_sub(self.bytes)),
            (Stage::Data | Stage::Ending, None) | (Stage::Trailers, _) => SizeHint::default(),
            (Stage::Ending | Stage::Done, _) => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_its_declared_length_is_complete() {
        let mut remaining = Remaining::new(Some(5));
        remaining.count(2).unwrap();
        assert!(!remaining.is_complete());
        remaining.count(3).unwrap();
        assert!(remaining.is_complete());
        assert_eq!(remaining.finish(), Ok(()));
    }

    #[test]
    fn a_byte_too_many_is_an_error() {
        let mut remaining = Remaining::new(Some(5));
        remaining.count(5).unwrap();
        assert_eq!(remaining.count(1), Err(LengthError::TooLong));
        assert_eq!(remaining.finish(), Ok(()));
    }

    #[test]
    fn a_piece_that_crosses_the_declared_length_is_an_error_and_is_not_counted() {
        let mut remaining = Remaining::new(Some(5));
        assert_eq!(remaining.count(6), Err(LengthError::TooLong));
        assert_eq!(remaining.finish(), Err(LengthError::TooShort { missing: 5 }));
    }

    #[test]
    fn missing_bytes_are_an_error_at_the_end() {
        let mut remaining = Remaining::new(Some(5));
        remaining.count(2).unwrap();
        let error = remaining.finish().unwrap_err();
        assert_eq!(error.to_string(), "the body is 3 bytes shorter than its content-length");
    }

    #[test]
    fn a_declared_length_of_zero_takes_no_byte() {
        let mut remaining = Remaining::new(Some(0));
        assert!(remaining.is_complete());
        assert_eq!(remaining.count(0), Ok(()));
        assert_eq!(remaining.count(1).unwrap_err().to_string(), "the body is longer than its content-length");
    }

    #[test]
    fn without_a_declared_length_any_length_will_do() {
        let mut remaining = Remaining::new(None);
        remaining.count(u64::MAX).unwrap();
        remaining.count(u64::MAX).unwrap();
        assert!(!remaining.is_complete());
        assert_eq!(remaining.finish(), Ok(()));
    }

    #[test]
    fn a_transfer_takes_at_most_one_byte_more_than_declared() {
        assert_eq!(Remaining::new(Some(5)).limit(100), 6);
        assert_eq!(Remaining::new(Some(5)).limit(3), 3);
        assert_eq!(Remaining::new(Some(u64::MAX)).limit(100), 100);
        assert_eq!(Remaining::new(None).limit(100), 100);
    }

    #[test]
    fn a_read_takes_at_most_one_byte_more_than_expected() {
        let mut received = Received::new(Some(5));
        assert_eq!(received.limit(100), 6);
        received.count(5);
        assert_eq!(received.limit(100), 1);
        received.count(1);
        assert_eq!(received.limit(100), 1);
        assert_eq!(Received::new(None).limit(100), 100);
        assert_eq!(Received::new(Some(u64::MAX)).limit(100), 100);
    }

    #[test]
    fn an_incoming_body_may_end_only_at_its_declared_length() {
        let mut received = Received::new(Some(2));
        assert!(!received.may_end());
        received.count(2);
        assert!(received.may_end() && received.is_complete());
        received.count(1);
        assert!(!received.may_end() && !received.is_complete());
    }

    #[test]
    fn an_incoming_body_of_unknown_length_may_end_anywhere() {
        let received = Received::new(None);
        assert!(received.may_end() && !received.is_complete());
    }

    #[test]
    fn the_size_hint_is_what_is_left_of_the_declared_length() {
        let mut received = Received::new(Some(5));
        received.count(2);
        assert_eq!(received.size_hint(Stage::Data).exact(), Some(3));
        received.count(9);
        assert_eq!(received.size_hint(Stage::Data).exact(), Some(0));
        assert_eq!(received.size_hint(Stage::Ending).exact(), Some(0));
    }

    #[test]
    fn the_size_of_a_body_that_may_have_trailers_is_unknown() {
        let received = Received::new(None);
        assert_eq!(received.size_hint(Stage::Data).exact(), None);
        assert_eq!(received.size_hint(Stage::Ending).exact(), None);
        assert_eq!(Received::new(Some(5)).size_hint(Stage::Trailers).exact(), None);
    }

    #[test]
    fn nothing_follows_a_body_that_is_done() {
        for declared in [None, Some(5)] {
            assert_eq!(Received::new(declared).size_hint(Stage::Done).exact(), Some(0));
        }
    }
}
