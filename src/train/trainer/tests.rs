#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use crate::data::{self, Options};
use crate::error::Error;
use crate::optim::{Kind, Schedule};
use crate::train::history::read_results;
use crate::train::{EarlyStopping, Monitor, PhaseConfig, ReduceOnPlateau};
use std::path::Path;

/// A network of a file, small enough for the reference.
const TINY: &str = "input = [8, 8, 1]\n[[layer]]\nclass = 'Flatten'\n[[layer]]\nclass = 'Dense'\nunits = 3\n";

fn config(folder: &Path, epochs: usize) -> Config {
    let model = folder.join("tiny.toml");
    std::fs::write(&model, TINY).unwrap();
    let model = model.to_str().unwrap().to_owned();
    Config { data: "synth:70".into(), model, epochs, batch: 12, seed: 5, ..Config::default() }
}

struct Quiet<F: FnMut(usize, usize)>(F);

impl<F: FnMut(usize, usize)> Observer for Quiet<F> {
    fn step(&mut self, epoch: usize, step: usize, _: usize, _: &Metrics, _: f64) {
        self.0(epoch, step);
    }

    fn epoch(&mut self, _: &EpochRow, _: bool) {}
}

/// Trains in `folder/name`, from its last checkpoint where there is one.
fn train(config: &Config, folder: &Path, device: &Device, seen: impl FnMut(usize, usize)) -> Result<Outcome> {
    config.check()?;
    let start = Start::read(config)?;
    let options = Options { seed: config.seed, preprocess: start.preprocess, ..Options::default() };
    let data = data::open(&config.data, start.input, &options)?;
    let stop = AtomicBool::new(false);
    if folder.join("last.safetensors").exists() {
        let run = RunFolder::resume(folder)?;
        return Trainer::resume(config, &data, &run, device)?.run(&mut Quiet(seen), &stop);
    }
    let run = RunFolder::create(Some(folder))?;
    Trainer::start(config, start, &data, &run, device)?.run(&mut Quiet(seen), &stop)
}

fn rates(folder: &Path) -> Vec<f64> {
    read_results(&folder.join("results.csv")).unwrap().iter().map(|row| row.lr).collect()
}

fn parameters(path: &Path) -> Vec<Vec<f32>> {
    Checkpoint::load(path).unwrap().tensors.into_values().map(|t| t.values).collect()
}

#[test]
fn a_run_follows_its_schedule_and_keeps_what_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = Schedule { kind: Kind::Cosine, warmup_steps: 3, ..Schedule::default() };
    let config = Config { schedule: schedule.clone(), save_every: 2, accumulate: 2, ..config(folder.path(), 4) };
    let run = folder.path().join("run");
    train(&config, &run, &Device::Cpu, |_, _| {}).unwrap();
    // 50 images in updates of 24: 3 an epoch; a row has its last step's rate.
    let length = Length { epoch: 3, phase: 12 };
    let wanted: Vec<f64> = [2, 5, 8, 11].map(|step| schedule.rate(0.001, step, length)).to_vec();
    assert_eq!(rates(&run), wanted);
    let names: Vec<String> =
        std::fs::read_dir(&run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|n| n.starts_with("events.out.tfevents.")).count(), 1, "{names:?}");
    let mut kept: Vec<_> = names.iter().filter(|n| n.starts_with("epoch-")).collect();
    kept.sort();
    assert_eq!(kept, ["epoch-0002.safetensors", "epoch-0004.safetensors"]);
    assert_eq!(parameters(&run.join("epoch-0004.safetensors")), parameters(&run.join("last.safetensors")));
}

/// The state of a plateau goes through the checkpoint.
#[test]
fn a_plateau_reduces_the_rate_also_when_resumed() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is ever better by so much: every epoch but the first counts.
    let reduce = ReduceOnPlateau { patience: 2, factor: 0.5, min_delta: 100.0, ..ReduceOnPlateau::default() };
    let config = |epochs| Config { reduce_on_plateau: Some(reduce.clone()), ..config(folder.path(), epochs) };
    let (whole, halves) = (folder.path().join("whole"), folder.path().join("halves"));
    train(&config(6), &whole, &Device::Cpu, |_, _| {}).unwrap();
    for epochs in [2, 4, 6] {
        train(&config(epochs), &halves, &Device::Cpu, |_, _| {}).unwrap();
    }
    let lr = 0.001;
    assert_eq!(rates(&whole), [lr, lr, lr, lr / 2.0, lr / 2.0, lr / 4.0]);
    assert_eq!(rates(&halves), rates(&whole));
    let last = "last.safetensors";
    assert_eq!(parameters(&halves.join(last)), parameters(&whole.join(last)));
}

#[test]
fn early_stopping_hands_the_best_parameters_on() {
    let folder = tempfile::tempdir().unwrap();
    let early_stopping = Some(EarlyStopping {
        monitor: Monitor::Loss,
        min_delta: 100.0,
        restore_best_weights: true,
        ..EarlyStopping::default()
    });
    // The second phase moves nothing.
    let phase = |epochs, lr| PhaseConfig { epochs, lr: Some(lr), ..PhaseConfig::default() };
    let config = Config { early_stopping, phase: vec![phase(9, 3.0), phase(1, 1e-30)], ..config(folder.path(), 10) };
    let run = folder.path().join("run");
    let outcome = train(&config, &run, &Device::Cpu, |_, _| {}).unwrap();
    // An epoch without an improvement by 100 ends the first phase; the last has one.
    assert_eq!((outcome.stopped, outcome.history.len()), (None, 3));
    assert_eq!(parameters(&run.join("best.safetensors")), parameters(&run.join("last.safetensors")));
    let best = outcome.history.iter().map(|row| row.loss).fold(f64::INFINITY, f64::min);
    assert_eq!(outcome.best.unwrap().value, best);
}

#[test]
fn time_that_is_over_stops_saves_and_scores() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = Config { time: Some("1s".into()), ..config(folder.path(), 1_000_000) };
    let begin = Instant::now();
    let outcome = train(&config, &run, &Device::Cpu, |_, _| {}).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(60) && outcome.stopped == Some(Stopped::Time), "{outcome:?}");
    assert_eq!(outcome.evaluation.is_some(), outcome.best.is_some());
    let more = Config { time: None, epochs: outcome.history.len() + 1, ..config };
    let outcome = train(&more, &run, &Device::Cpu, |_, _| {}).unwrap();
    assert_eq!((outcome.stopped, outcome.history.len()), (None, more.epochs));
}

/// A device that goes away is an error that says what is saved and how to go on.
#[test]
fn a_lost_device_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    for lost_in in [1, 2] {
        let device = Device::open("auto", None, &crate::train::Tuning::default()).unwrap().device;
        let Device::Gpu(gpu) = &device else { panic!("the tests need an adapter: tools/test.sh installs one") };
        let gpu = Arc::clone(gpu);
        let run = folder.path().join(lost_in.to_string());
        let lose = |epoch, step| {
            if (epoch, step) == (lost_in, 2) {
                gpu.device.destroy();
            }
        };
        let error = train(&config(folder.path(), 3), &run, &device, lose).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::DeviceLost { .. }) && error.exit_code() == 4, "{error:?}");
        let saved = if lost_in == 1 { "no epoch was completed" } else { "last.safetensors is of epoch 1; go on with" };
        assert!(text.contains("time limit") && text.contains(saved), "{text}");
        assert_eq!(run.join("last.safetensors").exists(), lost_in == 2);
    }
}
