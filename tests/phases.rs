//! Phases of a run: what each trains, that a stop changes nothing, and that what is frozen costs nothing.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use fer_gpu::data::{self, Dataset, InputSpec, Options};
use fer_gpu::formats::checkpoint::{Checkpoint, TensorData};
use fer_gpu::graph::{At, Budget, Executor, Freeze, GpuExecutor, Graph, Metrics, Mode, Parameters, Plan, Step};
use fer_gpu::models;
use fer_gpu::train::history::{EpochRow, read_results};
use fer_gpu::train::run::RunFolder;
use fer_gpu::train::{Config, Device, Observer, PhaseConfig, Stopped, Trainer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SEED: u64 = 5;

/// Nothing but the head, then the last block too in other batches, then all.
fn config() -> Config {
    let phase = |epochs, lr, batch, freeze: &str| PhaseConfig {
        epochs,
        lr: Some(lr),
        batch,
        freeze: Some(freeze.into()),
        ..PhaseConfig::default()
    };
    let phases =
        vec![phase(1, 0.01, None, "re_lu_2"), phase(2, 0.001, Some(7), "re_lu_1"), phase(1, 0.0005, None, "none")];
    Config {
        data: "synth:70".into(),
        model: "fer7-small".into(),
        epochs: 4,
        batch: 12,
        seed: SEED,
        phase: phases,
        ..Config::default()
    }
}

fn dataset() -> Dataset {
    let input = InputSpec::new(48, 48, 1);
    data::open("synth:70", input, &Options { seed: SEED, ..Options::default() }).expect("draws")
}

/// Stops after a number of steps, and keeps what it is told of phases.
struct Watch<'a> {
    steps: usize,
    stop: &'a AtomicBool,
    phases: Vec<usize>,
}

impl Observer for Watch<'_> {
    fn step(&mut self, _: usize, _: usize, _: usize, _: &Metrics, _: f64) {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn phase(&mut self, number: usize, of: usize, about: &str) {
        assert!(of == 3 && about.contains("parameters are trained"), "{about}");
        self.phases.push(number);
    }

    fn epoch(&mut self, _: &EpochRow, _: bool) {}
}

/// Trains in a folder, from its last checkpoint where there is one, or until `steps` steps are done. The phases that were told.
fn train(
    device: &Device,
    data: &Dataset,
    folder: &Path,
    config: &Config,
    steps: usize,
) -> (Option<Stopped>, Vec<usize>) {
    let stop = AtomicBool::new(false);
    let mut watch = Watch { steps, stop: &stop, phases: Vec::new() };
    let resumed = folder.join("last.safetensors").exists();
    let run = if resumed { RunFolder::resume(folder) } else { RunFolder::create(Some(folder)) }.expect("a folder");
    let trainer = if resumed { Trainer::resume } else { Trainer::new }(config, data, &run, device).expect("starts");
    let outcome = trainer.run(&mut watch, &stop).expect("trains");
    (outcome.stopped, watch.phases)
}

type Bits = BTreeMap<String, Vec<u32>>;

/// Parameters and moments of the last checkpoint.
fn held(folder: &Path) -> (Bits, Bits) {
    let checkpoint = Checkpoint::load(&folder.join("last.safetensors")).expect("a checkpoint");
    let bits = |tensors: BTreeMap<String, TensorData>| {
        tensors.into_iter().map(|(name, t)| (name, t.values.iter().map(|v| v.to_bits()).collect())).collect()
    };
    (bits(checkpoint.tensors), bits(checkpoint.optimizer))
}

fn check(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let (data, config) = (dataset(), config());
    let steps = |batch: usize| data.train.len().div_ceil(batch);
    assert_eq!(train(device, &data, &at("whole"), &config, usize::MAX), (None, vec![1, 2, 3]));
    let rows = read_results(&at("whole").join("results.csv")).expect("a history");
    let lrs: Vec<f64> = rows.iter().map(|r| r.lr).collect();
    assert_eq!(lrs, [0.01, 0.001, 0.001, 0.0005]);

    // At the end of the first phase, in the middle of the second, and before the last step of the third.
    let cut = [(steps(12), 1), (steps(7) + 1, 2), (2 * steps(7) - steps(7) - 1 + steps(12) - 1, 3)];
    for (n, (steps, phase)) in cut.into_iter().enumerate() {
        let (stopped, phases) = train(device, &data, &at("cut"), &config, steps);
        assert_eq!((stopped, phases.last()), (Some(Stopped::Interrupted), Some(&phase)), "stop {n}");
        let (parameters, moments) = held(&at("cut"));
        let frozen = |name: &String| match phase {
            1 => !name.starts_with("dense"),
            2 => ["conv2d/", "batch_normalization/", "conv2d_1/", "batch_normalization_1/"]
                .iter()
                .any(|p| name.starts_with(p)),
            _ => false,
        };
        for name in parameters.keys().filter(|name| !name.contains("moving_")) {
            assert_eq!(moments.contains_key(&format!("m/{name}")), !frozen(name), "phase {phase}: {name}");
        }
    }
    assert_eq!(train(device, &data, &at("cut"), &config, usize::MAX), (None, vec![3]));
    assert!(held(&at("cut")) == held(&at("whole")), "interrupted three times");

    // More epochs than the phases have belong to the last; what is done is not done again.
    let more = Config { epochs: 5, ..config };
    assert_eq!(train(device, &data, &at("whole"), &more, usize::MAX), (None, vec![3]));
    assert_eq!(read_results(&at("whole").join("results.csv")).expect("a history").len(), 5);
}

#[test]
fn phases_on_the_gpu() {
    check(&Device::Gpu(Arc::new(common::gpu())));
}

#[test]
fn phases_on_the_reference() {
    check(&Device::Cpu);
}

/// Patience that runs out ends a phase, not the run.
#[test]
fn patience_ends_a_phase() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = Config { patience: 1, epochs: 60, ..config() };
    for phase in &mut config.phase {
        // Too small to change any prediction: no epoch is better than its phase's first.
        (phase.lr, phase.epochs) = (Some(1e-30), 20);
        phase.freeze = Some("re_lu_2".into());
    }
    let device = Device::Gpu(Arc::new(common::gpu()));
    let told = train(&device, &dataset(), &folder.path().join("run"), &config, usize::MAX);
    assert_eq!(told, (Some(Stopped::Patience), vec![1, 2, 3]));
    // Two epochs a phase: each counts anew, as each of Keras's fits does.
    assert_eq!(read_results(&folder.path().join("run/results.csv")).expect("a history").len(), 6);
}

fn network(name: &str, freeze: &Freeze) -> Graph {
    let model = models::find(name).expect("listed");
    let mut graph = model.graph(model.classes).expect("builds");
    graph.freeze(freeze).expect("freezes");
    graph
}

/// A frozen body has no step after the loss, and none of its tensors is kept for one, but for the head's input.
#[test]
fn a_frozen_body_has_no_backward() {
    for name in ["fer4-vgg16", "fer3-resnet50", "fer7-efficientnetv2l"] {
        let graph = network(name, &Freeze::Body);
        let plan = Plan::new(&graph, 2, Mode::Train).expect("plans");
        let mut of_body = std::collections::BTreeSet::from([0]);
        let mut backward = false;
        let mut kept = std::collections::BTreeSet::new();
        for step in &plan.steps {
            match step {
                Step::Forward { node, y, saved, .. } if graph.nodes[*node].frozen && graph.nodes[*node].body => {
                    of_body.extend(saved.iter().chain([y]).map(|t| plan.owner(*t)));
                }
                Step::Forward { .. } | Step::Loss { .. } => {}
                Step::Backward { node, x, y, saved, dy, dx, .. } => {
                    backward = true;
                    let params = &graph.nodes[*node].params;
                    assert!(!graph.nodes[*node].body, "{name}: {} has a backward", graph.nodes[*node].name);
                    assert!(params.is_empty() || params.iter().any(|p| p.trainable), "{name}");
                    let touched = x.iter().chain(saved).chain([y, dy]).chain(dx.iter().flatten());
                    kept.extend(touched.map(|t| plan.owner(*t)).filter(|t| of_body.contains(t)));
                }
                Step::Accumulate { into, from, .. } => {
                    assert!(!of_body.contains(into) && !of_body.contains(from), "{name}");
                }
            }
        }
        assert!(
            backward && kept.len() <= 1,
            "{name}: {:?}",
            kept.iter().map(|t| &plan.tensors[*t].name).collect::<Vec<_>>()
        );
        let trained: usize =
            Parameters::new(&graph).slots.iter().filter(|s| s.spec.trainable).map(|s| s.spec.shape.elements()).sum();
        let options = fer_gpu::graph::Options::default();
        let budget = Budget::new(&graph, 2, true, options).expect("plans");
        let all = Budget::new(&network(name, &Freeze::Nothing), 2, true, options).expect("plans");
        let inference = Budget::new(&graph, 2, false, options).expect("plans");
        println!(
            "{name}: {} MiB frozen, {} trained, {} in inference",
            budget.total >> 20,
            all.total >> 20,
            inference.total >> 20
        );
        assert!(budget.gradients < 4 * trained as u64 + 65536 && budget.optimizer == 2 * budget.gradients, "{name}");
        assert!(
            budget.tensors < inference.tensors * 5 / 4 && budget.tensors * 3 < all.tensors * 2,
            "{name}: {budget:?}"
        );
    }
}

/// Multiplications and additions of a training step, by its plan: forward, and as many again for each gradient that backward makes.
fn work(graph: &Graph, batch: usize) -> u64 {
    let plan = Plan::new(graph, batch, Mode::Train).expect("plans");
    let forward = |node: usize| {
        let node = &graph.nodes[node];
        node.op.flops(&node.inputs.iter().map(|v| &graph.shapes[*v]).collect::<Vec<_>>())
    };
    let of = |step: &Step| match step {
        Step::Forward { node, .. } => forward(*node),
        Step::Backward { node, dx, .. } => {
            let params = u64::from(graph.nodes[*node].params.iter().any(|p| p.trainable));
            forward(*node) * (params + dx.iter().flatten().count() as u64)
        }
        Step::Loss { .. } | Step::Accumulate { .. } => 0,
    };
    batch as u64 * plan.steps.iter().map(of).sum::<u64>()
}

/// What a step computes, on any device: with the body frozen, a forward pass, and the head's backward.
#[test]
fn a_frozen_vgg16_takes_less_than_two_fifths_of_the_work() {
    for name in ["fer4-vgg16", "fer3-vgg16"] {
        let (frozen, trained) = (network(name, &Freeze::Body), network(name, &Freeze::Nothing));
        let ratio = work(&trained, 32) as f64 / work(&frozen, 32) as f64;
        println!("{name}: a step of all of it is {ratio:.2} times the work of one with the body frozen");
        assert!((2.5..3.01).contains(&ratio), "{name}: {ratio}");
    }
}

/// On the device: no moments of the body, its statistics as they were, and as many bytes as was said.
#[test]
fn a_frozen_body_stays_as_it_was() {
    let graph = Arc::new(network("fer3-resnet50", &Freeze::Body));
    let samples = common::noise(0, 2, graph.input().elements(), graph.output().elements());
    let mut executor = GpuExecutor::new(Arc::new(common::gpu()), Arc::clone(&graph), 2, 1, true).expect("fits");
    assert_eq!(executor.bytes(), executor.budget().total);
    let before = executor.snapshot().expect("reads back");
    executor.train(&samples.batch(), At::step(0, 0.01)).expect("trains");
    let after = executor.snapshot().expect("reads back");
    let body = |name: &str| graph.nodes.iter().any(|n| n.body && name.starts_with(&format!("{}/", n.name)));
    for (a, b) in before.parameters.iter().zip(&after.parameters) {
        assert_eq!(a == b, body(&a.name), "{}", a.name);
    }
    assert_eq!(after.slots.len(), 2);
    assert!(after.slots.iter().all(|slot| !slot.tensors.is_empty() && !slot.tensors.iter().any(|t| body(&t.name))));
}
