//! A random sample of the sentences in comments, for a reader who has not seen the code.

use crate::sources::Source;

/// A sentence of a comment.
#[derive(Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The file and the first line of the comment.
    pub place: String,
    /// The whole comment, in one line.
    pub comment: String,
    /// The sentence.
    pub text: String,
    /// The line of code after the comment, without attributes; empty for the comment of a module.
    pub code: String,
}

/// Returns the sentences of all comments of a file, without the examples in doc comments.
#[must_use]
pub fn sentences(source: &Source) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut comment = Comment::default();
    for (index, line) in source.text.lines().enumerate() {
        match text_of(line) {
            Some(text) => comment.add(index + 1, text),
            None if is_attribute(line) => {}
            None => comment.finish(source, line.trim(), &mut found),
        }
    }
    comment.finish(source, "", &mut found);
    found
}

fn is_attribute(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("#[") && line.ends_with(']')
}

/// A comment that is being read.
#[derive(Default)]
struct Comment {
    line: usize,
    text: String,
    is_code: bool,
}

impl Comment {
    fn add(&mut self, line: usize, text: &str) {
        if text.starts_with("```") {
            self.is_code = !self.is_code;
        } else if !self.is_code && !text.starts_with('#') {
            if self.text.is_empty() {
                self.line = line;
            } else {
                self.text.push(' ');
            }
            self.text.push_str(text);
        }
    }

    fn finish(&mut self, source: &Source, code: &str, found: &mut Vec<Sentence>) {
        let Self { line, text, .. } = std::mem::take(self);
        for sentence in split(&text) {
            let place = format!("{}:{line}", source.path.display());
            let (comment, text, code) = (text.clone(), sentence.to_owned(), code.to_owned());
            found.push(Sentence { place, comment, text, code });
        }
    }
}

/// Returns the text of a line that is a comment.
fn text_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = ["///", "//!", "//"].iter().find_map(|mark| line.strip_prefix(mark))?;
    Some(text.trim())
}

/// Splits a text into its sentences. A sentence ends with `.`, `?` or `!` before a space and a capital letter, code or a link.
fn split(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.match_indices([' ']).map(|(index, _)| index).find(|index| ends_sentence(rest, *index));
        let (sentence, after) = rest.split_at(end.unwrap_or(rest.len()));
        sentences.push(sentence.trim());
        rest = after.trim_start();
    }
    sentences
}

fn ends_sentence(text: &str, space: usize) -> bool {
    let (before, after) = text.split_at(space);
    let is_abbreviation = ["e.g.", "i.e.", "etc."].iter().any(|short| before.ends_with(short));
    before.ends_with(['.', '?', '!'])
        && !is_abbreviation
        && after.trim_start().starts_with(|first: char| first.is_uppercase() || first == '`' || first == '[')
}

/// Picks up to `count` sentences of at least four words. The same seed picks the same sentences.
#[must_use]
pub fn sample(sentences: Vec<Sentence>, seed: u64, count: usize) -> Vec<Sentence> {
    let mut left: Vec<Sentence> =
        sentences.into_iter().filter(|sentence| sentence.text.split_whitespace().count() >= 4).collect();
    let mut state = seed;
    let mut picked = Vec::new();
    while picked.len() < count && !left.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        picked.push(left.swap_remove((state >> 33) as usize % left.len()));
    }
    picked
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn found(text: &str) -> Vec<Sentence> {
        let source =
            Source { module: String::new(), path: PathBuf::from("a.rs"), text: text.to_owned(), items: Vec::new() };
        sentences(&source)
    }

    fn texts(text: &str) -> Vec<String> {
        found(text).into_iter().map(|sentence| sentence.text).collect()
    }

    #[test]
    fn a_sentence_comes_with_the_code_that_it_describes() {
        let sentences =
            found("//! A module.\n\n/// One. Two.\n#[must_use]\nfn f() {}\n\nfn g() {\n    // Three.\n    h();\n}\n");
        let codes: Vec<_> = sentences.iter().map(|sentence| sentence.code.as_str()).collect();
        assert_eq!(codes, ["", "fn f() {}", "fn f() {}", "h();"]);
    }

    #[test]
    fn sentences_are_found_across_lines_and_without_examples() {
        let text = "/// One fact\n/// in two lines. Another, e.g. This.\n///\n/// # Examples\n///\n/// ```\n/// let x = 1;\n/// ```\nfn f() {}\n// A comment.\n";
        assert_eq!(texts(text), ["One fact in two lines.", "Another, e.g. This.", "A comment."]);
    }

    #[test]
    fn a_seed_picks_the_same_sentences_again() {
        let all = || {
            (0..50).map(|number| Sentence {
                place: String::new(),
                comment: String::new(),
                text: format!("this is sentence {number}"),
                code: String::new(),
            })
        };
        let one = sample(all().collect(), 1, 10);
        assert_eq!(one, sample(all().collect(), 1, 10));
        assert_ne!(one, sample(all().collect(), 2, 10));
        assert_eq!(sample(all().collect(), 1, 100).len(), 50);
    }
}
