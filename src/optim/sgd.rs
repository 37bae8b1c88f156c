//! Stochastic gradient descent as `keras.optimizers.SGD` computes it: `p -= lr g`; with momentum (Polyak 1964)
//! `velocity = momentum velocity - lr g`, `p += velocity`, and with Nesterov's `p += momentum velocity - lr g` of the new velocity.

use super::rule::{Constant, Constants, Range, Rule};
use crate::gpu::Kernel;

/// The rule.
#[derive(Debug)]
pub(super) struct Sgd;

const CONSTANTS: [Constant; 2] = [
    Constant { name: "momentum", default: 0.0, range: Range::Share, help: "what stays of the last step's velocity" },
    Constant { name: "nesterov", default: 0.0, range: Range::Flag, help: "look ahead along the velocity" },
];

const SHADER: &str = include_str!("../../shaders/sgd.wgsl");

impl Rule for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn learning_rate(&self) -> f64 {
        0.01
    }

    fn constants(&self) -> &'static [Constant] {
        &CONSTANTS
    }

    fn slots(&self, &[momentum, ..]: &Constants) -> &'static [&'static str] {
        if momentum == 0.0 { &[] } else { &["momentum"] }
    }

    fn kernel(&self, &[momentum, ..]: &Constants) -> Kernel {
        Kernel::new("sgd", if momentum == 0.0 { "plain" } else { "momentum" }, SHADER)
    }

    fn uniform(&self, constants: &Constants) -> [f32; 4] {
        constants.map(|c| c as f32)
    }

    fn step_size(&self, _: &Constants, lr: f64, _: u64) -> f64 {
        lr
    }

    fn reference(&self, constants: &Constants, step_size: f64, g: &[f64], p: &mut [f64], slots: &mut [&mut [f64]]) {
        let &[momentum, nesterov, ..] = constants;
        for i in 0..g.len() {
            let step = step_size * g[i];
            let Some(velocity) = slots.first_mut().map(|slot| &mut slot[i]) else {
                p[i] -= step;
                continue;
            };
            *velocity = momentum * *velocity - step;
            p[i] += if nesterov == 0.0 { *velocity } else { momentum * *velocity - step };
        }
    }
}
