//! The dispatches: an invocation owns an output (forward), an input (backward_input), or some taps' share of the weight gradient
//! in a slice of the output pixels (backward_params, whose partial sums `reduce` adds up in order).

use super::super::conv2d::reduce;
use super::super::window::Sizes;
use super::super::{GpuBackward, GpuForward};
use super::Geometry;
use crate::error::Result;
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{Gpu, GpuTensor, Kernel, Lanes, Recorder};

const SHADER: &str = include_str!("../../../shaders/depthwise_conv2d.wgsl");

/// Neighbouring pixels that an invocation of the kernels for unit strides owns.
const RUN: usize = 4;

/// Taps of a window's line that an invocation of `backward_params` sums, at most.
const TAPS: usize = 4;

/// `Params` of shaders/depthwise_conv2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    sizes: Sizes,
    multiplier: u32,
    pixels: u32,
    slice_pixels: u32,
    first_slice: u32,
    rows: u32,
    reversed: u32,
}

impl Geometry {
    /// Four channels at a time where each meets one filter.
    fn lanes(&self) -> Lanes {
        if self.multiplier == 1 { Lanes::of(self.windows.c) } else { Lanes::One }
    }

    /// Whether neighbouring outputs share all but one of their inputs, and forward and backward are one kernel.
    fn has_unit_stride(&self) -> bool {
        self.multiplier == 1 && self.windows.h.stride == 1 && self.windows.w.stride == 1
    }

    fn kernel(&self, entry: &'static str) -> Kernel {
        Kernel::new("depthwise_conv2d", entry, SHADER).with_prelude(&self.windows.text()).with_lanes(self.lanes())
    }

    fn params(&self, count: usize) -> Params {
        Params {
            count: count as u32,
            groups: (self.windows.c / self.lanes().count()) as u32,
            sizes: self.windows.sizes(),
            multiplier: self.multiplier as u32,
            pixels: 0,
            slice_pixels: 0,
            first_slice: 0,
            rows: 0,
            reversed: 0,
        }
    }

    /// Floating-point operations of a pass that writes or reads the outputs `y`.
    fn flops(&self, y: &GpuTensor) -> u64 {
        2 * (self.windows.taps() * y.elements()) as u64
    }
}

pub(super) fn record_forward(g: &Geometry, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
    let entry = match (g.has_unit_stride(), io.params.len() > 1) {
        (true, true) => "unit_stride",
        (true, false) => "unit_stride_without_bias",
        (false, true) => "forward",
        (false, false) => "forward_without_bias",
    };
    let kernel = g.kernel(entry).named("forward");
    for s in rec.batch_slices(&[&io.x[0], io.y])? {
        let (x, y) = (io.x[0].samples(&s), io.y.samples(&s));
        let mut reads = vec![&x];
        reads.extend(io.params);
        let count = if g.has_unit_stride() { runs(g, &y) } else { y.elements() / g.lanes().count() };
        rec.dispatch_items(&kernel, &g.params(count), &reads, &[&y], (count, 64))?;
        rec.flops(g.flops(&y));
    }
    Ok(())
}

/// Invocations of the kernels that own four neighbouring pixels of a line of `result`.
fn runs(g: &Geometry, result: &GpuTensor) -> usize {
    let [n, h, w, c] = *result.shape.dims() else { unreachable!("an image") };
    n * h * w.div_ceil(RUN) * c / g.lanes().count()
}

/// Records `dx`, if it is wanted. With unit strides it is the convolution of `dy` with the taps in reverse.
pub(super) fn record_backward_input(g: &Geometry, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    for s in rec.batch_slices(&[dx, io.dy])? {
        let (dy, dx) = (io.dy.samples(&s), dx.samples(&s));
        let (kernel, params) = if g.has_unit_stride() {
            let reversed = Geometry { windows: g.windows.reversed(), ..*g };
            let params = Params { reversed: 1, ..reversed.params(runs(g, &dx)) };
            (reversed.kernel("unit_stride_without_bias").named("backward_input"), params)
        } else {
            (g.kernel("backward_input"), g.params(dx.elements() / g.lanes().count()))
        };
        let count = params.count as usize;
        rec.dispatch_items(&kernel, &params, &[&dy, &io.params[0]], &[&dx], (count, 64))?;
        rec.flops(g.flops(&dy));
    }
    Ok(())
}

/// Output pixels of one slice: enough slices to keep the device busy, and few enough loop trips in each.
fn slice_pixels(gpu: &Gpu, pixels: usize, items: usize) -> usize {
    let slices = (gpu.target_groups() * 64).div_ceil(items);
    pixels.div_ceil(slices).clamp(1, MAX_TRIPS / 2)
}

/// Records `dw` and `db`, where they are wanted: partial sums of slices of output pixels, then their ordered sum.
pub(super) fn record_backward_params(g: &Geometry, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let Some(dw) = &io.dparams[0] else { return Ok(()) };
    let db = io.dparams.get(1).and_then(Option::as_ref);
    let windows = &g.windows;
    let bias = usize::from(db.is_some());
    let rows = windows.taps() + bias;
    // Invocations of a slice.
    let items = (windows.h.window * windows.w.window.div_ceil(TAPS) + bias) * g.c_out() / g.lanes().count();
    let mut first_slice = 0;
    let mut dispatches = Vec::new();
    for s in rec.batch_slices(&[&io.x[0], io.dy])? {
        let pixels = s.len() * windows.h.output * windows.w.output;
        let slice_pixels = slice_pixels(rec.gpu, pixels, items);
        let slices = pixels.div_ceil(slice_pixels);
        let params = Params {
            pixels: pixels as u32,
            slice_pixels: slice_pixels as u32,
            first_slice: first_slice as u32,
            rows: rows as u32,
            ..g.params(slices * items)
        };
        dispatches.push((s, params));
        first_slice += slices;
    }
    let partial = rec.scratch(0, [first_slice, rows, g.c_out()]);
    for (s, params) in dispatches {
        let (x, dy) = (io.x[0].samples(&s), io.dy.samples(&s));
        let kernel = g.kernel("backward_params");
        rec.dispatch_items(&kernel, &params, &[&x, &dy], &[&partial], (params.count as usize, 64))?;
        rec.flops(g.flops(&dy));
    }
    // The ordered sum is convolution's.
    reduce(rec, "depthwise_conv2d", &partial, dw, db)
}
