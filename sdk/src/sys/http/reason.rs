//! Shortens a host's description of a failure to one sentence.

/// The most bytes of a sentence. The rest of a longer sentence is cut off.
const MAX_BYTES: usize = 500;

/// The line before the causes in Rust's error reports.
const CAUSES: &str = "Caused by:";

/// Turns a host's description of a failure into one sentence that contains the failure and its causes.
///
/// Some hosts append a backtrace of their process if an environment variable asks for it. Such a backtrace is useless
/// for a component, and must not reach the component's clients.
#[cold]
#[inline(never)]
pub(crate) fn sentence(text: &str) -> String {
    // Splits and trims lines by hand: the standard library's functions would make up a thirtieth of a small
    // component.
    let mut rest = text;
    let mut sentence = String::new();
    let mut in_causes = false;
    while let Some(line) = next_line(&mut rest) {
        if sentence.is_empty() {
            sentence.push_str(line);
        } else if in_causes && !line.is_empty() {
            add_cause(&mut sentence, line);
        } else if !in_causes && line == CAUSES {
            in_causes = true;
        } else if in_causes || !line.is_empty() {
            break;
        }
    }
    sentence.truncate(sentence.floor_char_boundary(MAX_BYTES));
    sentence
}

/// Takes the next line, without surrounding spaces.
fn next_line<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.bytes().position(|byte| byte == b'\n').unwrap_or(rest.len());
    let line = rest.get(..end)?;
    *rest = rest.get(end + 1..).unwrap_or_default();
    Some(line.trim_ascii())
}

/// Appends a cause without its number in the list, unless the sentence already ends with that cause.
fn add_cause(sentence: &mut String, line: &str) {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let cause = line.get(digits..).and_then(|rest| rest.strip_prefix(": ")).filter(|_| digits > 0).unwrap_or(line);
    if !sentence.as_bytes().ends_with(cause.as_bytes()) {
        sentence.push_str(": ");
        sentence.push_str(cause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stays_as_it_is() {
        assert_eq!(sentence("the connection broke"), "the connection broke");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn causes_follow_their_failure_and_a_stack_is_left_out() {
        let text = "error reading a body\n\nCaused by:\n    0: connection error\n    1: reset by peer (os error 104)\n\n\
                    Stack backtrace:\n   0: std::backtrace::capture\n             at /host/src/lib.rs:1:2\n";
        assert_eq!(sentence(text), "error reading a body: connection error: reset by peer (os error 104)");
        let text = "error reading a body\n\nCaused by:\n    connection error\n\nStack backtrace:\n   0: main\n";
        assert_eq!(sentence(text), "error reading a body: connection error");
    }

    #[test]
    fn a_stack_without_causes_is_left_out() {
        assert_eq!(sentence("broken\n\nStack backtrace:\n   0: std::rt::start\n"), "broken");
        assert_eq!(sentence("Error: broken\n    at read (host.js:1:2)\n    at main (host.js:3:4)"), "Error: broken");
    }

    #[test]
    fn a_cause_that_repeats_its_failure_is_told_once() {
        assert_eq!(sentence("a: b\n\nCaused by:\n    0: b\n    1: c\n"), "a: b: c");
    }

    #[test]
    fn a_long_sentence_is_cut_between_characters() {
        let long = sentence(&"é".repeat(400));
        assert_eq!(long, "é".repeat(250));
    }
}
