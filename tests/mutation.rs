//! The test of the tests: with one sign flipped in one backward, on an adapter or in the reference, the suite's own checks must
//! fail. Every backward entry point of every shader is in the table, and a text that is no longer in its shader is a failure too.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use fer_gpu::error::Result;
use fer_gpu::gpu::{Gpu, Recorder, Tiling};
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::reshape::Reshape;
use fer_gpu::ops::{
    self, Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op,
    ParamSpec, Subject, Tolerance,
};
use fer_gpu::tensor::Shape;
use fer_gpu::verify::{self, Slope};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Where both tilings of the register-tiled kernels store their sums.
const STORE: &str = "value: vec4<f32>) {";
const STORE_PARTIAL: &str = "params.rows + row, columns, value)";

/// A flipped sign: op, pass, what the shader says (as rendered), what it says instead.
type Mutation = (&'static str, &'static str, &'static str, &'static str);

const MUTATIONS: &[Mutation] = &[
    ("add", "backward", "dx[i] = dy[i]", "dx[i] = -dy[i]"),
    // No backward, but nothing else is as easily seen to be wrong.
    ("augment", "warp", "to_row.x * row + to_row.y", "to_row.x * row - to_row.y"),
    ("augment", "warp", "+ to_column.z", "- to_column.z"),
    ("augment", "pixels", "mean + look.y *", "mean - look.y *"),
    ("augment", "pixels", "clamp(v + noise[", "clamp(v - noise["),
    ("augment", "pixels", "vec2(-0.5, -2.0)", "vec2(-0.5, -1.0)"),
    ("avg_pool2d", "backward", "sum += dy[", "sum -= dy["),
    ("batch_norm", "backward_sums", "sum += d;", "sum -= d;"),
    ("batch_norm", "backward_sums", "products += d *", "products -= d *"),
    ("batch_norm", "finish_sums", "sum += load(strips[s * 2u", "sum -= load(strips[s * 2u"),
    ("batch_norm", "finish_sums", "products += load(strips[", "products -= load(strips["),
    ("batch_norm", "copy_sums", "dbeta[g] = load(", "dbeta[g] = -load("),
    ("batch_norm", "copy_sums", "dgamma[g] = load(", "dgamma[g] = -load("),
    ("batch_norm", "backward_input", "dx[i] = scale", "dx[i] = -scale"),
    ("batch_norm", "backward_input", "(load(dy[i]) - mean_dy", "(load(dy[i]) + mean_dy"),
    ("batch_norm", "backward_input", "- xhat * mean_product", "+ xhat * mean_product"),
    ("batch_norm", "backward_input_inference", "dx_out[i] = scale", "dx_out[i] = -scale"),
    ("concat", "backward", "dx[i] = dy[", "dx[i] = -dy["),
    ("conv2d", "transpose", "transposed[i] = w[", "transposed[i] = -w["),
    ("conv2d", "backward_input", STORE, "flipped: vec4<f32>) { let value = -flipped;"),
    ("conv2d", "backward_params", STORE_PARTIAL, "params.rows + row, columns, -value)"),
    ("conv2d", "reduce", "dw[i] = sum(i)", "dw[i] = -sum(i)"),
    ("conv2d", "reduce", "db[i - params.count] = sum(i)", "db[i - params.count] = -sum(i)"),
    ("conv2d", "reduce_without_bias", "dw[i] = sum(i)", "dw[i] = -sum(i)"),
    ("dense", "transpose", "transposed[i] = w[", "transposed[i] = -w["),
    ("dense", "backward_input", STORE, "flipped: vec4<f32>) { let value = -flipped;"),
    ("dense", "backward_params", STORE_PARTIAL, "params.rows + row, columns, -value)"),
    ("dense", "reduce", "dw[i] = sum(i)", "dw[i] = -sum(i)"),
    ("dense", "reduce", "db[i - params.count] = sum(i)", "db[i - params.count] = -sum(i)"),
    // One pass, two entry points: any stride's and that of unit strides.
    ("depthwise_conv2d", "backward_input", "sum += dy[", "sum -= dy["),
    ("depthwise_conv2d", "backward_input", "y0 += x0", "y0 -= x0"),
    ("depthwise_conv2d", "backward_input", "y3 += x3", "y3 -= x3"),
    ("depthwise_conv2d", "backward_params", "sum0 += d;", "sum0 -= d;"),
    ("depthwise_conv2d", "backward_params", "sum0 += d * x0", "sum0 -= d * x0"),
    ("depthwise_conv2d", "backward_params", "sum1 += d * x1", "sum1 -= d * x1"),
    ("depthwise_conv2d", "backward_params", "sum2 += d * x2", "sum2 -= d * x2"),
    ("depthwise_conv2d", "backward_params", "sum3 += d * x3", "sum3 -= d * x3"),
    ("depthwise_conv2d", "reduce", "dw[i] = sum(i)", "dw[i] = -sum(i)"),
    ("depthwise_conv2d", "reduce", "db[i - params.count] = sum(i)", "db[i - params.count] = -sum(i)"),
    ("depthwise_conv2d", "reduce_without_bias", "dw[i] = sum(i)", "dw[i] = -sum(i)"),
    // One pass, two entry points: training's and inference's.
    ("dropout", "backward", "quad(source[i]) * params.scale", "quad(source[i]) * -params.scale"),
    ("dropout", "backward", "result[i] = quad(", "result[i] = -quad("),
    ("global_avg_pool", "backward", "dx[i] = load(", "dx[i] = -load("),
    ("global_max_pool", "backward", "select(F(), dy[slot] /", "select(F(), -dy[slot] /"),
    ("leaky_relu", "backward", "select(F(SLOPE), F(1.0), y >", "select(F(-SLOPE), F(1.0), y >"),
    ("leaky_relu", "backward", "select(F(SLOPE), F(1.0), y >", "select(F(SLOPE), F(-1.0), y >"),
    ("max_pool2d", "backward", "sum += select(", "sum -= select("),
    ("max_pool2d", "backward_stride2", "sum00 += select(", "sum00 -= select("),
    ("max_pool2d", "backward_stride2", "sum11 += select(", "sum11 -= select("),
    ("mean_squared_error", "forward", "dpredictions[i] = difference", "dpredictions[i] = -difference"),
    ("normalization", "backward", "dx[i] = dy[i]", "dx[i] = -dy[i]"),
    // One pass, two entry points: of equal shapes and under a gate.
    ("mul", "backward", "y[i] = a[i] * b[i];", "y[i] = -a[i] * b[i];"),
    ("mul", "backward", "y[i] = a[i] * b[sample", "y[i] = -a[i] * b[sample"),
    ("mul", "backward_gate", "sum += dy[i]", "sum -= dy[i]"),
    ("relu", "backward", "select(F(), F(1.0), y >", "select(F(), F(-1.0), y >"),
    ("relu6", "backward", "dx[i] = load(", "dx[i] = -load("),
    ("relu6", "backward", "select(F(), F(1.0), (y >", "select(F(), F(-1.0), (y >"),
    ("rescaling", "backward", "dx[i] = dy[i]", "dx[i] = -dy[i]"),
    ("sigmoid", "backward", "dx[i] = load(", "dx[i] = -load("),
    ("sigmoid", "backward", "y * (1.0 - y)", "y * (1.0 + y)"),
    ("silu", "backward", "dx[i] = load(", "dx[i] = -load("),
    ("silu", "backward", "(1.0 + x * logistic(-x))", "(1.0 - x * logistic(-x))"),
    ("silu", "backward", "logistic(-x))", "logistic(x))"),
    ("softmax_cross_entropy", "forward", "dlogits[row + c] = difference", "dlogits[row + c] = -difference"),
    ("stochastic_depth", "backward", "source[i] * params.scale", "source[i] * -params.scale"),
    ("tanh", "backward", "dx[i] = load(", "dx[i] = -load("),
    ("tanh", "backward", "(1.0 - y) * (1.0 + y)", "(1.0 + y) * (1.0 + y)"),
    ("zero_pad2d", "backward", "dx[i] = dy[", "dx[i] = -dy["),
    ("accumulate", "accumulate", "+ share * quad", "- share * quad"),
    ("accumulate", "accumulate", "params.how == 1u", "params.how == 0u"),
    ("accumulate", "accumulate", "step.keep == 1u", "step.keep == 0u"),
    ("accumulate", "accumulate", "select(1.0, step.share", "select(1.0, -step.share"),
    ("adam", "update", "(g - m_old)", "(g + m_old)"),
    ("adam", "update", "(g * g - v_old)", "(g * g + v_old)"),
    ("adam", "update", "- step.step_size * m_new", "+ step.step_size * m_new"),
    ("adam", "update", "p - decay * p", "p + decay * p"),
    ("adam", "update", "i < params.decayed", "i >= params.decayed"),
    ("adam", "update", "g *= factor[0]", "g *= -factor[0]"),
    ("adam", "update", "clamp(g,", "clamp(-g,"),
    ("gradient_norm", "squares", "sum += dot(g, g)", "sum -= dot(g, g)"),
    ("gradient_norm", "scale", "sum += partials[i]", "sum -= partials[i]"),
    ("gradient_norm", "scale", "params.limit / norm", "-params.limit / norm"),
];

/// Signs of which one tiling has its own: the first of many accumulators, and the bias's row where taps share a tile.
const IN_SUBGROUP_TILING: &[Mutation] = &[
    ("conv2d", "backward_input", "acc0_0 +=", "acc0_0 -="),
    ("conv2d", "backward_params", "acc0_0_0 +=", "acc0_0_0 -="),
    ("conv2d", "backward_params", "bias0 += g0", "bias0 -= g0"),
];
const IN_WORKGROUP_TILING: &[Mutation] = &[
    ("conv2d", "backward_input", "acc0_0_0 +=", "acc0_0_0 -="),
    ("conv2d", "backward_params", "acc0_0_0 +=", "acc0_0_0 -="),
    (
        "conv2d",
        "backward_params",
        "select(0.0, 1.0, row == params.weight_rows)",
        "select(0.0, -1.0, row == params.weight_rows)",
    ),
];

/// Passes without a gradient in them.
const FORWARD: &[(&str, &str)] = &[
    ("add", "forward"),
    ("add", "forward_more"),
    ("avg_pool2d", "forward"),
    ("batch_norm", "apply"),
    ("batch_norm", "finish_statistics"),
    ("batch_norm", "statistics"),
    ("batch_norm", "use_moving"),
    ("concat", "forward"),
    ("conv2d", "forward"),
    ("dense", "forward"),
    ("depthwise_conv2d", "forward"),
    ("dropout", "forward"),
    ("global_avg_pool", "forward"),
    ("global_max_pool", "forward"),
    ("leaky_relu", "forward"),
    ("max_pool2d", "forward"),
    ("mean_squared_error", "accumulate"), // metrics
    ("normalization", "forward"),
    ("mul", "forward"),
    ("relu", "forward"),
    ("relu6", "forward"),
    ("rescaling", "forward"),
    ("sigmoid", "forward"),
    ("silu", "forward"),
    ("softmax_cross_entropy", "accumulate"), // metrics
    ("stochastic_depth", "forward"),
    ("tanh", "forward"),
    ("zero_pad2d", "forward"),
];

/// Whether the suite's check of an op passes on an adapter.
fn passes(gpu: &Arc<Gpu>, op: &str) -> bool {
    match op {
        "adam" | "gradient_norm" => common::adam::gpu_failures(gpu).is_empty(),
        "accumulate" => {
            common::adam::accumulation_failures(gpu).is_empty()
                && common::fan_out::gpu_failures(Arc::clone(gpu)).is_empty()
        }
        _ => cases_of(op).iter().all(|case| verify::run(gpu, case).expect(&case.name).passed()),
    }
}

/// The cases that `cargo test` runs everywhere; the benches' shapes add nothing.
fn cases_of(op: &str) -> Vec<Case> {
    ops::cases(Some(op)).expect("an op of the table").into_iter().filter(|case| !case.bench).collect()
}

fn gpu(tiling: Option<Tiling>) -> Gpu {
    let mut gpu = common::gpu();
    gpu.tiling = tiling.unwrap_or(gpu.tiling);
    gpu
}

/// What survives under a tiling, and what is stale.
fn survivors(tiling: Option<Tiling>, mutations: &[Mutation]) -> Vec<String> {
    let mut bad = Vec::new();
    for mutation @ (op, pass, from, to) in mutations.iter().copied() {
        // For every text that was met of this pass: whether the mutation's is in it. Variants may differ, one must have it.
        let met = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&met);
        let mut gpu = gpu(tiling);
        gpu.rewrite_shaders(move |kernel| {
            if (kernel.op, kernel.pass) != (op, pass) {
                return None;
            }
            noted.lock().expect("no thread panics with it").push(kernel.source.contains(from));
            Some(kernel.source.replace(from, to))
        });
        let survived = passes(&Arc::new(gpu), op);
        let met = met.lock().expect("no thread panics with it");
        if !met.contains(&true) {
            bad.push(format!("stale: {mutation:?} is not in its shader"));
        } else if survived {
            bad.push(format!("survives: {mutation:?}"));
        }
    }
    bad
}

#[test]
fn every_flipped_sign_is_seen_on_the_gpu() {
    let own = match gpu(None).tiling {
        Tiling::Subgroup { .. } => IN_SUBGROUP_TILING,
        Tiling::Workgroup => IN_WORKGROUP_TILING,
    };
    let bad = [survivors(None, MUTATIONS), survivors(None, own)].concat();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The GPUs' variant of the register-tiled kernels, which a software driver does not choose by itself.
#[test]
fn every_flipped_sign_is_seen_in_the_workgroup_tiling() {
    let tiled: Vec<Mutation> = MUTATIONS.iter().copied().filter(|m| m.2 == STORE || m.2 == STORE_PARTIAL).collect();
    assert_eq!(tiled.len(), 4);
    let bad = survivors(Some(Tiling::Workgroup), &[&tiled, IN_WORKGROUP_TILING].concat());
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Notes every kernel that the suite compiles, and looks it up: a new backward needs its mutations. No mutation, no failure: the
/// checks of this file pass on sound shaders.
#[test]
fn every_backward_has_a_mutation() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&seen);
    let mut gpu = gpu(None);
    gpu.rewrite_shaders(move |kernel| {
        noted.lock().expect("no thread panics with it").insert((kernel.op, kernel.pass));
        None
    });
    let gpu = Arc::new(gpu);
    for op in ops::TABLE.iter().map(|row| row.name).chain(["accumulate", "adam"]) {
        assert!(passes(&gpu, op), "{op} fails without a mutation");
    }
    let known: BTreeSet<_> =
        MUTATIONS.iter().map(|(op, pass, ..)| (*op, *pass)).chain(FORWARD.iter().copied()).collect();
    assert_eq!(*seen.lock().expect("no thread panics with it"), known, "left: compiled, right: in the tables");
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
