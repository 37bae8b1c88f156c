//! Adam (Kingma and Ba 2015) as Keras computes it: `lr_t = lr sqrt(1 - beta2^t) / (1 - beta1^t)`,
//! `m += (g - m)(1 - beta1)`, `v += (g^2 - v)(1 - beta2)`, `p -= lr_t m / (sqrt(v) + epsilon)`.
//!
//! With a weight decay it is Keras's AdamW (Loshchilov and Hutter 2019).

use super::rule::{Constant, Constants, Range, Rule};
use crate::gpu::Kernel;

/// The rule.
#[derive(Debug)]
pub(super) struct Adam;

const CONSTANTS: [Constant; 3] = [
    Constant { name: "beta-1", default: 0.9, range: Range::Share, help: "decay of the mean of gradients" },
    Constant { name: "beta-2", default: 0.999, range: Range::Share, help: "decay of the mean of squared gradients" },
    Constant { name: "epsilon", default: 1e-7, range: Range::Positive, help: "added to the root of that mean" },
];

impl Rule for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn learning_rate(&self) -> f64 {
        0.001
    }

    fn constants(&self) -> &'static [Constant] {
        &CONSTANTS
    }

    fn slots(&self, _: &Constants) -> &'static [&'static str] {
        &["m", "v"]
    }

    fn kernel(&self, _: &Constants) -> Kernel {
        Kernel::new("adam", "update", include_str!("../../shaders/adam.wgsl"))
    }

    fn uniform(&self, &[beta1, beta2, epsilon, _]: &Constants) -> [f32; 4] {
        // The GPU gets what is computed of the constants, rounded once, as Keras does for f32 variables.
        [(1.0 - beta1) as f32, (1.0 - beta2) as f32, epsilon as f32, 0.0]
    }

    /// The bias-corrected step size. The powers are those of the betas in f32, even in f64, as Keras on TensorFlow computes them;
    /// `1 - beta` elsewhere is computed in f64.
    fn step_size(&self, &[beta1, beta2, ..]: &Constants, lr: f64, t: u64) -> f64 {
        let t = t as f64 + 1.0;
        let power = |beta: f64| f64::from(beta as f32).powf(t);
        lr * (1.0 - power(beta2)).sqrt() / (1.0 - power(beta1))
    }

    fn reference(&self, constants: &Constants, step_size: f64, g: &[f64], p: &mut [f64], slots: &mut [&mut [f64]]) {
        let &[beta1, beta2, epsilon, _] = constants;
        let [m, v] = slots else { return };
        for i in 0..g.len() {
            m[i] += (g[i] - m[i]) * (1.0 - beta1);
            v[i] += (g[i] * g[i] - v[i]) * (1.0 - beta2);
            p[i] -= step_size * m[i] / (v[i].sqrt() + epsilon);
        }
    }
}
