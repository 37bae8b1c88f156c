//! Every network against Keras (`tests/golden/transfer`; the README above it says how the files are made and what was measured):
//! inference, two training steps, all gradients, what the steps moved, inference again.
//!
//! What takes long is `ignored`: `FER_GPU_LONG=1 tools/test.sh`.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod variable;

use fer_gpu::graph::{
    At, CpuExecutor, Executor, Freeze, GpuExecutor, Graph, NamedTensor, Options, Parameters, Samples, Slot, Snapshot,
};
use fer_gpu::models::{self, Variant};
use fer_gpu::optim::Optimizer;
use fer_gpu::tensor::fill;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use variable::{Variable, Worst, apart, norm_of};

/// Adam with the constants of these files: the nearest float32.
fn optimizer() -> Optimizer {
    Optimizer { constants: [0.9f32, 0.999, 1e-7, 0.0].map(f64::from), ..Optimizer::adam() }
}

#[derive(Deserialize)]
struct Golden {
    name: String,
    side: usize,
    batch: usize,
    classes: usize,
    /// Shift and scale of the image's numbers.
    image: [f32; 2],
    learning_rate: f64,
    inference: Pass,
    /// Losses of the two steps.
    train: [f64; 2],
    after: Pass,
    variables: Vec<Variable>,
}

#[derive(Deserialize)]
struct Pass {
    loss: f64,
    logits: Vec<f64>,
}

/// What an executor found of what a file holds. Gradients and moves are in the order of our parameters.
struct Found {
    losses: [f64; 4],
    /// Logarithms of the probabilities in inference mode, before and after.
    inference: [Vec<f64>; 2],
    /// None of statistics.
    gradients: Vec<Option<Vec<f64>>>,
    /// Each variable's starting and last values.
    values: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Keras's name of our parameter.
fn keras_name(graph: &Graph, node: usize, name: &str) -> String {
    if let Some(layer) = name.strip_suffix("/conv2d/kernel") {
        return format!("{layer}/pointwise_kernel");
    }
    match name.strip_suffix("/kernel").filter(|_| graph.nodes[node].class == "SeparableConv2D") {
        Some(layer) => format!("{layer}/depthwise_kernel"),
        None => name.to_owned(),
    }
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let sum = logits.iter().map(|v| v.exp()).sum::<f64>().ln();
    logits.iter().map(|v| v - sum).collect()
}

/// Which elements of a flat tensor are in the file.
fn places(count: usize) -> Vec<usize> {
    match count {
        0..=8 => (0..count).collect(),
        _ => (0..8u32).map(|k| k.wrapping_mul(0x9E37_79B1).wrapping_add(0x85EB_CA77) as usize % count).collect(),
    }
}

impl Golden {
    fn read(name: &str) -> Self {
        let mut golden: Self = common::golden(&format!("transfer/{name}.json"));
        assert_eq!(golden.name, name);
        // Nothing reads a Normalization's count, so the file leaves it out.
        if golden.variables.iter().any(|v| v.0 == "normalization/mean") {
            let count = "normalization/count".to_owned();
            golden.variables.push(Variable(count, Vec::new(), 0.0, 0.0, None, Vec::new(), vec![0.0]));
        }
        golden
    }

    /// Everything trained, nothing dropped.
    fn graph(&self) -> Arc<Graph> {
        let model = models::find(&self.name).expect("listed");
        let variant = Variant { size: Some([self.side; 2]), freeze: Some(Freeze::Nothing) };
        Arc::new(model.variant(self.classes, &variant).expect("builds").without_dropout())
    }

    fn batch(&self, graph: &Graph) -> Samples {
        let [shift, scale] = self.image;
        let x = (0..(self.batch * graph.input().elements()) as u32).map(|i| shift + scale * fill(1000, i));
        let labels: Vec<u32> = (0..self.batch as u32).map(|j| 7 * j % self.classes as u32).collect();
        Samples::labelled(x.collect(), &labels, self.classes)
    }

    /// Which of the file's variables each of our parameters is. Every variable is some parameter's, and every parameter has one.
    fn order(&self, graph: &Graph) -> Vec<usize> {
        let slots = Parameters::new(graph).slots;
        assert_eq!(slots.len(), self.variables.len(), "{}: parameters, and Keras's variables", self.name);
        let at: BTreeMap<&str, usize> = self.variables.iter().enumerate().map(|(p, v)| (v.0.as_str(), p)).collect();
        let mut used = BTreeSet::new();
        let variable = |slot: &Slot| {
            let name = keras_name(graph, slot.node, &slot.name);
            let p = *at.get(name.as_str()).unwrap_or_else(|| panic!("{}: Keras has no `{name}`", self.name));
            assert!(used.insert(p), "{}: `{name}` twice", self.name);
            let Variable(_, shape, _, _, norm, ..) = &self.variables[p];
            assert_eq!(shape, slot.spec.shape.dims(), "{}: shape of `{name}`", self.name);
            assert_eq!(norm.is_some(), slot.spec.trainable, "{}: whether `{name}` is trained", self.name);
            p
        };
        slots.iter().map(variable).collect()
    }

    /// The file's variables in the order of our parameters, and where each starts.
    fn start(&self, graph: &Graph) -> (Vec<&Variable>, Snapshot) {
        let order = self.order(graph);
        let slots = Parameters::new(graph).slots;
        let value = |(slot, p): (&Slot, &usize)| {
            let Variable(_, _, shift, scale, ..) = self.variables[*p];
            let values = (0..slot.spec.shape.elements() as u32).map(|i| shift + scale * fill(100 + *p as u32, i));
            NamedTensor { name: slot.name.clone(), shape: slot.spec.shape.clone(), values: values.collect() }
        };
        let parameters = slots.iter().zip(&order).map(value).collect();
        (order.iter().map(|p| &self.variables[*p]).collect(), Snapshot { parameters, ..Snapshot::default() })
    }

    /// Loss and logarithms of the probabilities in inference mode.
    fn inference(&self, executor: &mut dyn Executor, samples: &Samples) -> (f64, Vec<f64>) {
        executor.evaluate(&samples.batch()).expect("evaluates");
        let loss = loss(executor);
        let probabilities = executor.predict(&samples.x, self.batch).expect("predicts");
        (loss, probabilities.iter().map(|p| f64::from(*p).ln()).collect())
    }

    /// Inference, two steps and inference; `gradients` is asked before (`false`) and after the first step.
    fn run<E: Executor>(
        &self,
        executor: &mut E,
        graph: &Graph,
        start: &Snapshot,
        gradients: impl Fn(&mut E, bool) -> Option<Vec<Option<Vec<f64>>>>,
        values: impl Fn(&mut E) -> Vec<Vec<f64>>,
    ) -> Found {
        let samples = self.batch(graph);
        executor.restore(start).expect("its own names and shapes");
        let (before, first) = self.inference(executor, &samples);
        let mut found = gradients(executor, false);
        let losses = [0, 1].map(|step| {
            executor.train(&samples.batch(), At::step(step, self.learning_rate)).expect("trains");
            let loss = loss(executor);
            if step == 0 {
                found = found.take().or_else(|| gradients(executor, true));
            }
            loss
        });
        let (after, last) = self.inference(executor, &samples);
        let begin = start.parameters.iter().map(|t| t.values.iter().map(|v| f64::from(*v)).collect());
        Found {
            losses: [before, losses[0], losses[1], after],
            inference: [first, last],
            gradients: found.expect("after a step at the latest"),
            values: begin.zip(values(executor)).collect(),
        }
    }

    fn on_the_reference(&self, graph: &Arc<Graph>, start: &Snapshot) -> Found {
        let mut executor = CpuExecutor::new(Arc::clone(graph), self.batch, 0).optimizer(optimizer()).exact();
        let samples = self.batch(graph);
        let gradients = |executor: &mut CpuExecutor, _: bool| {
            let (_, gradients) = executor.gradients(&samples.batch(), At::step(0, 0.0)).expect("gradients");
            Some(gradients.into_iter().map(|g| g.map(|g| g.data)).collect())
        };
        let values = |executor: &mut CpuExecutor| executor.values_mut().iter().map(|t| t.data.clone()).collect();
        self.run(&mut executor, graph, start, gradients, values)
    }

    fn on_the_gpu(&self, graph: &Arc<Graph>, start: &Snapshot) -> Found {
        let gpu = Arc::new(common::gpu());
        let options = Options { optimizer: optimizer(), ..Options::default() };
        let with = GpuExecutor::with(gpu, Arc::clone(graph), self.batch, 0, (true, options));
        let mut executor = with.expect("the adapter holds it");
        let wide = |t: NamedTensor| t.values.into_iter().map(f64::from).collect::<Vec<_>>();
        let slots = Parameters::new(graph).slots;
        let gradients = |executor: &mut GpuExecutor, stepped: bool| {
            let mut each = stepped.then(|| executor.gradients().expect("gradients"))?.into_iter();
            let of = |trainable: bool| trainable.then(|| wide(each.next().expect("one a trained parameter")));
            Some(slots.iter().map(|s| s.spec.trainable).map(of).collect())
        };
        let values =
            |executor: &mut GpuExecutor| executor.snapshot().expect("reads").parameters.into_iter().map(wide).collect();
        self.run(&mut executor, graph, start, gradients, values)
    }

    /// How far `found` is from Keras, and what is beyond `tolerance`, the share of a tensor's norm, or `moves` for what the steps move.
    fn compare(&self, variables: &[&Variable], found: &Found, [tolerance, moves]: [f64; 2]) -> Worst {
        let mut worst = Worst::default();
        let keras = [self.inference.loss, self.train[0], self.train[1], self.after.loss];
        for (what, (ours, keras)) in
            ["inference", "step 0", "step 1", "after"].iter().zip(found.losses.iter().zip(keras))
        {
            let error = (ours - keras).abs() / keras;
            worst.hold(error <= tolerance, || format!("loss, {what}: {ours}, Keras {keras}"));
            worst.losses = worst.losses.max(error);
        }
        for (ours, keras) in found.inference.iter().zip([&self.inference, &self.after]) {
            let logits: Vec<f64> = keras.logits.chunks(self.classes).flat_map(log_softmax).collect();
            let error = apart(ours, &logits);
            worst.hold(error <= tolerance, || format!("inference off by {error:.1e}: {ours:?}, Keras {logits:?}"));
            worst.probabilities = worst.probabilities.max(error);
        }
        let mut kernel = 0.0;
        for (i, variable) in variables.iter().enumerate() {
            let (before, after) = &found.values[i];
            let at = places(before.len());
            let lr = self.learning_rate;
            let moved: Vec<f64> = at.iter().map(|p| (after[*p] - before[*p]) / lr).collect();
            let start: Vec<f64> = at.iter().map(|p| before[*p]).collect();
            variable.weights(&start, &moved, lr, &mut worst);
            // A weight is rounded to f32 after each step.
            let rounding = 3.6e-7 * at.iter().map(|p| before[*p].abs()).fold(0.0, f64::max) / lr;
            if let Some(gradient) = &found.gradients[i] {
                let entries = at.iter().map(|p| gradient[*p]).collect();
                let found = (norm_of(gradient), entries);
                if !variable.gradient(found, gradient.len(), &mut kernel, tolerance, &mut worst) {
                    // Adam makes moves of any size of what rounding left.
                    worst.far(&moved, rounding, &variable.0);
                    continue;
                }
            }
            variable.moved(&moved, rounding, moves, &mut worst);
        }
        worst
    }
}

fn loss(executor: &mut dyn Executor) -> f64 {
    let metrics = executor.flush().expect("metrics");
    metrics.loss / metrics.count
}

/// Compares a network, as `run` computes it, within the tolerances of all but moves, and of moves.
fn agrees(name: &str, on: &str, tolerances: [f64; 2], run: fn(&Golden, &Arc<Graph>, &Snapshot) -> Found) {
    let begin = Instant::now();
    let golden = Golden::read(name);
    let graph = golden.graph();
    let (variables, start) = golden.start(&graph);
    let found = run(&golden, &graph, &start);
    let worst = golden.compare(&variables, &found, tolerances);
    println!("{name} on {on}: {worst}; {:.1} s", begin.elapsed().as_secs_f64());
    let failures = &worst.failures;
    assert!(failures.is_empty(), "{name} on {on}: {} beyond {tolerances:?}: {failures:#?}", failures.len());
}

macro_rules! one {
    (quick $test:ident $($run:tt)*) => {
        #[test]
        fn $test() {
            $($run)*
        }
    };
    (long $test:ident $($run:tt)*) => {
        #[test]
        #[ignore = "takes long: FER_GPU_LONG=1 tools/test.sh"]
        fn $test() {
            $($run)*
        }
    };
}

/// A module a network: when the reference is compared and how near it must be, and the same for an adapter, for all but moves and
/// for moves.
macro_rules! networks {
    ($($module:ident $name:literal $slow:ident $reference:literal $fast:ident $gpu:literal $moves:literal;)*) => {
        const TESTED: &[&str] = &[$($name),*];
        $(mod $module {
            use super::{Golden, agrees};
            one!($slow reference agrees($name, "the reference", [$reference; 2], Golden::on_the_reference));
            one!($fast gpu agrees($name, "the adapter", [$gpu, $moves], Golden::on_the_gpu));
        })*
    };
}

// Where a tolerance of an adapter is above 2e-3, rounding is enlarged on the way through many layers, flips a ReLU, or is enlarged by Adam,
// which divides by gradients: the reference, the same steps in f64, is within 1e-5 of Keras in every network (V2-L's moves 1.2e-5).
// `tests/golden/README.md` has the figures.
networks! {
    fer4_cnn3 "fer4-cnn3" quick 1e-5 quick 2e-3 2e-3;
    fer4_cnn4_bn "fer4-cnn4-bn" long 1e-5 long 2e-3 2e-3;
    fer4_cnn5_bn "fer4-cnn5-bn" long 1e-5 long 2e-3 1e-2;
    fer4_vgg16 "fer4-vgg16" long 1e-5 long 2e-3 2e-3;
    fer4_resnet101 "fer4-resnet101" long 1e-5 long 2e-2 5e-2;
    fer7_cnn3_bn "fer7-cnn3-bn" long 1e-5 quick 2e-3 2e-3;
    fer7_cnn4_bn "fer7-cnn4-bn" quick 1e-5 quick 2e-3 2e-3;
    fer7_resnet50 "fer7-resnet50" long 1e-5 long 1e-2 1e-2;
    fer7_efficientnetv2l "fer7-efficientnetv2l" long 2e-5 long 3e-2 5e-1;
    fer3_cnn6 "fer3-cnn6" long 1e-5 long 2e-3 2e-3;
    fer3_cnn6_bn "fer3-cnn6-bn" long 1e-5 long 2e-3 2e-3;
    fer3_cnn6_tuned "fer3-cnn6-tuned" long 1e-5 long 2e-3 2e-3;
    fer3_vgg16 "fer3-vgg16" long 1e-5 long 2e-3 5e-2;
    fer3_vggface "fer3-vggface" long 1e-5 long 2e-3 5e-2;
    fer3_resnet50 "fer3-resnet50" long 1e-5 long 1e-2 1e-2;
    fer8_cnn5 "fer8-cnn5" long 1e-5 long 2e-3 2e-3;
    fer8_efficientnetb0 "fer8-efficientnetb0" long 1e-5 quick 2e-3 2e-3;
    fer8_efficientnetb3 "fer8-efficientnetb3" long 1e-5 long 2e-3 2e-3;
    fer8_efficientnetb5 "fer8-efficientnetb5" long 1e-5 long 5e-3 1e-2;
    fer8_efficientnetb7 "fer8-efficientnetb7" long 1e-5 long 5e-3 3e-2;
    fer8_inceptionv3 "fer8-inceptionv3" long 1e-5 long 1e-2 2e-2;
    fer8_inceptionresnetv2 "fer8-inceptionresnetv2" long 1e-5 long 1e-1 5e-2;
    fer8_vgg16 "fer8-vgg16" long 1e-5 long 2e-3 2e-3;
    fer8_vgg19 "fer8-vgg19" long 1e-5 long 2e-3 2e-3;
    fer8_resnet50v2 "fer8-resnet50v2" long 1e-5 long 1e-2 1e-2;
    fer8_resnet101v2 "fer8-resnet101v2" long 1e-5 long 3e-2 5e-2;
    fer8_resnet152v2 "fer8-resnet152v2" long 1e-5 long 3e-2 1e-1;
    mini_xception "mini-xception" quick 1e-5 quick 2e-3 2e-3;
}

/// Every file is compared, every network but our own has one, and every parameter of a network is one variable of its file.
#[test]
fn every_network_is_tested_and_every_parameter_named() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transfer");
    let entries = std::fs::read_dir(folder).expect("the folder");
    let stem = |path: std::path::PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let files: BTreeSet<String> = entries.map(|e| stem(e.expect("entry").path())).collect();
    assert_eq!(files, TESTED.iter().map(|name| (*name).to_owned()).collect());
    let listed = models::MODELS.iter().map(|m| m.name).filter(|name| *name != models::DEFAULT);
    assert_eq!(listed.collect::<BTreeSet<_>>(), TESTED.iter().copied().collect());
    for name in TESTED {
        let golden = Golden::read(name);
        golden.order(&golden.graph());
    }
}
