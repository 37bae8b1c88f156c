//! The tuner: what it times, what it keeps, and that what it chose stays chosen.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use fer_gpu::gpu::{Choices, Gpu, Pick, Tune};
use fer_gpu::graph::{At, Executor, GpuExecutor, Snapshot};
use fer_gpu::models::{self, Stack};
use fer_gpu::ops::general_conv2d::GeneralConv2d;
use fer_gpu::ops::window::Padding;
use fer_gpu::train::{Cache, Tuning};
use std::sync::Arc;
use std::time::Duration;

const BATCH: usize = 2;

fn gpu(tune: Tune, seconds: u64, held: Choices) -> Arc<Gpu> {
    let mut gpu = common::gpu();
    (gpu.tuner.pick, gpu.tuner.budget) = (Pick::Best(tune), Duration::from_secs(seconds));
    gpu.tuner.hold(held);
    Arc::new(gpu)
}

/// The parameters after a step of a small network.
fn trained(gpu: &Arc<Gpu>) -> Snapshot {
    let model = models::find("fer7-small").expect("listed");
    let graph = Arc::new(model.graph(model.classes).expect("builds"));
    let samples = common::noise(0, BATCH, graph.input().elements(), model.classes);
    let mut executor = GpuExecutor::new(Arc::clone(gpu), graph, BATCH, 1, true).expect("fits");
    executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    executor.snapshot().expect("reads")
}

#[test]
fn what_was_timed_stays_chosen() {
    let timing = gpu(Tune::Full, 600, Choices::new());
    let first = trained(&timing);
    let (fresh, used) = (timing.tuner.fresh(), timing.tuner.choices());
    assert!(fresh.len() >= 3 && timing.tuner.spent() > Duration::ZERO, "{fresh:?}");
    assert!(fresh.iter().all(|(key, variant)| used.get(key) == Some(variant)), "{fresh:?} {used:?}");
    assert!(used.keys().any(|key| key.starts_with("conv2d.backward_params ")), "{used:?}");

    // Held as a checkpoint or a cache holds it: nothing is timed, and the bits are the same.
    let again = gpu(Tune::Full, 600, used.clone());
    assert_eq!(trained(&again), first);
    assert_eq!((again.tuner.spent(), again.tuner.choices()), (Duration::ZERO, used.clone()));

    // What no candidate is called is not chosen.
    let unknown = used.keys().map(|key| (key.clone(), "direct 7x7".to_owned())).collect();
    let table = gpu(Tune::Cached, 600, unknown);
    trained(&table);
    let plain = gpu(Tune::Off, 0, Choices::new());
    trained(&plain);
    assert_eq!(table.tuner.choices(), plain.tuner.choices());
}

/// The phases of a dilated convolution are scratch of one recording, which the tuner's own recordings do not have.
#[test]
fn convolutions_of_scratch_are_not_timed() {
    let timing = gpu(Tune::Full, 600, Choices::new());
    let stack = Stack::new("dilated", [12, 12, 3]).conv_same(8, 3);
    let dilated = stack.then(GeneralConv2d::dilated(16, 3, 2, Padding::Same)).flatten().dense(4).finish();
    let graph = Arc::new(dilated.expect("builds"));
    let samples = common::noise(0, BATCH, graph.input().elements(), 4);
    let mut executor = GpuExecutor::new(Arc::clone(&timing), graph, BATCH, 1, true).expect("fits");
    executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    assert!(executor.flush().expect("metrics").loss.is_finite());
    let timed: Vec<String> = timing.tuner.choices().into_keys().filter(|key| key.starts_with("conv2d.")).collect();
    assert!(!timed.is_empty() && timed.iter().all(|key| key.contains("x12x12x3 ")), "{timed:?}");
}

#[test]
fn without_time_the_table_counts() {
    let hurried = gpu(Tune::Full, 0, Choices::new());
    trained(&hurried);
    let plain = gpu(Tune::Off, 0, Choices::new());
    trained(&plain);
    assert!(hurried.tuner.fresh().is_empty());
    assert_eq!(hurried.tuner.choices(), plain.tuner.choices());
}

#[test]
fn a_cache_is_of_one_adapter_and_driver() {
    let folder = tempfile::tempdir().expect("a folder");
    let gpu = common::gpu();
    let cache = Cache::within(folder.path(), &gpu);
    assert_eq!(cache.read(), (Choices::new(), None), "there is none yet");
    let choice = |text: &str| Choices::from([(text.to_owned(), "direct 32x32".to_owned())]);
    cache.add(choice("a")).expect("writes");
    cache.add(choice("b")).expect("writes");
    let (both, note) = cache.read();
    assert_eq!((both.len(), note), (2, None));

    let mut updated = common::gpu();
    updated.description.driver = "another version".into();
    let (choices, note) = Cache::within(folder.path(), &updated).read();
    assert!(choices.is_empty() && note.is_some_and(|n| n.contains("another driver")));

    let file = folder.path().read_dir().expect("lists").next().expect("a file").expect("reads").path();
    let text = std::fs::read_to_string(&file).expect("reads");
    for damaged in ["", "{", &text[..text.len() / 2], "[1, 2]"] {
        std::fs::write(&file, damaged).expect("writes");
        let (choices, note) = cache.read();
        assert!(choices.is_empty() && note.is_some_and(|n| n.contains("damaged")), "{damaged}");
    }
    cache.add(choice("c")).expect("replaces what is damaged");
    assert_eq!(cache.read().0.len(), 1);
}

#[test]
fn a_budget_is_a_number_of_seconds() {
    let mut gpu = common::gpu();
    for seconds in [-1.0, f64::NAN, f64::INFINITY] {
        let error = Tuning { tune: Some(Tune::Full), seconds }.apply(&mut gpu).expect_err("no time");
        assert!(error.to_string().contains("--tune-seconds"), "{error}");
    }
}
