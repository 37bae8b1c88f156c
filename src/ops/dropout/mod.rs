//! Dropout (Srivastava et al. 2014, in its inverted form; `keras.layers.Dropout`).
//!
//! Training: `y = x * mask / (1 - rate)` and `dx = dy * mask / (1 - rate)`; inference: `y = x`, `dx = dy`. Any shape; the
//! output has the input's. Nothing is saved and backward reads nothing but `dy`: it draws the mask again.
//!
//! The mask is a pure function of seed, optimizer step, layer number and element, so the GPU and the reference draw the same
//! one, and so does a resumed run. Elements `4 i .. 4 i + 4` of the batch (row-major) share the block
//! `philox4x32(counter = [i, layer, step_low, step_high], key = [seed_low, seed_high])`: word `k` keeps element `4 i + k` if
//! its upper 24 bits are at least `ceil(rate * 2^24)`. Errors: a rate outside 0 <= rate < 1.

mod reference;

pub(super) use reference::apply as reference;

use super::elementwise::{Elementwise, text_of};
use super::{
    Case, Fuses, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op, Pass,
};
use super::{Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Share of the elements that training drops, below 1.
    pub rate: f32,
}

const SHADER: &str = include_str!("../../../shaders/dropout.wgsl");
const PHILOX: &str = include_str!("../../../shaders/common/philox.wgsl");

/// `Params` of shaders/dropout.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    first: u32,
    layer: u32,
    threshold: u32,
    scale: f32,
    padding: [u32; 3],
}

/// Checks the share that `op` drops.
///
/// # Errors
/// A rate outside 0 <= rate < 1.
pub(super) fn check_rate(op: &'static str, rate: f32) -> Result<()> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(Error::shape(op, format!("a rate of {rate}: it must be at least 0 and below 1 (0.25 drops a quarter)")))
}

impl Dropout {
    /// What the upper 24 bits of an element's random word must reach.
    pub(super) fn threshold(&self) -> u32 {
        (f64::from(self.rate) * f64::from(1 << 24)).ceil() as u32
    }

    /// What kept elements are multiplied by.
    pub(super) fn scale(&self) -> f64 {
        1.0 / (1.0 - f64::from(self.rate))
    }

    /// Forward and backward are the same map, but for the slope at `at`.
    fn record(
        &self,
        rec: &mut Recorder<'_>,
        pass: Pass,
        name: &'static str,
        [source, at, result]: [&GpuTensor; 3],
        slope: Option<&Elementwise>,
    ) -> Result<()> {
        let entry = if pass.training && self.rate > 0.0 { "drop_elements" } else { "copy" };
        let kernel = Kernel::new("dropout", entry, SHADER).named(name).with_prelude(PHILOX).with_step();
        let kernel = kernel.with_prelude(text_of(slope)).with_lanes(Lanes::Four);
        let sample = result.elements() / result.shape.dims()[0].max(1);
        for s in rec.batch_slices(&[result])? {
            let (source, at, result) = (source.samples(&s), at.samples(&s), result.samples(&s));
            let count = result.elements().div_ceil(4);
            let params = Params {
                count: count as u32,
                // A slice starts at a binding's alignment, a multiple of 16 bytes: no vec4 straddles two slices.
                first: (s.start * sample / 4) as u32,
                layer: pass.layer,
                threshold: self.threshold(),
                scale: self.scale() as f32,
                padding: [0; 3],
            };
            rec.dispatch_items(&kernel, &params, &[&source, &at], &[&result], (count, 64))?;
        }
        Ok(())
    }
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn keras_name(&self) -> &'static str {
        "Dropout"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        check_rate("dropout", self.rate)?;
        single("dropout", inputs).cloned()
    }

    fn fuses(&self) -> Fuses {
        Fuses { slope: Some(Needs { x: true, y: false }), ..Fuses::default() }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        HostOutput::only(reference::apply(self, io.x[0], io.pass))
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        HostGradients { dx: vec![reference::apply(self, io.dy, io.pass)], dparams: Vec::new() }
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        self.record(rec, io.pass, "forward", [&io.x[0], &io.x[0], io.y], None)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        // Without a slope x is not read and may hold anything.
        let x = if io.slope().is_some() { &io.x[0] } else { io.dy };
        self.record(rec, io.pass, "backward", [io.dy, x, dx], io.slope())
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; rates at and near the ends; inference; a
/// network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let case =
        |what, rate, shape: &[usize]| Case::new(what, Dropout { rate }, vec![Input::new(shape, 1)], Tolerance::EXACT);
    vec![
        case("one", 0.5, &[1, 1]),
        case("below_group", 0.25, &[3, 5, 7, 2]),
        case("group", 0.5, &[1, 8, 8, 4]),
        case("above_group", 0.3, &[2, 9, 11, 5]),
        case("vector", 0.9, &[33, 7]),
        case("rate_0", 0.0, &[3, 7]),
        case("rate_0.999", 0.999, &[5, 101]),
        case("inference", 0.5, &[3, 5, 7]).inference(),
        case("fer7_conv1", 0.25, &[100, 22, 22, 32]).benched(),
    ]
}
