//! `fer-gpu train`.

use super::args::{BadFile, DeviceArgs, TuneArgs, VariantArgs, open_device};
use super::callbacks::{CallbackArgs, parse_batch};
use super::optimizer::OptimizerArgs;
use super::out::{print, print_data, say, say_lines};
use super::profile::ProfileArgs;
use super::progress::Progress;
use super::signals::stop_on_signal;
use crate::data::augment::Preset;
use crate::data::{self, ClassWeight, Dataset, OnBadFile, Preprocess, Resize, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::Checkpoint;
use crate::train::environment::Environment;
use crate::train::run::RunFolder;
use crate::train::{AUTO, Config, Device, Outcome, Output, Start, Stopped, Trainer, check_epochs, config_of};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `train`. Those not given come from `--config`, from the resumed run, or from the defaults.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu train
  fer-gpu train --data fer2013.csv.gz --model fer7-cnn3-bn --epochs 30 --batch 100
  fer-gpu train --data fer2013.csv.gz --model fer7-cnn3-bn --augment light
  fer-gpu train --data faces/ --model fer4-cnn4-bn --classes happy,sad,surprise,neutral
  fer-gpu train --data faces/ --model fer8-vgg19 --size 64 --unfreeze-last 10
  fer-gpu train --resume runs/train/1 --epochs 60
  fer-gpu train --lr 0.0003 --print-config > settings.toml
  fer-gpu train --config settings.toml     ([[phase]] tables: epochs, batch, lr, freeze, unfreeze-last)")]
pub(super) struct TrainArgs {
    /// synth, synth:N, FILE.csv, FILE.csv.gz (emotion, pixels and perhaps Usage as FER2013's, or `path` and columns of numbers), FILE.parquet, or a folder of class folders or parquet files
    /// [default: synth]
    #[arg(long)]
    data: Option<String>,
    /// A name that `fer-gpu models` lists, a TOML file of layers, or the JSON of Keras's model.to_json() [default: fer7-small]
    #[arg(long)]
    model: Option<String>,
    /// Start from the parameters of this checkpoint or file of Keras's (.h5, .weights.h5, .keras): all of them, or those of the
    /// first layers that the networks have in common. Without --model, its network is trained
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// What is made of pixels: unit (x/255), tf (x/127.5 - 1), caffe, torch, vggface or none [default: what the checkpoint of
    /// --weights says; with weights of Keras's that of the body's published ones; from scratch unit. Bodies that begin with a
    /// Rescaling take none]
    #[arg(long, value_name = "NAME")]
    preprocess: Option<Preprocess>,
    /// The filter that resizes images, kept with the network: pil- (nearest, box, bilinear, hamming, bicubic, lanczos), cv2- (linear,
    /// nearest, area, cubic), tf- (bilinear, bilinear-antialias, nearest, area), or image-triangle, older checkpoints' [default: what the
    /// checkpoint of --weights says, else pil-bilinear]
    #[arg(long, value_name = "FILTER")]
    resize: Option<Resize>,
    #[command(flatten)]
    variant: VariantArgs,
    /// Epochs in all, also when resuming [default: 10]
    #[arg(long)]
    epochs: Option<usize>,
    /// Images a step, or auto: the most up to 512 that the device has room for [default: 32]
    #[arg(long, value_name = "N|auto", value_parser = parse_batch)]
    batch: Option<usize>,
    #[command(flatten)]
    optimizer: OptimizerArgs,
    /// The learning rate [default: 0.001; of sgd 0.01]
    #[arg(long, allow_hyphen_values = true)]
    lr: Option<f64>,
    /// Seed of parameters, order, dropout and drawn data [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Stop after so many epochs without a better validation accuracy (concordance, of values; or what [early-stopping] watches); 0 never does [default: 0]
    #[arg(long)]
    patience: Option<usize>,
    #[command(flatten)]
    callbacks: CallbackArgs,
    /// Keep only these classes, in this order
    #[arg(long, value_delimiter = ',', value_name = "A,B,...")]
    classes: Option<Vec<String>>,
    /// Share of the training images to validate on, for data without a validation split [default: 0.2]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    validation_split: Option<f64>,
    /// What to do with an image or a row of a table that cannot be read [default: fail]
    #[arg(long)]
    on_bad_file: Option<BadFile>,
    /// What is done to training images, anew in every epoch: none, light (flips, rotation, shifts, zoom) or strong (and shear,
    /// brightness, contrast, blur, noise, erasing); single settings stand in the table [augment] of --config [default: none]
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    augment: Option<Preset>,
    /// What each class's images count: none, balanced (n / (k n_c)), or a file: csv `class,weight` or TOML [default: none]
    #[arg(long, value_name = "HOW", conflicts_with = "resume")]
    class_weight: Option<String>,
    /// The loss takes 1 - X + X/k for a class's target of 1, and X/k for 0 [default: 0]
    #[arg(long, value_name = "X", allow_hyphen_values = true, conflicts_with = "resume")]
    label_smoothing: Option<f32>,
    /// A csv of votes for the classes of each image, whose shares become the targets: FER+'s beside fer2013.csv, or one with
    /// `Image name` and a column a class beside a folder
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    soft_labels: Option<PathBuf>,
    /// What the outputs go through, for data of values (a csv `path,valence,...`) [default: linear]
    #[arg(long, conflicts_with = "resume")]
    output: Option<Output>,
    /// The columns to learn of data of values, in this order [default: all that hold numbers]
    #[arg(long, value_delimiter = ',', value_name = "A,B,...", conflicts_with = "resume")]
    outputs: Option<Vec<String>>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    tune: TuneArgs,
    /// Run folder [default: runs/train/N]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with this run
    #[arg(long, value_name = "RUN", conflicts_with_all = ["out", "config"])]
    resume: Option<PathBuf>,
    /// Settings from a file; flags override it
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Print the settings that these flags come to, as --config takes them, and stop
    #[arg(long)]
    print_config: bool,
}

impl TrainArgs {
    /// Defaults, file or resumed run, and flags, in this order.
    fn config(&self) -> Result<Config> {
        let mut c = match (&self.resume, &self.config) {
            (Some(run), _) => config_of(run)?,
            (None, Some(file)) => Config::read(file)?,
            (None, None) => Config::default(),
        };
        fn set<T: Clone>(to: &mut T, from: &Option<T>) {
            if let Some(value) = from {
                to.clone_from(value);
            }
        }
        set(&mut c.data, &self.data);
        if self.weights.is_some() && self.config.is_none() && self.resume.is_none() {
            c.model.clear();
        }
        set(&mut c.model, &self.model);
        c.weights = self.weights.clone().or(c.weights);
        c.preprocess = self.preprocess.or(c.preprocess);
        c.resize = self.resize.or(c.resize);
        self.check_first_phase(&c)?;
        set(&mut c.epochs, &self.epochs);
        set(&mut c.batch, &self.batch);
        self.optimizer.apply(&mut c)?;
        set(&mut c.lr, &self.lr);
        set(&mut c.seed, &self.seed);
        set(&mut c.patience, &self.patience);
        self.callbacks.apply(&mut c);
        set(&mut c.classes, &self.classes);
        set(&mut c.device, &self.device.device);
        c.validation_split = self.validation_split.or(c.validation_split);
        c.backend = self.device.backend.clone().or(c.backend);
        c.size = self.variant.size.clone().or(c.size);
        if self.variant.freeze.is_some() || self.variant.unfreeze_last.is_some() {
            c.freeze.clone_from(&self.variant.freeze);
            c.unfreeze_last = self.variant.unfreeze_last;
        }
        if let Some(preset) = self.augment {
            c.augment = preset.into();
        }
        if let Some(text) = &self.class_weight {
            c.class_weight = ClassWeight::parse(text)?;
        }
        set(&mut c.label_smoothing, &self.label_smoothing);
        c.soft_labels = self.soft_labels.clone().or(c.soft_labels);
        c.output = self.output.or(c.output);
        set(&mut c.outputs, &self.outputs);
        c.on_bad_file = self.on_bad_file.map_or(c.on_bad_file, OnBadFile::from);
        c.check().map_err(|e| self.traced(&c, e))?;
        if let Some(run) = &self.resume {
            c.check_continues(&config_of(run)?)?;
            check_epochs(run, &c)?;
        }
        Ok(c)
    }

    /// An error about a setting with the line of the file that it comes from, if it comes from one.
    fn traced(&self, config: &Config, error: Error) -> Error {
        let file = self.resume.as_ref().map(|run| run.join("config.toml")).or_else(|| self.config.clone());
        match file {
            Some(file) => config.traced(&file, error),
            None => error,
        }
    }

    /// Refuses flags that would change nothing because the file's first phase, and so every phase, has its own setting.
    fn check_first_phase(&self, file: &Config) -> Result<()> {
        let Some(first) = file.phase.first() else { return Ok(()) };
        let freezes = first.freeze.is_some() || first.unfreeze_last.is_some();
        let shadowed = [
            ("--batch", self.batch.is_some() && first.batch.is_some()),
            ("--lr", self.lr.is_some() && first.lr.is_some()),
            ("--freeze", self.variant.freeze.is_some() && freezes),
            ("--unfreeze-last", self.variant.unfreeze_last.is_some() && freezes),
        ];
        match shadowed.iter().find(|(_, is)| *is) {
            None => Ok(()),
            Some((flag, _)) => {
                Err(Error::usage(format!("{flag}: the phases of the settings have their own"), "change it there"))
            }
        }
    }
}

/// Opens the data of a configuration, with its notes on stderr.
fn open_data(config: &Config, start: &Start) -> Result<Dataset> {
    let dataset = data::open(&config.data, start.input, &config.data_options(start.preprocess))?;
    for note in &dataset.notes {
        say!("note: {note}");
    }
    Ok(dataset)
}

pub(super) fn run(args: &TrainArgs) -> Result<ExitCode> {
    let config = args.config()?;
    train(args, config.clone()).map_err(|e| args.traced(&config, e))
}

fn train(args: &TrainArgs, mut config: Config) -> Result<ExitCode> {
    if args.print_config && args.resume.is_some() {
        print(&config.to_toml()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let resumed = args.resume.as_deref().map(RunFolder::resume).transpose()?;
    for note in resumed.iter().flat_map(RunFolder::notes) {
        say!("note: {note}");
    }
    let start = match &resumed {
        Some(run) => {
            let path = run.last();
            Start::of_checkpoint(&Checkpoint::load(&path)?.meta, &path)?
        }
        None => Start::read(&config)?,
    };
    if config.model.is_empty() {
        config.model.clone_from(&start.name);
    }
    if args.print_config {
        print_data(&config.to_toml()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let dataset = open_data(&config, &start)?;
    // Every error of shapes and sizes surfaces here, before a device or a folder exists.
    config.check_graph(&start.graph_for(&config, &dataset)?)?;
    config.check_batch(dataset.train.len())?;
    let opened = open_device(&config.device, config.backend.as_deref(), &args.tune.tuning())?;
    let device = &opened.device;
    if config.batch == AUTO {
        config.batch = device.largest_batch(&config, &start, &dataset, &mut |note| say_lines(&note))?;
    }
    if args.profile.asked() && matches!(device, Device::Cpu) {
        return Err(Error::usage("--profile times GPU kernels, which the CPU reference has none of", "leave it out"));
    }
    let test = dataset.test.as_ref().map_or(0, |t| t.len());
    say!(
        "data: {}: {} training, {} validation, {test} test images; {} {}",
        dataset.source,
        dataset.train.len(),
        dataset.validation.len(),
        if dataset.task == Task::Classes { "classes" } else { "values" },
        dataset.classes.join(", ")
    );
    let before = args.resume.as_deref().map(config_of).transpose()?.map_or(config.epochs, |before| before.epochs);
    if before != config.epochs && config.schedule.follows_length() {
        let epochs = config.epochs;
        say!(
            "note: the schedule now ends with epoch {epochs}, not {before}: rates from here on are those of a run of {epochs}"
        );
    }
    let run = match resumed {
        Some(run) => run,
        None => RunFolder::create(args.out.as_deref())?,
    };
    let mut trainer = match &args.resume {
        Some(_) => Trainer::resume(&config, &dataset, &run, device)?,
        None => Trainer::start(&config, start, &dataset, &run, device)?,
    };
    if let Some(note) = opened.keep_timings() {
        say!("{note}");
    }
    if trainer.finished() && config.epochs < before {
        let (done, run) = (trainer.done(), run.path().display());
        let what = format!(
            "--epochs {}: the run in {run} ended by early stopping after {done} of {before} epochs",
            config.epochs
        );
        return Err(Error::usage(
            what,
            "a larger --patience, or 0 for none, goes on with it; leave --epochs out otherwise",
        ));
    }
    run.write_config(&config)?;
    if args.resume.is_none() {
        run.write_env(&Environment::here(device.to_string()))?;
    }
    say!(
        "model: {}, {} epochs{}; {:.0} MiB on the device; run folder {}",
        config.model,
        config.epochs,
        match config.phase.len() {
            0 => format!(" of batch {}, lr {}", config.batch, config.lr),
            phases => format!(" in {phases} phases"),
        },
        trainer.bytes() as f64 / f64::from(1 << 20),
        run.path().display()
    );
    if let Some(note) = trainer.note() {
        say!("weights: {note}");
    }
    if trainer.finished() {
        let more = if trainer.patience_is_out() { "a larger --patience, or 0 for none" } else { "--epochs" };
        say!("epochs 1 to {} are done already; ask for more with {more}", trainer.done());
    }
    if args.profile.asked() {
        args.profile.show(&trainer.profile()?)?;
    }
    let stop = stop_on_signal()?;
    let mut progress = Progress::new(config.epochs, dataset.task == Task::Values);
    let outcome = trainer.run(&mut progress, &stop)?;
    drop(progress);
    finish(&config, &dataset, &run, &outcome)
}

fn finish(config: &Config, dataset: &Dataset, run: &RunFolder, outcome: &Outcome) -> Result<ExitCode> {
    let folder = run.path().display();
    let monitor = config.monitor().name(dataset.task);
    match outcome.stopped {
        Some(Stopped::Interrupted) => {
            say!("interrupted and saved; go on with: fer-gpu train --resume {folder}");
            return Ok(ExitCode::from(130));
        }
        Some(Stopped::Patience) => {
            let patience = config.stopping().map_or(0, |stopping| stopping.patience);
            say!("stopped early: no better {monitor} for {patience} epochs");
        }
        Some(Stopped::Time) => {
            let time = config.time.as_deref().unwrap_or_default();
            say!("stopped and saved: the time of {time} is over; go on with: fer-gpu train --resume {folder}");
            if outcome.best.is_none() {
                say!("no epoch was completed in it, so there is nothing to score yet");
                return Ok(ExitCode::SUCCESS);
            }
        }
        None => {}
    }
    if let Some(best) = outcome.best {
        say!("best: epoch {}, {monitor} {:.4}; on the {} split:", best.epoch, best.value, outcome.evaluated_on);
    }
    if let Some(evaluation) = &outcome.evaluation {
        print(&evaluation.report())?;
    }
    if dataset.source.starts_with("synth") {
        say!("These are drawn faces: their accuracy means nothing about people.");
    }
    say!("steps waited {:.1} s for data in all", outcome.waited.as_secs_f64());
    say!("");
    say!("written to {folder}:");
    for (name, what) in run.contents()? {
        say!("  {name:<28} {what}");
    }
    say!(
        "use it: fer-gpu predict {folder} IMAGE|DIR; go on: fer-gpu train --resume {folder} --epochs {}",
        config.epochs * 2
    );
    Ok(ExitCode::SUCCESS)
}
