//! Searches a form for a delimiter.

/// A pattern and its skip table for Horspool's algorithm: the last byte of a window that does not match determines how
/// far the search advances.
pub(super) struct Search {
    pattern: Vec<u8>,
    skips: [u8; 256],
}

impl Search {
    /// Prepares a pattern of 1 to 255 bytes.
    pub(super) fn new(pattern: Vec<u8>) -> Self {
        let length = u8::try_from(pattern.len()).unwrap_or(u8::MAX);
        let mut skips = [length; 256];
        let in_front_of_last = pattern.iter().zip((1..length).rev());
        for (byte, from_end) in in_front_of_last {
            if let Some(skip) = skips.get_mut(usize::from(*byte)) {
                *skip = from_end;
            }
        }
        Self { pattern, skips }
    }

    pub(super) fn pattern(&self) -> &[u8] {
        &self.pattern
    }

    /// Returns the first position of the pattern at or after `from`.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let length = self.pattern.len();
        let mut start = from;
        while let Some(window) = text.get(start..start + length) {
            if window == self.pattern {
                return Some(start);
            }
            let last = window.last()?;
            start += usize::from(*self.skips.get(usize::from(*last))?);
        }
        None
    }

    /// Returns the start of an incomplete match at the end of the text: the first position, not before `from`, where
    /// the rest of the text is a prefix of the pattern. Returns the length of the text if there is no such position.
    pub(super) fn find_beginning(&self, text: &[u8], from: usize) -> usize {
        let first = from.max((text.len() + 1).saturating_sub(self.pattern.len()));
        let could_begin = |start: &usize| text.get(*start..).is_some_and(|end| self.pattern.starts_with(end));
        (first..text.len()).find(could_begin).unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_match_is_found_and_nothing_else() {
        for pattern in ["\r\n--cut", "a", "aa", "aba", "abcab", "\r\n--\r\r"] {
            let search = Search::new(pattern.as_bytes().to_vec());
            // The texts are made from all strings of eight letters of an alphabet: `x` and the first letters of the
            // pattern (up to three letters).
            let letters: Vec<char> = "x".chars().chain(pattern.chars()).take(4).collect();
            for number in 0..letters.len().pow(8) {
                let mut digits = number;
                let mut text: String = (0..8)
                    .map(|_| {
                        let letter = letters[digits % letters.len()];
                        digits /= letters.len();
                        letter
                    })
                    .collect();
                if number % 3 == 0 {
                    text.insert_str(number % 8, pattern);
                }
                for from in [0, 3] {
                    let expected = text[from..].find(pattern).map(|start| start + from);
                    assert_eq!(search.find(text.as_bytes(), from), expected, "{pattern:?} in {text:?} from {from}");
                }
            }
        }
    }

    #[test]
    fn a_beginning_at_the_end_is_found() {
        let search = Search::new(b"\r\n--cut".to_vec());
        for (text, from, start) in [
            ("", 0, 0),
            ("abc", 0, 3),
            ("abc\r", 0, 3),
            ("abc\r\r\n", 0, 4),
            ("abc\r\n--cu", 0, 3),
            ("\r\n--cu", 0, 0),
            ("abc\r\n--cx", 0, 9),
            ("\r\n-\r\n-", 1, 3),
        ] {
            assert_eq!(search.find_beginning(text.as_bytes(), from), start, "{text:?}");
        }
    }
}
