//! Stochastic depth (Huang et al. 2016; EfficientNet's drop_connect, `keras.layers.Dropout(rate, noise_shape=(None, 1, 1, 1))`):
//! training drops the residual branch of whole samples.
//!
//! Training: `y[n] = x[n] * mask[n] / (1 - rate)` and `dx[n] = dy[n] * mask[n] / (1 - rate)`, one mask bit a sample; inference:
//! `y = x`, `dx = dy`. Any shape; the output has the input's. What is dropped is 0, whatever it was. Nothing is saved and
//! backward reads nothing but `dy`: it draws the mask again.
//!
//! The mask is that of [`super::dropout`] over a tensor `[n]`, sample `n` of the batch being element `n`: the same on the GPU and the
//! reference, and after a resume. Errors: a rate outside 0 <= rate < 1.

mod reference;

use super::dropout::{Dropout, check_rate};
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op, Pass};
use super::{Tolerance, single};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StochasticDepth {
    /// Share of the samples that training drops, below 1.
    pub rate: f32,
}

const SHADER: &str = include_str!("../../../shaders/stochastic_depth.wgsl");
const PHILOX: &str = include_str!("../../../shaders/common/philox.wgsl");

/// `Params` of shaders/stochastic_depth.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    first: u32,
    layer: u32,
    threshold: u32,
    scale: f32,
    padding: [u32; 2],
}

impl StochasticDepth {
    /// The dropout over `[n]` whose mask this is; inference drops nothing.
    fn of_samples(&self, pass: Pass) -> Dropout {
        Dropout { rate: if pass.training { self.rate } else { 0.0 } }
    }

    /// Forward and backward are the same map.
    fn record(
        &self,
        rec: &mut Recorder<'_>,
        pass: Pass,
        name: &'static str,
        (source, result): (&GpuTensor, &GpuTensor),
    ) -> Result<()> {
        let sample = result.elements() / result.shape.dims()[0].max(1);
        let lanes = Lanes::of(sample);
        let kernel = Kernel::new("stochastic_depth", "drop_samples", SHADER).named(name);
        let kernel = kernel.with_lanes(lanes).with_prelude(PHILOX).with_step();
        let mask = self.of_samples(pass);
        for s in rec.batch_slices(&[result])? {
            let (source, result) = (source.samples(&s), result.samples(&s));
            let count = result.elements() / lanes.count();
            let params = Params {
                count: count as u32,
                groups: (sample / lanes.count()) as u32,
                first: s.start as u32,
                layer: pass.layer,
                threshold: mask.threshold(),
                scale: mask.scale() as f32,
                padding: [0; 2],
            };
            rec.dispatch_items(&kernel, &params, &[&source], &[&result], (count, 64))?;
        }
        Ok(())
    }
}

impl Op for StochasticDepth {
    fn name(&self) -> &'static str {
        "stochastic_depth"
    }

    fn keras_name(&self) -> &'static str {
        "Dropout"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        check_rate("stochastic_depth", self.rate)?;
        single("stochastic_depth", inputs).cloned()
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        HostOutput::only(reference::apply(self, io.x[0], io.pass))
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        HostGradients { dx: vec![reference::apply(self, io.dy, io.pass)], dparams: Vec::new() }
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        self.record(rec, io.pass, "forward", (&io.x[0], io.y))
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        self.record(rec, io.pass, "backward", (io.dy, dx))
    }
}

/// Channels 1, 3, 5 and 7; samples that 4 does and does not divide; batches over a block of random words; rates at and near the
/// ends; infinities and NaNs, which a dropped sample loses; inference; a real shape of EfficientNet-B0.
pub(super) fn cases() -> Vec<Case> {
    let with = |what, rate, input| Case::new(what, StochasticDepth { rate }, vec![input], Tolerance::EXACT);
    let case = |what, rate, shape: &[usize]| with(what, rate, Input::new(shape, 1));
    vec![
        case("one", 0.5, &[1, 1]),
        case("c1", 0.5, &[9, 3, 5, 1]),
        case("c3", 0.25, &[7, 5, 7, 3]),
        case("c5", 0.5, &[33, 5]),
        case("c7", 0.3, &[65, 1, 3, 7]),
        case("vec4", 0.5, &[13, 9, 11, 4]),
        case("rate_0", 0.0, &[3, 7]),
        case("rate_0.999", 0.999, &[101, 3]),
        with("not_finite", 0.5, Input::new([21, 9], 1).around(f32::NEG_INFINITY, f32::INFINITY)).kinked(),
        case("inference", 0.5, &[5, 3, 5, 7]).inference(),
        case("block6", 0.2, &[32, 7, 7, 192]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_checked() {
        let infer = |rate| StochasticDepth { rate }.infer(&[&Shape::new([4])]);
        assert!(infer(0.0).is_ok() && infer(1.0f32.next_down()).is_ok());
        for rate in [-0.1, 1.0, f32::NAN, f32::INFINITY] {
            let error = infer(rate).expect_err("no share").to_string();
            assert!(error.contains("stochastic_depth"), "{error}");
        }
    }
}
