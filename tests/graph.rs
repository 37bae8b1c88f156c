//! Graphs that are not chains, and what an executor keeps between steps.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::fan_out::{self, CLASSES, DEAD, IMAGE};
use common::noise;
use fer_gpu::graph::{
    At, Augmentation, Batch, CpuExecutor, Executor, GpuExecutor, Graph, Mode, Parameters, Plan, Snapshot,
};
use fer_gpu::models;
use fer_gpu::ops::augment::{self, Augment, FillMode, Row, Transform};
use fer_gpu::tensor::{HostTensor, fill};
use std::sync::Arc;

/// The whole graph's loss along a random direction of all its parameters, against its gradients: a gradient that is counted
/// twice, or not at all, where a value has several consumers shows here. A step of 1e-6 crosses no kink of a LeakyReLU.
#[test]
fn finite_differences_of_the_whole_graph() {
    let samples = noise(0, 5, IMAGE, CLASSES);
    for view_first in [false, true] {
        let graph = Arc::new(fan_out::graph(view_first));
        let slots = Parameters::new(&graph).slots;
        let mut executor = CpuExecutor::new(graph, 5, 1).exact();
        let start = executor.values_mut().to_vec();
        let (_, gradients) = executor.gradients(&samples.batch(), At::step(3, 0.0)).expect("gradients");
        let mut loss_at = |directions: &[HostTensor], by: f64| {
            let values = executor.values_mut().iter_mut().zip(&start).zip(directions);
            values.for_each(|((v, s), d)| *v = HostTensor::from_fn(s.shape.clone(), |i| s.data[i] + by * d.data[i]));
            executor.gradients(&samples.batch(), At::step(3, 0.0)).expect("loss").0.loss / 5.0
        };
        // All parameters at once, then each by itself.
        for only in std::iter::once(None).chain((0..slots.len()).map(Some)) {
            let moved = |slot: usize| slots[slot].spec.trainable && only.is_none_or(|only| only == slot);
            let directions: Vec<HostTensor> = (0..slots.len())
                .map(|slot| {
                    let size = if moved(slot) { 1.0 } else { 0.0 };
                    HostTensor::from_fn(start[slot].shape.clone(), |i| size * f64::from(fill(slot as u32, i as u32)))
                })
                .collect();
            let numeric = (loss_at(&directions, 1e-6) - loss_at(&directions, -1e-6)) / 2e-6;
            let dot = |g: &HostTensor, d: &HostTensor| g.data.iter().zip(&d.data).map(|(g, d)| g * d).sum::<f64>();
            let analytic: f64 =
                gradients.iter().zip(&directions).map(|(g, d)| g.as_ref().map_or(0.0, |g| dot(g, d))).sum();
            let error = (numeric - analytic).abs();
            let name = only.map_or("all", |slot| &slots[slot].name);
            assert!(error <= 1e-7 * analytic.abs().max(0.01), "{view_first}, {name}: {numeric}, gradients {analytic}");
        }
        let dead: Vec<bool> =
            slots.iter().zip(&gradients).filter(|(s, _)| s.name.starts_with(DEAD)).map(|(_, g)| g.is_none()).collect();
        assert_eq!(dead, [true, true], "what leads nowhere has no gradient");
    }
}

#[test]
fn the_gpu_adds_gradients_up() {
    let failures = fan_out::gpu_failures(Arc::new(common::gpu()));
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn values_on_the_gpu_are_the_references() {
    let failures = fan_out::values_failures(&Arc::new(common::gpu()));
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Trains `steps` steps on batches of noise and returns everything that moved.
fn trained(executor: &mut dyn Executor, graph: &Graph, batch: usize, steps: u64) -> Snapshot {
    for s in 0..steps {
        let samples = noise(s as u32, batch, graph.input().elements(), graph.output().elements());
        executor.train(&samples.batch(), At::step(s, 0.001)).expect("trains");
    }
    executor.snapshot().expect("reads back")
}

fn small() -> Arc<Graph> {
    Arc::new(models::find("fer7-small").expect("listed").graph(7).expect("builds"))
}

/// Two executors on two devices, dropout and batch norm included.
#[test]
fn two_runs_give_equal_bits() {
    for graph in [small(), Arc::new(fan_out::graph(true))] {
        let run = || {
            let gpu = Arc::new(common::gpu());
            let mut executor = GpuExecutor::new(gpu, Arc::clone(&graph), 8, 3, true).expect("fits");
            trained(&mut executor, &graph, 8, 20)
        };
        let (a, b) = (run(), run());
        assert!(a == b, "{}: two runs differ", graph.name);
        let m = &a.slots[0].tensors;
        let moved = m.iter().filter(|m| m.values.iter().any(|v| *v != 0.0)).count();
        let dead = m.iter().filter(|m| m.name.starts_with(DEAD)).count();
        assert_eq!(moved, m.len() - dead, "{}: all that leads to the loss is trained", graph.name);
    }
}

/// A batch of 3 after a batch of 5, in buffers that still hold the latter, against an executor that has seen nothing else.
#[test]
fn a_smaller_batch_is_as_in_a_fresh_executor() {
    let gpu = Arc::new(common::gpu());
    for graph in [small(), Arc::new(fan_out::graph(false))] {
        let samples5 = noise(1, 5, graph.input().elements(), graph.output().elements());
        let samples3 = noise(2, 3, graph.input().elements(), graph.output().elements());
        let executors = |batch: usize| -> [Box<dyn Executor>; 2] {
            let on_gpu = GpuExecutor::new(Arc::clone(&gpu), Arc::clone(&graph), batch, 3, true).expect("fits");
            [Box::new(on_gpu), Box::new(CpuExecutor::new(Arc::clone(&graph), batch, 3))]
        };
        for (mut used, mut fresh) in executors(5).into_iter().zip(executors(3)) {
            let start = used.snapshot().expect("reads back");
            used.train(&samples5.batch(), At::step(0, 0.001)).expect("trains");
            used.evaluate(&samples5.batch()).expect("evaluates");
            used.predict(&samples5.x, 5).expect("predicts");
            used.flush().expect("metrics");
            used.restore(&start).expect("its own snapshot");
            let [(a, p), (b, q)] = [&mut used, &mut fresh].map(|executor| {
                executor.train(&samples3.batch(), At::step(0, 0.001)).expect("trains");
                executor.evaluate(&samples3.batch()).expect("evaluates");
                let metrics = executor.flush().expect("metrics");
                let predicted = executor.predict(&samples3.x, 3).expect("predicts");
                ((executor.snapshot().expect("reads back"), metrics), predicted)
            });
            assert!(a == b && p == q, "{} on {}: not what a fresh executor gives", graph.name, used.device());
        }
    }
}

/// Mirrors every second image, and the others in the next epoch.
struct Mirror(Augment);

impl Augmentation for Mirror {
    fn op(&self) -> &Augment {
        &self.0
    }

    fn row(&self, epoch: u32, sample: u32) -> Row {
        Transform { flip: (epoch + sample) % 2 == 1, ..Transform::default() }.row(48, 48)
    }
}

/// A step with an augmentation is the step of the augmented images, to the last bit; evaluation sees them as they are. The same for
/// both executors, at a full and at a smaller batch.
#[test]
fn training_images_are_augmented_and_no_others() {
    let (graph, gpu) = (small(), Arc::new(common::gpu()));
    let op = Augment {
        warps: true,
        pixels: false,
        fill: FillMode::Nearest,
        cval: 0.0,
        scale: [1.0 / 255.0; 4],
        offset: [0.0; 4],
    };
    let mirror = Arc::new(Mirror(op));
    let executors = || -> [Box<dyn Executor>; 2] {
        let on_gpu = GpuExecutor::new(Arc::clone(&gpu), Arc::clone(&graph), 5, 3, true).expect("fits");
        [Box::new(on_gpu), Box::new(CpuExecutor::new(Arc::clone(&graph), 5, 3))]
    };
    for (mut augmented, mut plain) in executors().into_iter().zip(executors()) {
        augmented.augment(mirror.clone()).expect("images");
        for (step, n, epoch) in [(0, 5, 1), (1, 3, 2)] {
            let mut samples = noise(step as u32, n, 48 * 48, 7);
            samples.samples = (7..7 + n as u32).collect();
            let at = At { step, epoch, lr: 0.001 };
            augmented.train(&samples.batch(), at).expect("trains");
            augmented.evaluate(&samples.batch()).expect("evaluates");
            let (rows, shape) = (samples.samples.iter().map(|s| mirror.row(epoch, *s)), [n, 48, 48, 1]);
            let x = augment::reference(&op, &HostTensor::from_f32(shape, &samples.x), &rows.collect::<Vec<_>>());
            assert_ne!(x.to_f32(), samples.x);
            plain.train(&Batch { x: &x.to_f32(), ..samples.batch() }, at).expect("trains");
            plain.evaluate(&samples.batch()).expect("evaluates");
            let [a, b] =
                [&mut augmented, &mut plain].map(|e| (e.snapshot().expect("reads back"), e.flush().expect("metrics")));
            assert!(a == b, "{}, step {step}: {:?} {:?}", plain.device(), a.1, b.1);
        }
    }
}

/// The networks' bytes of arenas over the least that any sharing could need: the bytes alive at once.
#[test]
fn arenas_are_near_the_bound() {
    println!("| network | batch | mode | tensors | arenas, MiB | bound, MiB | ratio |\n|---|---|---|---|---|---|---|");
    for model in models::MODELS {
        let graph = model.graph(model.classes).expect("builds");
        for (mode, batch) in [(Mode::Train, 8), (Mode::Train, 32), (Mode::Evaluate, 32)] {
            let plan = Plan::new(&graph, batch, mode).expect("plans");
            let bytes: u64 = plan.arenas.iter().sum();
            let ratio = bytes as f64 / plan.lower_bound as f64;
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            println!(
                "| {} | {batch} | {mode:?} | {} | {:.1} | {:.1} | {ratio:.3} |",
                model.name,
                plan.tensors.len(),
                mib(bytes),
                mib(plan.lower_bound)
            );
            assert!((1.0..=1.15).contains(&ratio), "{}, {mode:?}: {ratio}", model.name);
        }
    }
}

/// Nothing is made after the first steps, by us or behind our back: what the driver holds for the device is the same buffers and bytes
/// at steps 3 and 300, as are our own figure and the programs.
#[test]
fn memory_and_programs_do_not_grow() {
    let graph = Arc::new(fan_out::graph(false));
    let mut executor = GpuExecutor::new(Arc::new(common::gpu()), Arc::clone(&graph), 4, 3, true).expect("fits");
    let mut held = Vec::new();
    for s in 1..=300 {
        let n = if s % 3 == 2 { 3 } else { 4 };
        let samples = noise(s, n, IMAGE, CLASSES);
        executor.train(&samples.batch(), At::step(s.into(), 0.001)).expect("trains");
        executor.evaluate(&samples.batch()).expect("evaluates");
        executor.arrived().expect("metrics");
        if [3, 300].contains(&s) {
            executor.flush().expect("metrics");
            held.push((executor.bytes(), executor.gpu().held(), executor.programs()));
        }
    }
    assert_eq!(held[0], held[1]);
    let (bytes, driver, programs) = held[0];
    assert_eq!(programs, 4, "training and evaluation, of 4 and of 3");
    // What staging, the settings of dispatches and the driver's own alignment add is little and fixed.
    if let Some((buffers, allocated)) = driver {
        assert!(
            buffers > 10 && (bytes..bytes + (1 << 20)).contains(&allocated),
            "{buffers}: {allocated}, {bytes} ours"
        );
    }
}
