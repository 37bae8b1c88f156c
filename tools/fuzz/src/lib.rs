//! Every reader of fer-gpu as a function of bytes. A reader may refuse what it is given, with an error; it must not panic,
//! abort, run for long or fill the memory.

mod mutate;
mod seeds;

pub use mutate::Mutator;

use fer_gpu::data::{self, ClassWeight, InputSpec, Options};
use fer_gpu::formats::checkpoint::Checkpoint;
use fer_gpu::formats::keras::{self, Contents};
use fer_gpu::models::{Variables, file};
use fer_gpu::search::Search;
use fer_gpu::train::history::read_results;
use fer_gpu::train::{Config, summarise};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A reader.
pub struct Target {
    /// As cargo-fuzz calls it.
    pub name: &'static str,
    /// What its file is called.
    file: &'static str,
    read: fn(&Path),
    /// Whole files to start from, at least one.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that its format knows.
    pub words: &'static [&'static str],
}

const SMALL: InputSpec = InputSpec::new(8, 8, 1);
const TABLE: InputSpec = InputSpec::new(48, 48, 1);
const CSV: &[&str] =
    &["emotion", "pixels", "Usage", "Training", "PublicTest", ",", "\n", "\"", "\r\n", "\u{feff}", " ", "256", "-1"];
const TOML: &[&str] = &[
    "[[layer]]",
    "class",
    "=",
    "'",
    "\"",
    "\n",
    "name",
    "inputs",
    "units",
    "activation",
    "Conv2D",
    "Dense",
    "Flatten",
    "Add",
    "Concatenate",
    "DepthwiseConv2D",
    "MaxPooling2D",
    "padding = 'same'",
    "strides = 0",
    "kernel_size = [1, 99999]",
    "4294967295",
    "1e300",
    "nan",
    "inf",
    "-1",
    "9223372036854775807",
    "${a}",
    "[variables]",
    "[[phase]]",
    "[schedule]",
    "kind = 'cosine'",
    "epochs",
    "range",
    "choice",
    "log = true",
    "step",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "null",
    "\"",
    ":",
    ",",
    "1e999",
    "-1",
    "18446744073709551615",
    "\\u0000",
    "config",
    "class_name",
    "layers",
];

/// All readers.
pub const TARGETS: &[Target] = &[
    Target { name: "csv", file: "table.csv", read: |path| open(path, TABLE), seeds: seeds::csv, words: CSV },
    Target { name: "votes", file: "votes.csv", read: votes, seeds: seeds::votes, words: CSV },
    Target { name: "values", file: "values.csv", read: |path| open(path, SMALL), seeds: seeds::values, words: CSV },
    Target { name: "class_weight_csv", file: "weight.csv", read: class_weight, seeds: seeds::weights_csv, words: CSV },
    Target {
        name: "class_weight_toml",
        file: "weight.toml",
        read: class_weight,
        seeds: seeds::weights_toml,
        words: TOML,
    },
    Target { name: "network", file: "net.toml", read: network, seeds: seeds::network, words: TOML },
    Target { name: "settings", file: "settings.toml", read: settings, seeds: seeds::settings, words: TOML },
    Target { name: "search", file: "search.toml", read: search, seeds: seeds::search, words: TOML },
    Target { name: "checkpoint", file: "net.safetensors", read: checkpoint, seeds: seeds::checkpoint, words: JSON },
    Target { name: "keras_h5", file: "net.h5", read: keras, seeds: seeds::keras_h5, words: JSON },
    Target { name: "keras_zip", file: "net.keras", read: keras, seeds: seeds::keras_zip, words: JSON },
    Target {
        name: "image",
        file: "image.png",
        read: image,
        seeds: seeds::image,
        words: &["IHDR", "iCCP", "zTXt", "IDAT", "Exif", "P5\n"],
    },
    Target {
        name: "parquet",
        file: "data.parquet",
        read: |path| open(path, SMALL),
        seeds: seeds::parquet,
        words: &["PAR1"],
    },
    Target {
        name: "results",
        file: "epochs.csv",
        read: |path| drop(read_results(path)),
        seeds: seeds::results,
        words: CSV,
    },
    Target { name: "metrics", file: "metrics.json", read: metrics, seeds: seeds::metrics, words: JSON },
    Target {
        name: "paths",
        file: "paths.txt",
        read: paths,
        seeds: seeds::paths,
        words: &["*", "**", "?", "[", "]", "..", "/", "~"],
    },
];

/// Gives a reader a file of these bytes.
///
/// # Panics
/// An unknown target, a disk that cannot be written, and what the reader has a mistake about.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|t| t.name == name).expect("a known target");
    let path = folder().join(target.file);
    fs::write(&path, data).expect("a file that can be written");
    (target.read)(&path);
}

/// Where the files are written, in memory if there is such a place; what a reader looks for beside its file lies there.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() { shared.to_path_buf() } else { std::env::temp_dir() };
        let folder = tempfile::tempdir_in(parent).expect("a folder").keep();
        for (i, picture) in seeds::image().iter().take(4).enumerate() {
            fs::write(folder.join(format!("{i}.png")), picture).expect("a picture");
        }
        fs::write(folder.join("good.csv"), &seeds::csv()[0]).expect("a table");
        for (name, bytes) in [("results.csv", seeds::results().remove(0)), ("config.toml", seeds::settings().remove(0))]
        {
            fs::write(folder.join(name), bytes).expect("a file of a run");
        }
        fs::write(folder.join("best.safetensors"), seeds::checkpoint().remove(0)).expect("a checkpoint");
        folder
    })
}

fn open(path: &Path, input: InputSpec) {
    let Ok(dataset) = data::open(&path.to_string_lossy(), input, &Options::default()) else { return };
    let mut out = vec![0.0; input.len()];
    for split in [&dataset.train, &dataset.validation] {
        for index in 0..split.len().min(4) {
            drop(split.read(index, &mut out));
            drop(split.name(index));
        }
    }
}

fn votes(path: &Path) {
    let options = Options { soft_labels: Some(path.to_path_buf()), ..Options::default() };
    drop(data::open(&folder().join("good.csv").to_string_lossy(), TABLE, &options));
}

fn class_weight(path: &Path) {
    if let Ok(class_weight) = ClassWeight::parse(&path.to_string_lossy()) {
        drop(data::open(
            &folder().join("good.csv").to_string_lossy(),
            TABLE,
            &Options { class_weight, ..Options::default() },
        ));
    }
}

fn network(path: &Path) {
    if let Ok(graph) = file::graph(path, None, &Variables::new()) {
        drop(fer_gpu::models::Summary::new(&graph).to_string());
    }
}

fn settings(path: &Path) {
    if let Ok(config) = Config::read(path) {
        drop(config.check());
        drop(config.variant());
        drop(config.to_toml());
    }
}

fn search(path: &Path) {
    if let Ok(search) = Search::read(path) {
        (1..=search.trials.min(3)).for_each(|trial| drop(search.config(trial)));
    }
}

fn checkpoint(path: &Path) {
    let Ok(checkpoint) = Checkpoint::load(path) else { return };
    if let Some(network) = &checkpoint.meta.network {
        drop(network.graph("net"));
    }
    drop(fer_gpu::train::Saved::read(path));
}

fn keras(path: &Path) {
    if let Ok(Contents::Weights(loose)) = keras::read(path, None) {
        let graph = fer_gpu::models::find("mini-xception").and_then(|model| model.graph(7)).expect("a listed network");
        drop(loose.fill(path, &graph));
    }
}

fn image(path: &Path) {
    let mut out = vec![0.0; SMALL.len()];
    drop(data::read_image(path, SMALL, &mut out));
}

fn metrics(_path: &Path) {
    drop(summarise(folder()));
}

fn paths(path: &Path) {
    let bytes = fs::read(path).expect("it was just written");
    let text = String::from_utf8_lossy(&bytes).replace('/', "");
    let paths: Vec<PathBuf> = text.lines().map(|line| folder().join(line)).collect();
    drop(data::find_images(&paths));
}
