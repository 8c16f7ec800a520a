//! The arguments of `wayside completions`.

/// Prints a script that completes this command's arguments in a shell.
///
/// bash: wayside completions bash > ~/.local/share/bash-completion/completions/wayside
///
/// zsh: wayside completions zsh > a directory of $fpath, as the file _wayside
///
/// fish: wayside completions fish > ~/.config/fish/completions/wayside.fish
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}
