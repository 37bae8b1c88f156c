//! The test of the tests: with one sign flipped in one kernel, on an adapter or in the reference, the suite's own checks must fail.
//! Every pass of every shader is in the table, and a text that is no longer in its shader is a failure too.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod table;
mod winograd;

use common::gpu_in;
use fer_gpu::error::Result;
use fer_gpu::gpu::{Gpu, Recorder, Tiling};
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::reshape::Reshape;
use fer_gpu::ops::{
    self, Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op,
    ParamSpec, Subject, Tolerance,
};
use fer_gpu::optim::RULES;
use fer_gpu::tensor::Shape;
use fer_gpu::verify::{self, Slope};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use table::{
    FUSED, FUSED_IN_SUBGROUP_TILING, FUSED_IN_WORKGROUP_TILING, IN_SUBGROUP_TILING, IN_WORKGROUP_TILING, MUTATIONS,
    Mutation, OF_SHARED_WINDOWS, OF_STEM, STORE, STORE_PARTIAL,
};

/// Whether the suite's check of an op passes on an adapter.
fn passes(gpu: &Arc<Gpu>, op: &str) -> bool {
    match op {
        "gradient_norm" => common::optimizers::gpu_failures_of(gpu, "adam").is_empty(),
        _ if RULES.iter().any(|rule| rule.name() == op) => common::optimizers::gpu_failures_of(gpu, op).is_empty(),
        "accumulate" => {
            common::optimizers::accumulation_failures(gpu).is_empty()
                && common::fan_out::gpu_failures(Arc::clone(gpu)).is_empty()
        }
        _ => cases_of(op).iter().all(|case| verify::run(gpu, case).expect(&case.name).passed()),
    }
}

/// The cases that `cargo test` runs everywhere; the benches' shapes add nothing.
fn cases_of(op: &str) -> Vec<Case> {
    ops::cases(Some(op)).expect("an op of the table").into_iter().filter(|case| !case.bench).collect()
}

/// What of the mutations an adapter's checks let pass, and what is stale.
fn survivors(gpu: Gpu, mutations: &[Mutation], passes: impl Fn(&Arc<Gpu>, &str) -> bool) -> Vec<String> {
    let (mut gpu, mut bad) = (Arc::new(gpu), Vec::new());
    for mutation @ (op, pass, from, to) in mutations.iter().copied() {
        // For every text that was met of this pass: whether the mutation's is in it. Variants may differ, one must have it.
        let met = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&met);
        Arc::get_mut(&mut gpu).expect("no executor outlives its check").rewrite_shaders(move |kernel| {
            if (kernel.op, kernel.pass) != (op, pass) {
                return None;
            }
            noted.lock().expect("no thread panics with it").push(kernel.source.contains(from));
            Some(kernel.source.replace(from, to))
        });
        let survived = passes(&gpu, op);
        let met = met.lock().expect("no thread panics with it");
        if !met.contains(&true) {
            bad.push(format!("stale: {mutation:?} is not in its shader"));
        } else if survived {
            bad.push(format!("survives: {mutation:?}"));
        }
    }
    bad
}

/// The mutations of a tiling's own kernels.
fn own(tiling: Tiling) -> &'static [Mutation] {
    match tiling {
        Tiling::Subgroup { .. } => IN_SUBGROUP_TILING,
        Tiling::Workgroup => IN_WORKGROUP_TILING,
    }
}

#[test]
fn every_flipped_sign_is_seen_on_the_gpu() {
    let gpu = gpu_in(None);
    let own = own(gpu.tiling);
    let bad = survivors(gpu, &[MUTATIONS, own].concat(), passes);
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The GPUs' variant of the register-tiled kernels, which a software driver does not choose by itself.
#[test]
fn every_flipped_sign_is_seen_in_the_workgroup_tiling() {
    let tiled: Vec<Mutation> = MUTATIONS.iter().copied().filter(|m| m.2 == STORE || m.2 == STORE_PARTIAL).collect();
    assert_eq!(tiled.len(), 6);
    let bad = survivors(gpu_in(Some(Tiling::Workgroup)), &[&tiled, IN_WORKGROUP_TILING].concat(), passes);
    assert!(bad.is_empty(), "{bad:#?}");
}

/// What no op's own case compiles: kernels that leave statistics, in both tilings, and that normalize in front of a pool.
#[test]
fn every_flipped_sign_is_seen_in_fused_kernels() {
    let passes = |gpu: &Arc<Gpu>, _: &str| common::statistics::failures(gpu, common::statistics::small()).is_empty();
    for gpu in [gpu_in(None), gpu_in(Some(Tiling::Workgroup))] {
        let own = match gpu.tiling {
            Tiling::Subgroup { .. } => FUSED_IN_SUBGROUP_TILING,
            Tiling::Workgroup => FUSED_IN_WORKGROUP_TILING,
        };
        let bad = survivors(gpu, &[FUSED, own].concat(), passes);
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

/// Kernels that compute the convolution in front, of a pool whose windows lie side by side, and of one whose windows share pixels.
#[test]
fn every_flipped_sign_is_seen_in_a_stem() {
    for (window, mutations) in [(2, OF_STEM), (4, OF_SHARED_WINDOWS)] {
        let passes =
            |gpu: &Arc<Gpu>, _: &str| common::statistics::failures(gpu, common::statistics::stem(window)).is_empty();
        for gpu in [gpu_in(None), gpu_in(Some(Tiling::Workgroup))] {
            let gpu = Arc::new(gpu);
            assert!(passes(&gpu, ""), "fails without a mutation");
            let gpu = Arc::into_inner(gpu).expect("no executor outlives its check");
            let bad = survivors(gpu, mutations, passes);
            assert!(bad.is_empty(), "{window}: {bad:#?}");
        }
    }
}

/// Notes every kernel that the suite compiles, and looks it up: a new pass needs its mutations. No mutation, no failure: the checks
/// of this file pass on sound shaders.
#[test]
fn every_pass_has_a_mutation() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&seen);
    let mut gpu = gpu_in(None);
    gpu.rewrite_shaders(move |kernel| {
        noted.lock().expect("no thread panics with it").insert((kernel.op, kernel.pass));
        None
    });
    let gpu = Arc::new(gpu);
    for op in ops::TABLE.iter().map(|row| row.name).chain(RULES.map(|rule| rule.name())).chain(["accumulate"]) {
        assert!(passes(&gpu, op), "{op} fails without a mutation");
    }
    let own = own(gpu.tiling);
    let known: BTreeSet<_> = MUTATIONS.iter().chain(own).map(|(op, pass, ..)| (*op, *pass)).collect();
    assert_eq!(*seen.lock().expect("no thread panics with it"), known, "left: compiled, right: in the table");
}

/// An op whose reference returns one of its gradients with the other sign.
#[derive(Debug)]
struct Flipped {
    op: Arc<dyn Op>,
    /// Counted over inputs, then trained parameters.
    which: usize,
}

impl Op for Flipped {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn keras_name(&self) -> &'static str {
        self.op.keras_name()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        self.op.infer(inputs)
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        self.op.params(inputs)
    }

    fn needs(&self) -> Needs {
        self.op.needs()
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        self.op.forward_reference(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        let mut out = self.op.backward_reference(io);
        let mut gradients = out.dx.iter_mut().chain(out.dparams.iter_mut().flatten());
        let gradient = gradients.nth(self.which).expect("counted before");
        gradient.data.iter_mut().for_each(|v| *v = -*v);
        out
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        self.op.forward(rec, io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        self.op.backward(rec, io)
    }
}

/// What tests/ops.rs allows.
fn agrees(slope: Slope) -> bool {
    slope.error() <= 1e-6
}

/// Gradients of a case: one of the loss; of an op one for each input and each trained parameter.
fn gradients(case: &Case) -> usize {
    let Subject::Op { op, inputs, .. } = &case.subject else { return 1 };
    let samples: Vec<Shape> = inputs.iter().map(|i| Shape::new(&i.shape.dims()[1..])).collect();
    let params = op.params(&samples.iter().collect::<Vec<_>>());
    inputs.len() + params.iter().filter(|p| p.trainable).count()
}

/// Whether finite differences see that gradient `which` has the other sign.
fn sees(case: &Case, which: usize) -> bool {
    let mut case = case.clone();
    if let Subject::Op { op, .. } = &mut case.subject {
        *op = Arc::new(Flipped { op: Arc::clone(op), which });
        return !agrees(verify::slope(&case).expect(&case.name));
    }
    let slope = verify::slope(&case).expect(&case.name);
    !agrees(Slope { analytic: -slope.analytic, ..slope })
}

#[test]
fn every_flipped_sign_is_seen_in_the_reference() {
    let mut survivors = Vec::new();
    // No gradient passes through an augmentation.
    for name in ops::TABLE.iter().map(|row| row.name).filter(|name| *name != "augment") {
        let mut cases: Vec<Case> = cases_of(name).into_iter().filter(|case| case.smooth).collect();
        // A view has no cases of its own.
        let view = vec![Input::new([2, 3, 2, 2], 1)];
        match name {
            "flatten" => cases.push(Case::new("view", Flatten, view, Tolerance::EXACT)),
            "reshape" => {
                cases.push(Case::new("view", Reshape { target: [2, 6].into() }, view, Tolerance::EXACT));
            }
            _ => {}
        }
        assert!(!cases.is_empty(), "{name} has no smooth case");
        for which in 0..cases.iter().map(gradients).max().unwrap_or(0) {
            // A case without a bias has a gradient less.
            if !cases.iter().filter(|case| which < gradients(case)).any(|case| sees(case, which)) {
                survivors.push(format!("{name}: gradient {which}"));
            }
        }
    }
    assert!(survivors.is_empty(), "{survivors:#?}");
}
