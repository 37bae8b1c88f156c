//! Keras's Adam (`adam.json`) against ours, on the reference and on an adapter.

use fer_gpu::gpu::Gpu;
use fer_gpu::optim::Adam;
use fer_gpu::tensor::fill;
use fer_gpu::verify;
use serde::Deserialize;
use std::collections::BTreeMap;

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
    lr: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
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

/// Every state of a case: p, m and v after each step.
type States = Vec<[Vec<f64>; 3]>;

impl Golden {
    fn input(&self, name: &str) -> Vec<f32> {
        let f = self.inputs.get(name).unwrap_or_else(|| panic!("{}: no input `{name}`", self.name));
        (0..f.shape.iter().product::<usize>() as u32).map(|i| f.shift + f.scale * fill(f.seed, i)).collect()
    }

    fn adam(&self) -> Adam {
        Adam { beta1: self.config.beta1, beta2: self.config.beta2, epsilon: self.config.epsilon }
    }

    fn gradients(&self) -> [Vec<f32>; 3] {
        ["g1", "g2", "g3"].map(|name| self.input(name))
    }

    pub(crate) fn on_the_reference(&self) -> States {
        let adam = self.adam();
        let f64s = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let mut p = f64s(self.input("p"));
        let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
        let step = |(t, g): (u64, Vec<f32>)| {
            adam.reference(adam.exact_step_size(self.config.lr, t), &f64s(g), &mut p, &mut m, &mut v);
            [p.clone(), m.clone(), v.clone()]
        };
        (0..).zip(self.gradients()).map(step).collect()
    }

    /// With the case's elements repeated `times` times over, so that the arenas can be cut; every copy must come out alike.
    pub(crate) fn on_the_gpu(&self, gpu: &Gpu, times: usize) -> States {
        let gradients = self.gradients().map(|g| g.repeat(times));
        let p = self.input("p");
        let states = verify::adam(gpu, &self.adam(), self.config.lr, &p.repeat(times), &gradients).expect(&self.name);
        let first = |values: Vec<f32>| {
            let (first, rest) = values.split_at(p.len());
            assert!(rest.chunks_exact(p.len()).all(|copy| copy == first), "{}: the copies differ", self.name);
            first.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()
        };
        states.into_iter().map(|s| [first(s.p), first(s.m), first(s.v)]).collect()
    }

    /// What differs from Keras's states by more than `absolute[i] + relative * |Keras|`, for p, m and v.
    pub(crate) fn failures(&self, states: &States, absolute: [f64; 3], relative: f64) -> Vec<String> {
        let mut failures = Vec::new();
        for (t, state) in states.iter().enumerate() {
            for ((which, ours), absolute) in ["p", "m", "v"].into_iter().zip(state).zip(absolute) {
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
    let file: File = super::golden("adam.json");
    assert!(file.cases.len() >= 5, "cases are missing");
    file.cases.iter().flat_map(|case| case.failures(&case.on_the_gpu(gpu, 5), [3e-7, 1e-13, 1e-21], 3e-6)).collect()
}
