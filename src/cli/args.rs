//! Flags that several subcommands share; each subcommand's own are beside its code.

use super::out::say;
use crate::data::OnBadFile;
use crate::error::Result;
use crate::train::Device;
use clap::Args;

/// Where to compute.
#[derive(Clone, Debug, Args)]
pub(super) struct DeviceArgs {
    /// auto, cpu (the f64 reference, slow), an index of `fer-gpu devices`, or part of an adapter's name
    #[arg(long, value_name = "DEVICE")]
    pub(super) device: Option<String>,
    /// Graphics API: vulkan, metal, dx12 or gl
    #[arg(long, value_name = "API")]
    pub(super) backend: Option<String>,
}

impl DeviceArgs {
    /// Opens the device and says which it is.
    pub(super) fn open(&self) -> Result<Device> {
        open_device(self.device.as_deref().unwrap_or("auto"), self.backend.as_deref())
    }
}

/// Opens a device and says which it is, and why it is not an adapter if none was found.
pub(super) fn open_device(device: &str, backend: Option<&str>) -> Result<Device> {
    let (device, fallback) = Device::open(device, backend)?;
    if let Some(reason) = fallback {
        say!("{reason}\ngoing on with the CPU reference, which is slow");
    }
    say!("device: {device}");
    Ok(device)
}

/// What to do about images that cannot be read.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum BadFile {
    /// Stop with an error that names the file
    Fail,
    /// Leave the file out and say so
    Skip,
}

impl From<BadFile> for OnBadFile {
    fn from(choice: BadFile) -> Self {
        match choice {
            BadFile::Fail => Self::Fail,
            BadFile::Skip => Self::Skip,
        }
    }
}
