//! `fer-gpu devices`.

use super::out::{print, print_json, table};
use crate::error::{Error, Result};
use crate::gpu::adapter::{AdapterDescription, HOW_TO_GET_ONE, backends, list};
use clap::Args;
use std::process::ExitCode;

/// Flags of `devices`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu devices
  fer-gpu train --device 1
  fer-gpu devices --backend vulkan --json")]
pub(super) struct DevicesArgs {
    /// Only those of a graphics API: vulkan, metal, dx12 or gl
    #[arg(long, value_name = "API")]
    backend: Option<String>,
    /// An array of everything known of each adapter
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DevicesArgs) -> Result<ExitCode> {
    let found = list(backends(args.backend.as_deref())?);
    if args.json {
        print_json(&found)?;
    }
    if found.is_empty() {
        let what = match &args.backend {
            Some(backend) => format!("this machine has none for {backend}"),
            None => "this machine has none".into(),
        };
        return Err(Error::NoAdapter { what, hint: HOW_TO_GET_ONE.into() });
    }
    if !args.json {
        let head = ["index", "name", "backend", "kind", "driver", "subgroup", "largest binding"];
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        print(&table(&head, &rows, &[0, 6]))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(a: &AdapterDescription) -> Vec<String> {
    let subgroup = match (a.subgroups, a.subgroup) {
        (false, _) => "none".to_owned(),
        (true, [least, most]) if least == most => least.to_string(),
        (true, [least, most]) => format!("{least} to {most}"),
    };
    let binding = format!("{} MiB", a.max_binding_bytes >> 20);
    vec![a.index.to_string(), a.name.clone(), a.backend.clone(), a.kind.to_owned(), a.driver.clone(), subgroup, binding]
}
