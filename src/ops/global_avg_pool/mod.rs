//! Global average pooling (Lin, Chen and Yan 2013; `keras.layers.GlobalAveragePooling2D`).
//!
//! `y[n, c] = mean_{h, w} x[n, h, w, c]`; `dx[n, h, w, c] = dy[n, c] / (h * w)`.
//!
//! Shapes: `x [n, h, w, c]`, `y [n, c]`. Nothing is saved and backward reads nothing but `dy`. Errors: inputs that are not
//! images, an empty map, a map of more pixels than one invocation may loop over.

mod reference;

use super::elementwise::text_of;
use super::{
    Case, Fuses, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op,
};
use super::{Tolerance, image_dims, single};
use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GlobalAvgPool;

const SHADER: &str = include_str!("../../../shaders/global_avg_pool.wgsl");

/// The largest map: forward adds four pixels a trip, then up to three single ones.
const MAX_PIXELS: usize = 4 * (MAX_TRIPS - 3);

/// `Params` of shaders/global_avg_pool.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    pixels: u32,
    scale: f32,
}

/// The uniform for `count` invocations over a batch of the shape of `x`, and the lanes they work on.
fn params(x: &GpuTensor) -> (Lanes, Params) {
    let [_, h, w, c] = *x.shape.dims() else { unreachable!("infer has taken this shape") };
    let lanes = Lanes::of(c);
    let groups = (c / lanes.count()) as u32;
    (lanes, Params { count: 0, groups, pixels: (h * w) as u32, scale: (1.0 / (h * w) as f64) as f32 })
}

impl Op for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global_avg_pool"
    }

    fn keras_name(&self) -> &'static str {
        "GlobalAveragePooling2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("global_avg_pool", inputs)?;
        let [h, w, c] = image_dims("global_avg_pool", x)?;
        match h.saturating_mul(w) {
            0 => Err(Error::shape("global_avg_pool", format!("the map of {x} is empty"))),
            pixels if pixels > MAX_PIXELS => Err(Error::shape(
                "global_avg_pool",
                format!("a map of {h} x {w} pixels is over the limit of {MAX_PIXELS} pixels; pool or stride before it"),
            )),
            _ => Ok([c].into()),
        }
    }

    fn fuses(&self) -> Fuses {
        Fuses { slope: Some(Needs { x: true, y: false }), ..Fuses::default() }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let (lanes, params) = params(&io.x[0]);
        let kernel = Kernel::new("global_avg_pool", "forward", SHADER).with_prelude(text_of(None)).with_lanes(lanes);
        for s in rec.batch_slices(&[&io.x[0], io.y])? {
            let (x, y) = (io.x[0].samples(&s), io.y.samples(&s));
            let count = y.elements() / lanes.count();
            let params = Params { count: count as u32, ..params };
            rec.dispatch_items(&kernel, &params, &[&x], &[&y], (count, 64))?;
        }
        Ok(())
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        let (lanes, params) = params(dx);
        let kernel =
            Kernel::new("global_avg_pool", "backward", SHADER).with_prelude(text_of(io.slope())).with_lanes(lanes);
        for s in rec.batch_slices(&[dx, io.dy])? {
            let (dy, dx) = (io.dy.samples(&s), dx.samples(&s));
            let count = dx.elements() / lanes.count();
            let params = Params { count: count as u32, ..params };
            // Without a slope x is not read and may hold anything.
            let x = if io.slope().is_some() { io.x[0].samples(&s) } else { dy.clone() };
            rec.dispatch_items(&kernel, &params, &[&dy, &x], &[&dx], (count, 64))?;
        }
        Ok(())
    }
}

/// One pixel; maps that 4 does and does not divide; channels 1, 3, 5, 7 and round ones; over a workgroup of 64; a map of
/// more than 65,535 pixels; a network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: [usize; 4]| {
        Case::new(what, GlobalAvgPool, vec![Input::new(shape, 1)], Tolerance { abs: 1e-6, rel: 1e-6 })
    };
    vec![
        case("one_pixel", [2, 1, 1, 5]),
        case("c1", [3, 5, 7, 1]),
        case("c3", [2, 3, 1, 3]),
        case("c7", [5, 2, 4, 7]),
        case("c12", [3, 6, 5, 12]),
        case("group", [2, 3, 3, 128]),
        case("above_group", [3, 5, 4, 100]),
        case("over_65535_pixels", [2, 257, 256, 3]),
        case("fer4_head", [32, 4, 4, 256]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_checked() {
        let infer = |dims: &[usize]| GlobalAvgPool.infer(&[&Shape::new(dims)]);
        assert_eq!(infer(&[4, 5, 3]).expect("an image"), Shape::new([3]));
        assert!(infer(&[MAX_PIXELS, 1, 3]).is_ok());
        for dims in [&[4][..], &[0, 5, 3], &[MAX_PIXELS, 2, 3], &[usize::MAX, 2, 3]] {
            assert!(infer(dims).is_err(), "{dims:?}");
        }
    }
}
