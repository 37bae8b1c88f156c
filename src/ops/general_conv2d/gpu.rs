//! The dispatches. Most dilated convolutions run on conv2d's kernels, a phase of the rate as a map ([`Phases`]); what is here computes the
//! others, and those with groups. `forward` and `backward_input` are one kernel: the gradient of the input is a convolution of `dy` with
//! transposed weights, whose steps go back from a pixel to the windows over it. `backward_params` leaves partial sums of slices of the
//! output pixels, whose ordered sum is conv2d's.

use super::super::conv2d::reduce;
use super::super::{GpuBackward, GpuForward};
use super::phases::Phases;
use super::{Geometry, NAME};
use crate::error::Result;
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{Gpu, GpuTensor, Kernel, Lanes, Recorder};

const SHADER: &str = include_str!("../../../shaders/general_conv2d.wgsl");
const QUADS: &str = include_str!("../../../shaders/common/general_conv2d_quads.wgsl");
const SINGLE: &str = include_str!("../../../shaders/common/general_conv2d_single.wgsl");

/// Neighbouring pixels of a line that an invocation owns.
const RUN: usize = 4;

/// Rows of the weight gradient that an invocation sums, at most.
const ROWS: usize = 4;

/// `Params` of shaders/general_conv2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    depth: u32,
    x_units: u32,
    y_units: u32,
    x_size: [u32; 2],
    y_size: [u32; 2],
    window: [u32; 2],
    step: [u32; 2],
    tap_step: [u32; 2],
    first: [u32; 2],
    divisor: [u32; 2],
    group_units: u32,
    c_group: u32,
    pixels: u32,
    slice_pixels: u32,
    first_slice: u32,
    rows: u32,
    taps: u32,
    row_step: u32,
    padding: [u32; 2],
}

/// The channels that a pass reads and writes, in each of its groups, and how many it takes at once.
#[derive(Clone, Copy)]
struct Channels {
    groups: usize,
    from: usize,
    to: usize,
}

impl Channels {
    /// One filter a channel, and the channels come in fours: products are element by element.
    fn elementwise(self) -> bool {
        self.from == 1 && self.to == 1 && self.groups.is_multiple_of(4)
    }

    /// Channels of what is written that an invocation owns.
    fn lanes(self) -> Lanes {
        if self.elementwise() { Lanes::Four } else { Lanes::of(self.to) }
    }

    /// Channels of what is read that are loaded at once.
    fn loaded(self) -> usize {
        if self.elementwise() { 4 } else { Lanes::of(self.from).count() }
    }

    /// Whether each loaded channel meets filters of its own.
    fn quads(self) -> bool {
        self.from.is_multiple_of(4)
    }

    fn kernel(self, entry: &'static str, divides: bool) -> Kernel {
        let of_element = |element: &str, storage: &str, load: &str| {
            format!("alias X = {element};\nalias XS = {storage};\nfn load_x(s: XS) -> X {{ return {load}; }}\n{SINGLE}")
        };
        let text = match (self.quads(), self.elementwise()) {
            (true, _) => QUADS.to_owned(),
            (false, true) => of_element("F", "S", "load(s)"),
            (false, false) => of_element("f32", "f32", "s"),
        };
        let text = format!("const DIVIDES = {divides};\n{text}");
        Kernel::new(NAME, entry, SHADER).with_prelude(&text).with_lanes(self.lanes())
    }

    fn params(self) -> Params {
        let Self { groups, from, to } = self;
        let unit = if self.elementwise() { 1 } else { self.loaded() };
        let lanes = self.lanes().count();
        Params {
            depth: (from / unit) as u32,
            x_units: (groups * from / self.loaded()) as u32,
            y_units: (groups * to / lanes) as u32,
            group_units: to.div_ceil(lanes) as u32,
            ..Params::default()
        }
    }
}

fn pair(values: [usize; 2]) -> [u32; 2] {
    values.map(|v| v as u32)
}

impl Geometry {
    fn channels(&self) -> Channels {
        Channels { groups: self.groups, from: self.c_in_group(), to: self.c_out_group() }
    }

    /// Positions on `x` of the pixels of `y`.
    fn forward_params(&self) -> Params {
        Params {
            x_size: pair([self.h.input, self.w.input]),
            y_size: pair([self.h.output, self.w.output]),
            window: pair(self.kernel),
            step: pair([self.h.stride, self.w.stride]),
            tap_step: pair(self.dilation),
            first: pair([self.h.pad, self.w.pad]).map(u32::wrapping_neg),
            divisor: [1; 2],
            ..self.channels().params()
        }
    }

    /// Positions on `y`, in strides, of the pixels of `x`.
    fn backward_params(&self, channels: Channels) -> Params {
        Params {
            x_size: pair([self.h.output, self.w.output]),
            y_size: pair([self.h.input, self.w.input]),
            window: pair(self.kernel),
            step: [1; 2],
            tap_step: pair(self.dilation).map(u32::wrapping_neg),
            first: pair([self.h.pad, self.w.pad]),
            divisor: pair([self.h.stride, self.w.stride]),
            ..channels.params()
        }
    }

    /// Floating-point operations of a pass that writes or reads the outputs `y`.
    fn flops_of(&self, y: &GpuTensor) -> u64 {
        2 * (self.weight_rows() * y.elements()) as u64
    }
}

/// Invocations of the kernel that owns [`RUN`] neighbouring pixels of a line of `result`.
fn runs(result: &GpuTensor, units: u32) -> usize {
    let [n, h, w, _] = *result.shape.dims() else { unreachable!("an image") };
    n * h * w.div_ceil(RUN) * units as usize
}

pub(crate) fn record_forward(g: &Geometry, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
    if let Some(phases) = Phases::of(g, rec.gpu) {
        return phases.record_forward(rec, io);
    }
    let entry = if io.params.len() > 1 { "forward" } else { "forward_without_bias" };
    let kernel = g.channels().kernel(entry, false).named("forward");
    for s in rec.batch_slices(&[&io.x[0], io.y])? {
        let (x, y) = (io.x[0].samples(&s), io.y.samples(&s));
        let mut reads = vec![&x];
        reads.extend(io.params);
        let params = g.forward_params();
        let count = runs(&y, params.y_units);
        rec.dispatch_items(&kernel, &Params { count: count as u32, ..params }, &reads, &[&y], (count, 64))?;
        rec.flops(g.flops_of(&y));
    }
    Ok(())
}

pub(crate) fn record_backward(g: &Geometry, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    if let Some(phases) = Phases::of(g, rec.gpu) {
        return phases.record_backward(rec, io);
    }
    record_backward_params(g, rec, io)?;
    record_backward_input(g, rec, io)
}

/// Records `dx`, if it is wanted.
fn record_backward_input(g: &Geometry, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    let Channels { groups, from, to } = g.channels();
    let channels = Channels { groups, from: to, to: from };
    let weights = transposed(g, rec, &io.params[0])?;
    let divides = g.h.stride > 1 || g.w.stride > 1;
    let kernel = channels.kernel("forward_without_bias", divides).named("backward_input");
    for s in rec.batch_slices(&[dx, io.dy])? {
        let (dy, dx) = (io.dy.samples(&s), dx.samples(&s));
        let params = g.backward_params(channels);
        let count = runs(&dx, params.y_units);
        rec.dispatch_items(&kernel, &Params { count: count as u32, ..params }, &[&dy, &weights], &[&dx], (count, 64))?;
        rec.flops(g.flops_of(&dy));
    }
    Ok(())
}

/// The weights with the input channels of each group behind its filters; where a group has one of each, as they are.
fn transposed(g: &Geometry, rec: &mut Recorder<'_>, w: &GpuTensor) -> Result<GpuTensor> {
    let Channels { from, to, .. } = g.channels();
    if from == 1 && to == 1 {
        return Ok(w.clone());
    }
    // Slot 0 holds the partial sums.
    let transposed = rec.scratch(1, [w.elements()]);
    let params = Params {
        count: w.elements() as u32,
        depth: to as u32,
        x_units: g.c_out as u32,
        y_units: g.c_in as u32,
        c_group: from as u32,
        ..Params::default()
    };
    let kernel = g.channels().kernel("transpose", false);
    rec.dispatch_items(&kernel, &params, &[w], &[&transposed], (w.elements(), 64))?;
    Ok(transposed)
}

/// Bytes of x and dy that all invocations of a slice read, one after another where there are few processors: a share of a CPU core's cache.
const CACHED: usize = 512 << 10;

/// Bytes of partial sums for which slices are made shorter than a device needs to be busy.
const PARTIAL: usize = 32 << 20;

/// Output pixels of one slice: enough slices to keep the device busy, few enough loop trips in each, and pixels that stay in the cache.
fn slice_pixels(gpu: &Gpu, g: &Geometry, pixels: usize, items: usize) -> usize {
    let busy = pixels.div_ceil((gpu.target_groups() * 64).div_ceil(items));
    let cached = (CACHED / (4 * (g.c_in + g.c_out))).max(64);
    let fewest = pixels.div_ceil((PARTIAL / (4 * g.weight_rows() * g.c_out)).max(1));
    busy.min(cached.max(fewest)).clamp(1, MAX_TRIPS)
}

/// Records `dw` and `db`, where they are wanted: partial sums of slices of output pixels, then their ordered sum.
fn record_backward_params(g: &Geometry, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let Some(dw) = &io.dparams[0] else { return Ok(()) };
    let db = io.dparams.get(1).and_then(Option::as_ref);
    let channels = g.channels();
    let bias = usize::from(db.is_some());
    let rows = g.weight_rows() + bias;
    // An invocation's rows are the channels that it loads, or neighbouring taps.
    let (taps, row_step) = if channels.quads() { (1, 1) } else { (ROWS, channels.from) };
    let base = g.forward_params();
    // Invocations of a slice.
    let lots = g.kernel[0] * g.kernel[1].div_ceil(taps);
    let items = (lots * base.depth as usize + bias) * base.y_units as usize;
    let mut first_slice = 0;
    let mut dispatches = Vec::new();
    for s in rec.batch_slices(&[&io.x[0], io.dy])? {
        let pixels = s.len() * g.h.output * g.w.output;
        let slice_pixels = slice_pixels(rec.gpu, g, pixels, items);
        let slices = pixels.div_ceil(slice_pixels);
        let params = Params {
            count: (slices * items) as u32,
            c_group: channels.from as u32,
            pixels: pixels as u32,
            slice_pixels: slice_pixels as u32,
            first_slice: first_slice as u32,
            rows: rows as u32,
            taps: taps as u32,
            row_step: row_step as u32,
            ..base
        };
        dispatches.push((s, params));
        first_slice += slices;
    }
    let partial = rec.scratch(0, [first_slice, rows, g.c_out]);
    let kernel = channels.kernel("backward_params", false);
    for (s, params) in dispatches {
        let (x, dy) = (io.x[0].samples(&s), io.dy.samples(&s));
        rec.dispatch_items(&kernel, &params, &[&x, &dy], &[&partial], (params.count as usize, 64))?;
        rec.flops(g.flops_of(&dy));
    }
    reduce(rec, NAME, &partial, dw, db)
}
