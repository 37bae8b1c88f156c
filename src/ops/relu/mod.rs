//! Rectified linear unit (Nair and Hinton 2010; `keras.layers.ReLU`).
//!
//! `y = max(x, 0)`, where a NaN stays one, so that a diverging network is noticed; `dx = dy` where `y > 0`, else 0 (0 at `x = 0`, as TensorFlow). Any shape; the output has the input's.
//! Nothing is saved: backward reads `y`.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use super::{Tolerance, single};
use crate::error::Result;
use crate::gpu::{Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relu;

const SHADER: &str = include_str!("../../../shaders/relu.wgsl");

/// Vec4s of the slice; the rest fills the uniform to 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    padding: [u32; 3],
}

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn keras_name(&self) -> &'static str {
        "ReLU"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        single(self.name(), inputs).cloned()
    }

    fn needs(&self) -> Needs {
        Needs { x: false, y: true }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let kernel = Kernel::new("relu", "forward", SHADER).with_lanes(Lanes::Four);
        for s in rec.batch_slices(&[io.y])? {
            let (x, y) = (io.x[0].samples(&s), io.y.samples(&s));
            let count = y.elements().div_ceil(4);
            let params = Params { count: count as u32, padding: [0; 3] };
            rec.dispatch_items(&kernel, &params, &[&x], &[&y], (count, 64))?;
        }
        Ok(())
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        let kernel = Kernel::new("relu", "backward", SHADER).with_lanes(Lanes::Four);
        for s in rec.batch_slices(&[dx])? {
            let (y, dy, dx) = (io.y.samples(&s), io.dy.samples(&s), dx.samples(&s));
            let count = dx.elements().div_ceil(4);
            let params = Params { count: count as u32, padding: [0; 3] };
            rec.dispatch_items(&kernel, &params, &[&y, &dy], &[&dx], (count, 64))?;
        }
        Ok(())
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; a network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: &[usize]| Case::new(what, Relu, vec![Input::new(shape, 1)], Tolerance::EXACT);
    vec![
        case("one", &[1, 1]),
        case("below_group", &[3, 5, 7, 2]),
        case("group", &[1, 8, 8, 4]),
        case("above_group", &[2, 9, 11, 5]),
        case("fer7_conv1", &[100, 46, 46, 32]).benched(),
    ]
}
