//! The `fer-gpu` command.

fn main() {}
