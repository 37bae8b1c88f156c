//! `fer-gpu completions` and `fer-gpu man`: what a packager or a shell wants of the command.

use super::Cli;
use super::out::{print_data, say};
use crate::error::{Error, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu completions bash > ~/.local/share/bash-completion/completions/fer-gpu
  fer-gpu completions zsh > ~/.zfunc/_fer-gpu
  fer-gpu completions fish > ~/.config/fish/completions/fer-gpu.fish")]
pub(super) struct CompletionsArgs {
    /// Whose script is written to stdout
    shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu man --out ~/.local/share/man/man1
  man fer-gpu-train")]
pub(super) struct ManArgs {
    /// Folder for the pages, one a subcommand; made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fer-gpu", &mut script);
    print_data(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.out).map_err(Error::io("create the folder", &args.out))?;
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(Error::io("write man pages to", &args.out))?;
    say!("man pages written to {}; read one: man {}/fer-gpu.1", args.out.display(), args.out.display());
    Ok(ExitCode::SUCCESS)
}
