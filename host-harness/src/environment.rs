//! Validation of environment variables for components.

use crate::{Error, show};

/// Checks the name and the value of an environment variable.
///
/// A name must not be empty and must not contain `=`, white space, control characters or quotes. Names that only shells
/// reject, such as `a.b`, are valid, because other programs set such variables. A value must not contain NUL, which
/// would end the string in C.
///
/// # Errors
///
/// Fails if the name or the value breaks these rules. The error shows the name but not the value, which may be secret.
///
/// # Examples
///
/// ```
/// assert!(wayside_harness::check_variable("LOG_LEVEL", "debug").is_ok());
/// assert!(wayside_harness::check_variable("LOG LEVEL", "debug").is_err());
/// ```
pub fn check_variable(name: &str, value: &str) -> Result<(), Error> {
    let is_wrong = |char: char| char.is_whitespace() || char.is_control() || matches!(char, '"' | '\'' | '`' | '=');
    let shown = show::line(name);
    if name.is_empty() || name.contains(is_wrong) {
        return Err(Error::new(format!("`{shown}` is not a valid name of an environment variable"))
            .with_help("write a name without white space, quotes, `=` and control characters"));
    }
    if value.contains('\0') {
        return Err(Error::new(format!("the value of the environment variable `{shown}` contains a NUL"))
            .with_help("remove it: the component would see only what precedes it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_checked() {
        for (name, value, is_valid) in [
            ("A", "", true),
            ("a.b-C_1", "x=y z", true),
            ("", "1", false),
            ("A B", "1", false),
            ("A=B", "1", false),
            ("'A'", "1", false),
            ("A\u{1b}", "1", false),
            ("A", "1\0", false),
        ] {
            assert_eq!(check_variable(name, value).is_ok(), is_valid, "{name:?} {value:?}");
        }
    }
}
