//! Keras's optimizers (`adam.json`, `sgd.json`: a file for each rule) against ours, on the reference and on an adapter.

use super::{distance, noise};
use fer_gpu::gpu::Gpu;
use fer_gpu::graph::{At, CpuExecutor, Executor, GpuExecutor, Graph, Options, Samples};
use fer_gpu::models::Stack;
use fer_gpu::optim::{Clip, Decayed, Optimizer, RULES, Rule};
use fer_gpu::tensor::{HostTensor, fill};
use fer_gpu::verify;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Deserialize)]
pub(crate) struct File {
    pub(crate) cases: Vec<Golden>,
}

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) name: String,
    config: Config,
    inputs: BTreeMap<String, Formula>,
    outputs: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
struct Config {
    lr: f64,
    #[serde(default)]
    weight_decay: f64,
    global_clipnorm: Option<f64>,
    clipvalue: Option<f64>,
    /// The rule's constants, by Keras's names.
    #[serde(flatten)]
    constants: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Formula {
    shape: Vec<usize>,
    seed: u32,
    scale: f32,
    shift: f32,
}

#[derive(Deserialize)]
struct Values {
    values: Vec<f64>,
}

/// Every state of a case: the parameter and the slots after each step.
type States = Vec<Vec<Vec<f64>>>;

/// A rule and Keras's cases of it.
pub(crate) struct Cases {
    rule: &'static dyn Rule,
    pub(crate) cases: Vec<Golden>,
}

/// Those of every rule: a file each.
pub(crate) fn of_every_rule() -> Vec<Cases> {
    let cases = |rule: &'static dyn Rule| {
        let File { cases } = super::golden(&format!("{}.json", rule.name()));
        assert!(cases.len() >= 9, "{}: cases are missing", rule.name());
        Cases { rule, cases }
    };
    RULES.into_iter().map(cases).collect()
}

impl Golden {
    fn input(&self, name: &str) -> Vec<f32> {
        let f = self.inputs.get(name).unwrap_or_else(|| panic!("{}: no input `{name}`", self.name));
        (0..f.shape.iter().product::<usize>() as u32).map(|i| f.shift + f.scale * fill(f.seed, i)).collect()
    }

    /// The optimizer for the case's elements repeated `times` times over: all gradients together have a larger norm.
    fn optimizer(&self, rule: &'static dyn Rule, times: usize) -> Optimizer {
        let &Config { weight_decay, global_clipnorm, clipvalue, ref constants, .. } = &self.config;
        let clip = match (global_clipnorm, clipvalue) {
            (Some(limit), _) => Clip::Norm(limit * (times as f64).sqrt()),
            (None, Some(limit)) => Clip::Value(limit),
            (None, None) => Clip::Nothing,
        };
        let mut optimizer = Optimizer { weight_decay, clip, ..Optimizer::of(rule) };
        for constant in rule.constants() {
            let value = &constants[&constant.name.replace('-', "")];
            let number = value.as_f64().or_else(|| value.as_bool().map(|on| f64::from(u8::from(on))));
            optimizer = optimizer.with(constant.name, number.expect("a number or a flag")).expect("in its range");
        }
        optimizer
    }

    fn gradients(&self) -> Vec<Vec<f32>> {
        (1..)
            .map(|k| format!("g{k}"))
            .take_while(|name| self.inputs.contains_key(name))
            .map(|n| self.input(&n))
            .collect()
    }

    pub(crate) fn on_the_reference(&self, rule: &'static dyn Rule) -> States {
        let optimizer = self.optimizer(rule, 1);
        let f64s = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let mut p = f64s(self.input("p"));
        let mut slots = vec![vec![0.0; p.len()]; optimizer.slots().len()];
        let step = |(t, g): (u64, Vec<f32>)| {
            let g = f64s(g);
            let factor = optimizer.clip.factor(g.iter().map(|g| g * g).sum());
            let mut kept: Vec<&mut [f64]> = slots.iter_mut().map(Vec::as_mut_slice).collect();
            optimizer.reference(optimizer.step(self.config.lr, t), factor, &g, &mut p, &mut kept);
            [vec![p.clone()], slots.clone()].concat()
        };
        (0..).zip(self.gradients()).map(step).collect()
    }

    /// The parameters after twenty updates of the network of tools/keras_adam.py, on the reference.
    pub(crate) fn network_on_the_reference(&self) -> Vec<HostTensor> {
        let net = Stack::new("relus", [8, 8, 1]).conv_same(4, 3).relu().max_pool(2, 2).flatten();
        let graph = net.dense(12).relu().dense(3).finish().expect("fits");
        let optimizer = self.optimizer(RULES[0], 1);
        let mut executor = CpuExecutor::new(Arc::new(graph), 6, 0).optimizer(optimizer).exact();
        for (k, tensor) in executor.values_mut().iter_mut().enumerate() {
            tensor.data = self.input(&format!("w{k}")).into_iter().map(f64::from).collect();
        }
        for step in 0..20 {
            let labels: Vec<u32> = (0..6).map(|j| (7 * j + 3 * step) % 3).collect();
            let samples = Samples::labelled(self.input(&format!("x{step}")), &labels, 3);
            executor.train(&samples.batch(), At::step(step.into(), self.config.lr)).expect("trains");
        }
        executor.values_mut().to_vec()
    }

    /// How far a case's parameters are from Keras's, at most.
    pub(crate) fn error(&self, parameters: &[HostTensor]) -> f64 {
        assert_eq!(parameters.len(), self.outputs.len(), "{}", self.name);
        let keras = (0..parameters.len()).map(|k| &self.outputs[&format!("w{k}")].values);
        let pairs = parameters.iter().zip(keras).flat_map(|(ours, keras)| {
            assert_eq!(ours.data.len(), keras.len(), "{}", self.name);
            ours.data.iter().zip(keras)
        });
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    /// With the case's elements repeated `times` times over, so that the arenas can be cut; every copy must come out alike.
    pub(crate) fn on_the_gpu(&self, gpu: &Gpu, rule: &'static dyn Rule, times: usize) -> States {
        let gradients: Vec<Vec<f32>> = self.gradients().into_iter().map(|g| g.repeat(times)).collect();
        let (p, optimizer) = (self.input("p"), self.optimizer(rule, times));
        let states =
            verify::optimizer(gpu, &optimizer, self.config.lr, &p.repeat(times), &gradients).expect(&self.name);
        let first = |values: Vec<f32>| {
            let (first, rest) = values.split_at(p.len());
            // NaN is what a broken kernel may make, and alike in all copies.
            let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
            let alike = |copy: &[f32]| copy.iter().zip(first).all(same);
            assert!(rest.chunks_exact(p.len()).all(alike), "{}: the copies differ", self.name);
            first.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()
        };
        states.into_iter().map(|s| std::iter::once(s.p).chain(s.slots).map(first).collect()).collect()
    }

    /// What differs from Keras's states by more than `absolute(name) + relative * |Keras|`.
    fn failures(
        &self,
        rule: &'static dyn Rule,
        states: &States,
        absolute: impl Fn(&str) -> f64,
        relative: f64,
    ) -> Vec<String> {
        let mut failures = Vec::new();
        let optimizer = self.optimizer(rule, 1);
        let names: Vec<&str> = std::iter::once("p").chain(optimizer.slots().iter().copied()).collect();
        let kept = self.outputs.len() / self.gradients().len();
        assert_eq!(names.len(), kept, "{}: Keras keeps {kept} tensors, we {names:?}", self.name);
        for (t, state) in states.iter().enumerate() {
            assert_eq!(state.len(), names.len(), "{}", self.name);
            for (which, ours) in names.iter().zip(state) {
                let absolute = absolute(which);
                let name = format!("{which}{}", t + 1);
                let golden = &self.outputs.get(&name).unwrap_or_else(|| panic!("{}: no `{name}`", self.name)).values;
                assert_eq!(golden.len(), ours.len(), "{}: {name}", self.name);
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= absolute + relative * b.abs();
                if let Some(i) = ours.iter().zip(golden).position(|pair| !near(pair)) {
                    failures.push(format!("{}: {name}[{i}] = {:e}, Keras {:e}", self.name, ours[i], golden[i]));
                }
            }
        }
        failures
    }
}

/// The kernel against Keras, over arenas of several slices if the adapter is made to have small bindings.
///
/// Parameters are of size 1 and keep 2^-24 of themselves at every step; moments are sums of three terms, each rounded to 2^-24
/// of itself, and a moment of opposite gradients may lose a digit more.
pub(crate) fn gpu_failures(gpu: &Gpu) -> Vec<String> {
    of_every_rule().iter().flat_map(|cases| failures_of(gpu, cases)).collect()
}

/// The same of the rule of a name.
pub(crate) fn gpu_failures_of(gpu: &Gpu, name: &str) -> Vec<String> {
    of_every_rule().iter().filter(|cases| cases.rule.name() == name).flat_map(|cases| failures_of(gpu, cases)).collect()
}

fn failures_of(gpu: &Gpu, Cases { rule, cases }: &Cases) -> Vec<String> {
    // Squares of gradients of 1e-6 are as small; steps of a velocity are of 0.01 and more.
    let absolute = |which: &str| match which {
        "p" => 3e-7,
        "m" => 1e-13,
        "v" => 1e-21,
        _ => 1e-8,
    };
    cases.iter().flat_map(|case| case.failures(*rule, &case.on_the_gpu(gpu, *rule, 5), absolute, 3e-6)).collect()
}

/// The reference in f64 against Keras in f64, from the same f32 inputs; the files keep nine digits. The absolute part is for what
/// cancels.
pub(crate) fn reference_failures() -> Vec<String> {
    let each = |Cases { rule, cases }: Cases| {
        let failures = |case: Golden| case.failures(rule, &case.on_the_reference(rule), |_| 1e-12, 1e-8);
        cases.into_iter().flat_map(failures).collect::<Vec<_>>()
    };
    of_every_rule().into_iter().flat_map(each).collect()
}

/// A network without batch norm and dropout: parts of a batch are as good as the whole. Tensors of odd sizes.
pub(crate) fn plain_network() -> Graph {
    Stack::new("plain", [6, 6, 1]).conv_same(5, 3).relu().max_pool(2, 2).flatten().dense(3).finish().expect("fits")
}

/// Clipping and decay of the optimizers here.
const HOW: [(Clip, Decayed); 2] = [(Clip::Nothing, Decayed::Kernels), (Clip::Norm(0.05), Decayed::All)];

/// Images of the batch.
const BATCH: usize = 7;

/// The parameters after two steps on whole batches of the reference, with `optimizer`.
fn of_whole_batches(graph: &Arc<Graph>, optimizer: Optimizer) -> Vec<HostTensor> {
    let mut whole = CpuExecutor::new(Arc::clone(graph), BATCH, 1).optimizer(optimizer).exact();
    two_steps(&mut whole);
    whole.values_mut().to_vec()
}

fn two_steps(executor: &mut dyn Executor) {
    for step in 0..2 {
        let samples = noise(step, BATCH, 36, 3);
        executor.train(&samples.batch(), At::step(u64::from(step), 0.01)).expect("trains");
    }
}

/// Accumulation in parts of 3, 3 and 1, and clipping of their mean, which whole batches on the reference do not show.
pub(crate) fn reference_accumulation_failures() -> Vec<String> {
    let graph = Arc::new(plain_network());
    let failures = |(clip, decayed)| {
        let optimizer = Optimizer { clip, weight_decay: 1.0, decayed, ..Optimizer::adam() };
        let want = of_whole_batches(&graph, optimizer);
        let parts = CpuExecutor::new(Arc::clone(&graph), 3, 1).optimizer(Optimizer { accumulate: 3, ..optimizer });
        let mut parts = parts.exact();
        two_steps(&mut parts);
        let pairs = want.iter().zip(parts.values_mut());
        let worst = pairs.flat_map(|(a, b)| a.data.iter().zip(&b.data)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        (worst > 1e-12).then(|| format!("{clip:?}: off by {worst:e}"))
    };
    HOW.into_iter().filter_map(failures).collect()
}

/// The same on an adapter, against the reference's whole batches. Adam divides by the root of small squares, so its steps keep
/// fewer digits than gradients: 1e-4 of a parameter's norm, of which two steps move some hundredths.
pub(crate) fn accumulation_failures(gpu: &Arc<Gpu>) -> Vec<String> {
    let graph = Arc::new(plain_network());
    let mut failures = Vec::new();
    for (clip, decayed) in HOW {
        let optimizer = Optimizer { clip, weight_decay: 1.0, decayed, ..Optimizer::adam() };
        let want = of_whole_batches(&graph, optimizer);
        let options = Options { optimizer: Optimizer { accumulate: 3, ..optimizer }, ..Options::default() };
        let mut executor = GpuExecutor::with(Arc::clone(gpu), Arc::clone(&graph), 3, 1, (true, options)).expect("fits");
        assert_eq!(executor.bytes(), executor.budget().total, "the sums' arena is not in the budget");
        two_steps(&mut executor);
        assert_eq!(executor.flush().expect("metrics").count, 2.0 * BATCH as f64);
        for (got, want) in executor.snapshot().expect("reads").parameters.iter().zip(&want) {
            let (size, error) = distance(got, want);
            if error > 1e-4 * size || error.is_nan() {
                failures.push(format!("{clip:?}, {decayed:?}: {}: off by {error:e} of {size:e}", got.name));
            }
        }
    }
    failures
}
