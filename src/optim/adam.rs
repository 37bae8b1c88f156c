//! Adam (Kingma and Ba 2015) as Keras computes it: `lr_t = lr sqrt(1 - beta2^t) / (1 - beta1^t)`,
//! `m += (g - m)(1 - beta1)`, `v += (g^2 - v)(1 - beta2)`, `p -= lr_t m / (sqrt(v) + epsilon)`.
//!
//! With a weight decay it is Keras's AdamW (Loshchilov and Hutter 2019): `p -= lr * weight_decay * p` goes before, for every trained
//! parameter, biases and those of batch norm included, as Keras does unless it is told otherwise ([`Decayed`]).

use super::{Clip, slices};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};
use crate::tensor::Shape;
use serde::{Deserialize, Serialize};

const SHADER: &str = include_str!("../../shaders/adam.wgsl");

/// Which parameters decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decayed {
    /// All, as Keras does unless told otherwise.
    #[default]
    All,
    /// The kernels of convolutions and dense layers, but no biases and nothing of a normalization: what Keras's
    /// `exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])` leaves, and what is usual in PyTorch.
    Kernels,
}

/// Whether a parameter is a kernel: what is a number a channel is not, nor what scales and shifts a normalized sample.
pub fn is_kernel(name: &str, shape: &Shape) -> bool {
    shape.dims().len() > 1 && !["gamma", "beta"].contains(&name)
}

impl Decayed {
    /// Whether a parameter of this name and shape decays.
    pub fn has(self, name: &str, shape: &Shape) -> bool {
        self == Self::All || is_kernel(name, shape)
    }
}

/// Adam's constants, in f64: `1 - beta2` of an f32 0.999 would be 1.3e-5 of itself off. The GPU gets what is computed of them,
/// rounded once, as Keras does for f32 variables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the square root.
    pub epsilon: f64,
    /// AdamW's decay of the parameters themselves; 0 is plain Adam.
    pub weight_decay: f64,
    /// Which of them.
    pub decayed: Decayed,
    /// What is done to gradients that are too large.
    pub clip: Clip,
}

impl Default for Adam {
    /// Keras's 0.9, 0.999 and 1e-7, without decay and clipping.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0, decayed: Decayed::All, clip: Clip::Nothing }
    }
}

/// The optimizer's tensors on the GPU, all flat and of one length.
#[derive(Debug)]
pub struct Arenas<'a> {
    /// Read: gradients.
    pub gradients: &'a GpuTensor,
    /// Read: the loss's metrics, whose flag stops the update.
    pub metrics: &'a GpuTensor,
    /// Moved.
    pub weights: &'a GpuTensor,
    /// First moments.
    pub m: &'a GpuTensor,
    /// Second moments.
    pub v: &'a GpuTensor,
    /// Elements, from the first on, that belong to kernels ([`Decayed::Kernels`]): a multiple of 4.
    pub kernels: usize,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    clip: u32,
    limit: f32,
    decayed: u32,
    padding: u32,
}

impl Adam {
    /// The bias-corrected step size of step `t`, counted from 0, for learning rate `lr`.
    pub fn step_size(&self, lr: f64, t: u64) -> f32 {
        self.exact_step_size(lr, t) as f32
    }

    /// [`Adam::step_size`] before it is rounded to f32. The powers are those of the betas in f32, even in f64, as Keras on TensorFlow
    /// computes them; `1 - beta` elsewhere is computed in f64.
    pub fn exact_step_size(&self, lr: f64, t: u64) -> f64 {
        let t = t as f64 + 1.0;
        let power = |beta: f64| f64::from(beta as f32).powf(t);
        lr * (1.0 - power(self.beta2)).sqrt() / (1.0 - power(self.beta1))
    }

    /// The share of itself that a parameter loses in a step at learning rate `lr`; of the weight decay in f32, as Keras takes it.
    pub fn decay(&self, lr: f64) -> f64 {
        lr * f64::from(self.weight_decay as f32)
    }

    /// Records one update: a dispatch for each slice of the arenas that fits a binding, after those of clipping.
    ///
    /// # Errors
    /// More elements than dispatches can cover.
    pub fn record(&self, rec: &mut Recorder<'_>, a: &Arenas<'_>) -> Result<()> {
        let factor = self.clip.record(rec, a.gradients, a.metrics)?;
        let factor = factor.as_ref().unwrap_or(a.metrics);
        let kernel = Kernel::new("adam", "update", SHADER).with_step();
        let (clip, limit) = self.clip.params();
        let decayed = if self.decayed == Decayed::All { a.weights.elements() } else { a.kernels };
        for range in slices(rec.gpu, a.weights.elements()) {
            let at = |t: &GpuTensor| t.flat(range.clone());
            let count = range.len().div_ceil(4);
            let decayed = decayed.saturating_sub(range.start).min(range.len()).div_ceil(4) as u32;
            let params = Params {
                count: count as u32,
                one_minus_beta1: (1.0 - self.beta1) as f32,
                one_minus_beta2: (1.0 - self.beta2) as f32,
                epsilon: self.epsilon as f32,
                clip,
                limit,
                decayed,
                padding: 0,
            };
            let writes = [&at(a.weights), &at(a.m), &at(a.v)];
            rec.dispatch_items(&kernel, &params, &[&at(a.gradients), a.metrics, factor], &writes, (count, 64))?;
            rec.updates();
        }
        Ok(())
    }

    /// The reference's update of one tensor: moves `p`, `m` and `v` by gradients `g` times `factor` ([`Clip::factor`]), at a step
    /// size and a decay ([`Adam::exact_step_size`], [`Adam::decay`]).
    pub fn reference(
        &self,
        (step_size, decay, factor): (f64, f64, f64),
        g: &[f64],
        p: &mut [f64],
        m: &mut [f64],
        v: &mut [f64],
    ) {
        let &Self { beta1, beta2, epsilon, .. } = self;
        for i in 0..g.len() {
            let g = self.clip.value(g[i] * factor);
            m[i] += (g - m[i]) * (1.0 - beta1);
            v[i] += (g * g - v[i]) * (1.0 - beta2);
            p[i] -= decay * p[i];
            p[i] -= step_size * m[i] / (v[i].sqrt() + epsilon);
        }
    }
}
