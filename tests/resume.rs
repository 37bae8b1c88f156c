//! A run that goes on is the run that never stopped: parameters and moments to the last bit, on an adapter and on the reference.
//! Images are augmented; fer7-small has dropout and batch norm; the last batch of an epoch is smaller.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use fer_gpu::data::augment::Preset;
use fer_gpu::data::{self, Dataset, InputSpec, Options};
use fer_gpu::formats::checkpoint::{Checkpoint, Progress, TensorData};
use fer_gpu::graph::Metrics;
use fer_gpu::optim::{Kind, Schedule};
use fer_gpu::train::history::EpochRow;
use fer_gpu::train::run::RunFolder;
use fer_gpu::train::{Config, Device, Observer, Stopped, Trainer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Images of an update.
const BATCH: usize = 12;

fn config(epochs: usize) -> Config {
    // All that a step may depend on: the schedule's place, and batches whose gradients are averaged.
    let schedule = Schedule { kind: Kind::Cosine, warmup_steps: 3, decay_steps: Some(30), ..Schedule::default() };
    Config {
        data: "synth:70".into(),
        model: "fer7-small".into(),
        epochs,
        batch: BATCH / 2,
        accumulate: 2,
        weight_decay: 0.01,
        clip_norm: Some(0.5),
        schedule,
        seed: 5,
        augment: Preset::Strong.into(),
        ..Config::default()
    }
}

fn dataset() -> Dataset {
    let input = InputSpec::new(48, 48, 1);
    let data = data::open("synth:70", input, &Options { seed: 5, ..Options::default() }).expect("draws");
    assert!(data.train.len() > 2 * BATCH && !data.train.len().is_multiple_of(BATCH), "the last batch is to be smaller");
    data
}

/// Stops after a number of steps.
struct StopAfter<'a> {
    steps: usize,
    stop: &'a AtomicBool,
}

impl Observer for StopAfter<'_> {
    fn step(&mut self, _: usize, _: usize, _: usize, _: &Metrics, _: f64) {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn epoch(&mut self, _: &EpochRow, _: bool) {}
}

/// What a checkpoint holds: tensors by name as bits, and where training stands.
type Held = (BTreeMap<String, (Vec<usize>, Vec<u32>)>, Progress);

fn held(folder: &Path) -> Held {
    let checkpoint = Checkpoint::load(&folder.join("last.safetensors")).expect("a checkpoint");
    let bits = |(name, t): (String, TensorData)| (name, (t.shape, t.values.iter().map(|v| v.to_bits()).collect()));
    let tensors: BTreeMap<_, _> = checkpoint.tensors.into_iter().map(bits).collect();
    let count = tensors.len();
    let optimizer: BTreeMap<_, _> = checkpoint.optimizer.into_iter().map(bits).collect();
    assert!(count > 0 && optimizer.len() >= count, "parameters and both moments");
    let all = tensors.into_iter().chain(optimizer.into_iter().map(|(name, t)| (format!("optimizer/{name}"), t)));
    (all.collect(), checkpoint.meta.progress.expect("training state"))
}

/// Trains in a folder to `epochs`, from its last checkpoint where there is one, or until `steps` steps are done.
fn train(device: &Device, data: &Dataset, folder: &Path, epochs: usize, steps: usize) -> (Option<Stopped>, Held) {
    let config = config(epochs);
    let stop = AtomicBool::new(false);
    let mut observer = StopAfter { steps, stop: &stop };
    let outcome = if folder.join("last.safetensors").exists() {
        let run = RunFolder::resume(folder).expect("a run");
        let trainer = Trainer::resume(&config, data, &run, device).expect("resumes");
        trainer.run(&mut observer, &stop)
    } else {
        let run = RunFolder::create(Some(folder)).expect("a folder");
        Trainer::new(&config, data, &run, device).expect("starts").run(&mut observer, &stop)
    };
    (outcome.expect("trains").stopped, held(folder))
}

fn same(a: &Held, b: &Held, what: &str) {
    assert_eq!(a.0.keys().collect::<Vec<_>>(), b.0.keys().collect::<Vec<_>>(), "{what}");
    for (name, tensor) in &a.0 {
        assert!(*tensor == b.0[name], "{what}: `{name}` differs");
    }
    let at = |p: &Progress| (p.epoch, p.step, p.stale_epochs, p.best.map(|b| b.epoch), p.partial.is_none());
    assert_eq!(at(&a.1), at(&b.1), "{what}");
    // Every figure but those of a clock, to the last bit: an adapter adds up in f32, and goes on with the sums that it had.
    let figures = |row: &EpochRow| {
        [row.loss, row.accuracy, row.mse, row.val_loss, row.val_accuracy, row.val_mse, row.lr].map(f64::to_bits)
    };
    for (a, b) in a.1.history.iter().zip(&b.1.history) {
        assert_eq!(figures(a), figures(b), "{what}: {a:?} {b:?}");
    }
    assert_eq!(a.1.history.len(), b.1.history.len(), "{what}");
}

fn check(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = dataset();
    let steps = data.train.len().div_ceil(BATCH);
    let at = |name: &str| folder.path().join(name);
    const ALL: usize = usize::MAX;
    let (_, whole) = train(device, &data, &at("whole"), 4, ALL);
    assert_eq!((whole.1.epoch, whole.1.step), (4, 4 * steps as u64));

    let (_, half) = train(device, &data, &at("halves"), 2, ALL);
    assert_eq!(half.1.epoch, 2);
    let (_, halves) = train(device, &data, &at("halves"), 4, ALL);
    same(&halves, &whole, "2 epochs, then 4");

    // In the second epoch's middle, then before the smaller batch that ends the third.
    let (stopped, first) = train(device, &data, &at("cut"), 4, steps + 2);
    assert_eq!((stopped, first.1.epoch, first.1.step), (Some(Stopped::Interrupted), 1, steps as u64 + 2));
    let (stopped, second) = train(device, &data, &at("cut"), 4, 2 * steps - 3);
    assert_eq!((stopped, second.1.epoch, second.1.step), (Some(Stopped::Interrupted), 2, 3 * steps as u64 - 1));
    let (stopped, cut) = train(device, &data, &at("cut"), 4, ALL);
    assert_eq!(stopped, None);
    same(&cut, &whole, "interrupted twice");
}

#[test]
fn on_the_gpu() {
    check(&Device::Gpu(Arc::new(common::gpu())));
}

#[test]
fn on_the_reference() {
    check(&Device::Cpu);
}
