//! `fer-gpu export`.

use super::out::{print_path, say};
use crate::data::Head;
use crate::error::{Error, Result};
use crate::formats::atomic::write_atomically;
use crate::formats::{keras, onnx};
use crate::train::Saved;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu export runs/train/1 --format onnx
  fer-gpu export best.safetensors --format safetensors --half --out small.safetensors
  fer-gpu export runs/train/1 --format keras-h5 --out model.h5

onnx: opset 13; the input `pixels` is [n, height, width, channels] from 0 to 255, preprocessing and softmax (or sigmoids) are inside.
safetensors: a checkpoint without the optimizer. keras-h5: for keras.models.load_model; preprocessing is up to you.")]
pub(super) struct ExportArgs {
    /// A run folder (its best checkpoint) or a checkpoint
    #[arg(value_name = "RUN|FILE.safetensors")]
    network: PathBuf,
    /// What to write
    #[arg(long)]
    format: Format,
    /// Store parameters in half precision
    #[arg(long)]
    half: bool,
    /// The file to write [default: the network's name with the format's ending, if there is none yet]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A format by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Onnx,
    Safetensors,
    KerasH5,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Safetensors => "safetensors",
            Self::KerasH5 => "h5",
        }
    }
}

pub(super) fn run(args: &ExportArgs) -> Result<ExitCode> {
    let saved = Saved::read(&args.network)?;
    let meta = saved.meta();
    let default = || PathBuf::from(format!("{}.{}", meta.model.replace(['/', '\\'], "_"), args.format.ending()));
    let out = args.out.clone().unwrap_or_else(default);
    if args.out.is_none() && out.exists() {
        return Err(Error::usage(format!("{} exists already", out.display()), "name the new file with --out"));
    }
    let (preprocessing, head, classes) = (meta.preprocessing, meta.head, meta.classes.join(", "));
    let resize = meta.conversion.resize;
    match args.format {
        Format::Onnx => write(&out, &onnx::to_bytes(&saved.export(args.half))?)?,
        Format::KerasH5 if args.half => {
            return Err(Error::usage("--half with keras-h5", "half precision goes with onnx and safetensors"));
        }
        Format::KerasH5 => {
            write(&out, &keras::to_bytes(&saved.export(false))?)?;
            say!(
                "the file does not hold preprocessing ({preprocessing}), resizing ({resize}) and classes ({classes}): Keras has no place for them"
            );
            if let Some(t) = meta.temperature {
                say!("nor the temperature {t:.4} of its calibration: its probabilities are those before");
            }
        }
        Format::Safetensors if args.half => saved.into_checkpoint().save_half(&out)?,
        Format::Safetensors => saved.into_checkpoint().save(&out)?,
    }
    if head.is_independent() {
        say!("note: {}", Head::INDEPENDENT);
    }
    print_path(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |w| w.write_all(bytes))
}
