//! Global max pooling (`keras.layers.GlobalMaxPooling2D`).
//!
//! `y[n, c] = max_{h, w} x[n, h, w, c]`; `dx[n, h, w, c] = dy[n, c] / ties[n, c]` where `x` is the maximum, else 0.
//!
//! Shapes: `x [n, h, w, c]`, `y [n, c]`. Saved: `ties [n, c]`, u32 words on the GPU, how many pixels hold the maximum; backward
//! reads `x` and `y` too. **Ties** share the gradient equally, as in TensorFlow, whose `reduce_max` this is in Keras (its
//! windowed pooling, [`super::max_pool2d`], gives all to the first). **A NaN** wins over everything, and where there are several
//! they share the gradient: a network that diverges shows it in its output. (TensorFlow's gradient is NaN then.) Errors: inputs
//! that are not images, an empty one, a map of more pixels than the loops may run over.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use super::{Tolerance, image_dims, single};
use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GlobalMaxPool;

const SHADER: &str = include_str!("../../../shaders/global_max_pool.wgsl");

/// The largest map: 8 invocations share its pixels and then merge in 3 trips.
const MAX_PIXELS: usize = 8 * (MAX_TRIPS - 3);

/// `Params` of shaders/global_max_pool.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    pixels: u32,
    tiles: u32,
    lowest: f32,
    padding: [u32; 3],
}

/// The uniform over a batch of the shape of `x` but for its count, and the lanes that invocations work on.
fn params(x: &GpuTensor) -> (Lanes, Params) {
    let [_, h, w, c] = *x.shape.dims() else { unreachable!("infer has taken this shape") };
    let lanes = Lanes::of(c);
    let groups = c / lanes.count();
    let params = Params {
        count: 0,
        groups: groups as u32,
        pixels: (h * w) as u32,
        tiles: groups.div_ceil(8) as u32,
        lowest: f32::NEG_INFINITY,
        padding: [0; 3],
    };
    (lanes, params)
}

impl Op for GlobalMaxPool {
    fn name(&self) -> &'static str {
        "global_max_pool"
    }

    fn keras_name(&self) -> &'static str {
        "GlobalMaxPooling2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("global_max_pool", inputs)?;
        let [h, w, c] = image_dims("global_max_pool", x)?;
        match h.saturating_mul(w) {
            _ if x.elements() == 0 => Err(Error::shape("global_max_pool", format!("the input of {x} is empty"))),
            pixels if pixels > MAX_PIXELS => Err(Error::shape(
                "global_max_pool",
                format!("a map of {h} x {w} pixels is over the limit of {MAX_PIXELS} pixels; pool or stride before it"),
            )),
            _ => Ok([c].into()),
        }
    }

    fn saved(&self, inputs: &[&Shape], n: usize) -> Vec<Shape> {
        self.infer(inputs).map(|y| y.with_batch(n)).into_iter().collect()
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: true }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let (lanes, params) = params(&io.x[0]);
        let kernel = Kernel::new("global_max_pool", "forward", SHADER).with_lanes(lanes);
        for s in rec.batch_slices(&[&io.x[0], io.y])? {
            let (x, y, ties) = (io.x[0].samples(&s), io.y.samples(&s), io.saved[0].samples(&s));
            let params = Params { count: s.len() as u32, ..params };
            let groups = s.len() * params.tiles as usize;
            rec.dispatch_items(&kernel, &params, &[&x], &[&y, &ties], (groups * 64, 64))?;
        }
        Ok(())
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        let (lanes, params) = params(dx);
        let kernel = Kernel::new("global_max_pool", "backward", SHADER).with_lanes(lanes);
        for s in rec.batch_slices(&[dx, io.dy])? {
            let small = [io.y, &io.saved[0], io.dy].map(|t| t.samples(&s));
            let (x, dx) = (io.x[0].samples(&s), dx.samples(&s));
            let count = dx.elements() / lanes.count();
            let params = Params { count: count as u32, ..params };
            let reads = [&x, &small[0], &small[1], &small[2]];
            rec.dispatch_items(&kernel, &params, &reads, &[&dx], (count, 64))?;
        }
        Ok(())
    }
}

/// One pixel; maps below, at and above the 8 invocations that share one; channels 1, 3, 5, 7 and round ones, over and under a
/// tile of 8 groups; all-negative inputs, ties, infinities and NaNs; a map of more than 65,535 pixels; a network's own shape.
pub(super) fn cases() -> Vec<Case> {
    // y is exact; dx is a quotient, which WGSL grants 2.5 units in the last place.
    let tolerance = Tolerance { abs: 0.0, rel: 4e-7 };
    let with = |what, input| Case::new(what, GlobalMaxPool, vec![input], tolerance);
    let case = |what, shape: [usize; 4]| with(what, Input::new(shape, 1));
    vec![
        case("one_pixel", [2, 1, 1, 5]),
        case("c1", [3, 5, 7, 1]),
        case("c3", [2, 3, 1, 3]),
        case("c7", [5, 2, 4, 7]),
        case("c12", [3, 6, 5, 12]),
        case("tile", [2, 3, 3, 32]),
        case("above_tile", [3, 5, 4, 100]),
        with("negative", Input::new([3, 7, 5, 5], 1).around(-3.0, 1.0)),
        with("ties", Input::new([4, 9, 7, 8], 1).quantized(2.0)).kinked(),
        with("all_equal", Input::new([2, 5, 3, 3], 1).around(-2.0, 0.0)).kinked(),
        // -inf + inf * fill: NaN where the formula is positive, else minus infinity.
        with("not_finite", Input::new([9, 1, 3, 4], 1).around(f32::NEG_INFINITY, f32::INFINITY)).kinked(),
        case("over_65535_pixels", [2, 257, 256, 3]),
        case("head", [32, 7, 7, 256]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Pass;
    use crate::tensor::HostTensor;

    #[test]
    fn maps_are_checked() {
        let infer = |dims: &[usize]| GlobalMaxPool.infer(&[&Shape::new(dims)]);
        assert_eq!(infer(&[4, 5, 3]).expect("an image"), Shape::new([3]));
        assert!(infer(&[MAX_PIXELS, 1, 3]).is_ok());
        for dims in [&[4][..], &[0, 5, 3], &[4, 5, 0], &[MAX_PIXELS, 2, 3], &[usize::MAX, 2, 3]] {
            assert!(infer(dims).is_err(), "{dims:?}");
        }
    }

    #[test]
    fn ties_and_nans_share() {
        let run = |x: [f64; 4]| {
            let x = HostTensor { shape: [1, 2, 2, 1].into(), data: x.to_vec() };
            let pass = Pass::default();
            let out = GlobalMaxPool.forward_reference(&HostForward { x: vec![&x], params: Vec::new(), pass });
            let dy = HostTensor { shape: [1, 1].into(), data: vec![6.0] };
            let io = HostBackward { x: vec![&x], params: Vec::new(), y: &out.y, saved: &out.saved, dy: &dy, pass };
            (out.y.data[0], GlobalMaxPool.backward_reference(&io).dx.remove(0).data)
        };
        assert_eq!(run([1.0, 2.0, 2.0, 0.0]), (2.0, vec![0.0, 3.0, 3.0, 0.0]));
        assert_eq!(run([f64::NEG_INFINITY; 4]), (f64::NEG_INFINITY, vec![1.5; 4]));
        let (y, dx) = run([9.0, f64::NAN, 1.0, f64::NAN]);
        assert!(y.is_nan());
        assert_eq!(dx, [0.0, 3.0, 0.0, 3.0]);
    }
}
