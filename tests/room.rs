//! What does not fit is refused before it starts, with what would fit.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use fer_gpu::data::augment::{Augmenter, Preset, Settings};
use fer_gpu::data::{InputSpec, Preprocess, open};
use fer_gpu::gpu::{Pick, Tune};
use fer_gpu::graph::{At, Augmentation, Budget, Executor, GpuExecutor, Graph, Mode, Options};
use fer_gpu::models;
use fer_gpu::train::{AUTO, Config, Device, Start};
use std::sync::Arc;
use std::time::Duration;

fn graph(name: &str) -> Arc<Graph> {
    let model = models::find(name).expect("listed");
    Arc::new(model.graph(model.classes).expect("builds"))
}

/// What the tests' adapter is predicted to need.
fn budget(graph: &Graph, batch: usize, train: bool) -> Budget {
    let options = GpuExecutor::options_on(&common::gpu(), Options::default());
    Budget::new(graph, batch, train, options).expect("plans")
}

fn refused(limit: Option<u64>, graph: &Arc<Graph>, batch: usize, train: bool) -> String {
    let mut gpu = common::gpu();
    if let Some(limit) = limit {
        gpu.limit_memory(limit);
    }
    let made = GpuExecutor::new(Arc::new(gpu), Arc::clone(graph), batch, 1, train);
    made.map(|e| e.bytes()).expect_err("does not fit").to_string()
}

/// The batch that the error names fits to the byte, one more does not.
#[test]
fn a_batch_that_does_not_fit_names_the_largest_that_does() {
    let graph = graph("fer7-cnn3-bn");
    for train in [true, false] {
        let budget = |n| budget(&graph, n, train).total;
        let error = refused(Some(budget(13)), &graph, 100, train);
        assert!(error.contains("batch 100") && error.contains("--batch 13") && error.contains("MiB"), "{error}");
        for (batch, fits) in [(13, true), (14, false)] {
            let mut gpu = common::gpu();
            gpu.limit_memory(budget(13));
            assert_eq!(GpuExecutor::check_room(&gpu, &graph, batch, train).is_ok(), fits, "{batch}");
        }
        assert!(refused(Some(1000), &graph, 100, train).contains("even with --batch 1"));
    }
}

/// Tensors that no buffer of the adapter, or no number, can hold.
#[test]
fn absurd_batches_are_refused() {
    let graph = graph("fer7-small");
    for batch in [1 << 20, 1 << 40, usize::MAX] {
        let error = refused(None, &graph, batch, true);
        assert!(error.contains("the largest batch that fits is --batch "), "{batch}: {error}");
    }
    assert!(refused(None, &graph, 0, true).contains("at least one image"));
}

/// Before a step the buffers are what was predicted; a step adds the kernels' scratch and uniforms only.
#[test]
fn bytes_are_what_was_predicted() {
    for (name, batch) in [("fer7-small", 5), ("fer4-cnn5-bn", 3), ("mini-xception", 2)] {
        let graph = graph(name);
        let mut executor = GpuExecutor::new(Arc::new(common::gpu()), Arc::clone(&graph), batch, 1, true).expect("fits");
        let predicted = budget(&graph, batch, true);
        assert_eq!((executor.budget(), executor.bytes()), (predicted, predicted.total), "{name}");
        let samples = common::noise(0, batch, graph.input().elements(), graph.output().elements());
        executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
        executor.flush().expect("metrics");
        println!(
            "{name}: {} bytes predicted, {} of scratch and uniforms",
            predicted.total,
            executor.bytes() - predicted.total
        );
        assert!(predicted.tensors >= predicted.tensors_lower_bound && executor.bytes() > predicted.total, "{name}");
    }
}

/// Kernels' scratch included, a network takes little more than what is alive at once, at the sizes that the README times.
#[test]
fn bytes_are_near_the_bound() {
    let gpu = Arc::new(common::gpu());
    for (name, batch) in [("fer7-cnn3-bn", 100), ("fer3-cnn6-bn", 32), ("fer4-cnn4-bn", 64)] {
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), graph(name), batch, 1, true).expect("fits");
        executor.prepare(Mode::Train, batch).expect("records");
        executor.prepare(Mode::Evaluate, batch).expect("records");
        let (bytes, least) = (executor.bytes(), executor.least_bytes());
        println!("{name} at {batch}: {bytes} bytes, at least {least}, {} without scratch", executor.budget().total);
        assert!(least <= bytes && bytes as f64 <= 1.15 * least as f64, "{name}: {bytes} bytes, at least {least}");
    }
}

/// What is made later is looked for as well: buffers of augmentation and of explanations.
#[test]
fn later_buffers_count() {
    let graph = graph("fer7-small");
    let budget = budget(&graph, 4, true).total;
    let executor = |more: u64| {
        let mut gpu = common::gpu();
        gpu.limit_memory(budget + more);
        GpuExecutor::new(Arc::new(gpu), Arc::clone(&graph), 4, 1, true).expect("fits")
    };
    let input = InputSpec::new(48, 48, 1);
    let light = || -> Arc<dyn Augmentation> {
        Arc::new(Augmenter::new(&Settings::from(Preset::Light), 1, input, Preprocess::Unit).expect("it changes images"))
    };
    let error = executor(1000).augment(light()).expect_err("no room").to_string();
    assert!(
        error.contains("augmentation of batches of 4 needs 1 MiB more") && error.contains("--augment none"),
        "{error}"
    );
    executor(1 << 20).augment(light()).expect("room");
    let error = executor(1000).explain(&[0.5; 48 * 48], &[1.0; 7], 0).expect_err("no room").to_string();
    assert!(error.contains("an explanation needs") && error.contains("fewer images"), "{error}");
}

/// `--batch auto` asks the driver without timing kernels at the batches on its way.
#[test]
fn no_kernel_is_timed_to_find_a_batch() {
    let mut gpu = common::gpu();
    (gpu.tuner.pick, gpu.tuner.budget) = (Pick::Best(Tune::Full), Duration::from_secs(60));
    gpu.limit_memory(budget(&graph("fer7-small"), 9, true).total);
    let gpu = Arc::new(gpu);
    let config = Config { data: "synth:70".into(), batch: AUTO, ..Config::default() };
    let start = Start::read(&config).expect("a network");
    let data = open(&config.data, start.input, &config.data_options(start.preprocess)).expect("faces");
    let device = Device::Gpu(Arc::clone(&gpu));
    assert_eq!(device.largest_batch(&config, &start, &data, &mut |_| {}).expect("fits"), 8);
    assert!(gpu.tuner.spent().is_zero() && gpu.tuner.choices().is_empty(), "{:?}", gpu.tuner.choices());
}
