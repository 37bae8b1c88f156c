//! The `fer-gpu` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    fer_gpu::cli::main()
}
