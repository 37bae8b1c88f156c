//! The direct weight gradient (shaders/conv2d_backward_params.wgsl): partial sums of slices of output lines, then their ordered sum.

use super::super::GpuBackward;
use super::core::{BACKWARD_PARAMS, Flags, render};
use super::geometry::Geometry;
use super::gpu::{batch, slice_of};
use super::reduce::reduce;
use super::variant::{Tile, short, span};
use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{Gpu, GpuTensor, Kernel, Recorder, Tiling};

/// `Params` of shaders/conv2d_backward_params.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    weight_rows: u32,
    lines: u32,
    slice_lines: u32,
    first_slice: u32,
    y_hw: [u32; 2],
    x_hw: [u32; 2],
    c_x: u32,
    c_y: u32,
    kernel_w: u32,
    stride: [u32; 2],
    pad: [u32; 2],
}

/// The kernel of partial sums `[slices, rows, c_out]`, for convolutions that differ in nothing but their batch.
pub(super) struct Sums {
    kernel: Kernel,
    /// Rows of a slice: those of the weights, and one for the bias.
    rows: usize,
    /// Tiles down and across.
    tiles: [usize; 2],
    /// Bytes of `dy` in a slice, at most.
    slice_bytes: usize,
}

/// Of the cache of a software driver's core, for a kernel of few rows, to which loading is what costs: it reads a line's columns a tile
/// after the other, and should find in the cache what came in with the first.
const CACHED_BYTES: usize = 512 << 10;

impl Sums {
    pub(super) fn new(gpu: &Gpu, op: &'static str, g: &Geometry, bias: bool, tile: &Tile) -> Result<Self> {
        let short = short(gpu.tiling, [g.h.window, g.w.window, g.c_in]);
        // With a span, a tile row stands for all taps of a window's line.
        let span = if short.is_some() { 1 } else { span(tile.shared, g.w.stride, g.w.window) };
        // In workgroup tiles the bias is a row of its own.
        let bias_row = usize::from(bias && gpu.tiling == Tiling::Workgroup);
        let fours = match gpu.tiling {
            Tiling::Subgroup { lanes, .. } => tile.rows.is_multiple_of(4 * lanes as usize),
            Tiling::Workgroup => true,
        };
        let flags = Flags { x4: fours && g.c_in.is_multiple_of(4), columns: g.c_out, short, ..Flags::default() };
        let source = render(gpu, &BACKWARD_PARAMS, (tile, span), &flags)?;
        let rows = g.weight_rows() / span + bias_row;
        Ok(Self {
            kernel: Kernel::new(op, "main", source).named("backward_params"),
            rows: g.weight_rows() + usize::from(bias),
            tiles: [if short.is_some() { 1 } else { rows.div_ceil(tile.rows) }, g.c_out.div_ceil(tile.columns)],
            slice_bytes: if short.is_some() { CACHED_BYTES } else { usize::MAX },
        })
    }

    /// Records the sums of `x` and `dy` in slices of `slice_lines` output lines, the first of them as number `first_slice`.
    pub(super) fn record(
        &self,
        rec: &mut Recorder<'_>,
        g: &Geometry,
        (slice_lines, first_slice): (usize, usize),
        [x, dy]: [&GpuTensor; 2],
        partial: &GpuTensor,
    ) {
        let lines = g.n * g.h.output;
        let params = Params {
            rows: self.rows as u32,
            weight_rows: g.weight_rows() as u32,
            lines: lines as u32,
            slice_lines: slice_lines as u32,
            first_slice: first_slice as u32,
            y_hw: [g.h.output as u32, g.w.output as u32],
            x_hw: [g.h.input as u32, g.w.input as u32],
            c_x: g.c_in as u32,
            c_y: g.c_out as u32,
            kernel_w: g.w.window as u32,
            stride: [g.h.stride as u32, g.w.stride as u32],
            pad: [g.h.pad as u32, g.w.pad as u32],
        };
        let groups = [self.tiles[0] as u32, self.tiles[1] as u32, lines.div_ceil(slice_lines) as u32];
        rec.dispatch(&self.kernel, &params, &[x, dy], &[partial], groups);
    }

    /// Output lines of a slice: enough slices to keep the device busy, as far as one of `batches` parts of the partial sums' binding has
    /// room for them, and few enough loop trips in each.
    fn slice_lines(&self, gpu: &Gpu, g: &Geometry, batches: usize) -> usize {
        let tiles = self.tiles[0] * self.tiles[1];
        let room = gpu.max_binding() as usize / (self.rows * g.c_out * 4) / batches;
        let lines = g.n * g.h.output;
        let busy = lines.div_ceil(gpu.target_groups().div_ceil(tiles).min(room).max(1));
        let bounded = (MAX_TRIPS / 2 / g.w.output.max(1)).max(1);
        let cached = (self.slice_bytes / (g.w.output * g.c_out * 4).max(1)).max(lines.div_ceil(room.max(1)));
        busy.min(bounded).min(cached).max(1)
    }
}

/// Records `dw`, and `db` if it is wanted.
pub(super) fn record(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    (io, dw, db): (&GpuBackward<'_>, &GpuTensor, Option<&GpuTensor>),
    tile: &Tile,
) -> Result<()> {
    let sums = Sums::new(rec.gpu, op, g, db.is_some(), tile)?;
    let batches = rec.batch_slices(&[&io.x[0], io.dy])?;
    let count = batches.len();
    let plans: Vec<_> = batches
        .into_iter()
        .map(|s| {
            let g = slice_of(g, s.len(), batch(io.dy));
            let slice_lines = sums.slice_lines(rec.gpu, &g, count);
            (s, g, slice_lines, (g.n * g.h.output).div_ceil(slice_lines))
        })
        .collect();
    let slices: usize = plans.iter().map(|p| p.3).sum();
    let partial = checked_scratch(rec, op, [slices, sums.rows, g.c_out])?;
    let mut first_slice = 0;
    for (s, g, slice_lines, count) in plans {
        sums.record(rec, &g, (slice_lines, first_slice), [&io.x[0].samples(&s), &io.dy.samples(&s)], &partial);
        rec.flops(g.flops());
        first_slice += count;
    }
    reduce(rec, op, &partial, dw, db)
}

/// Room for partial sums, which are bound whole.
///
/// # Errors
/// They exceed a binding.
pub(super) fn checked_scratch(rec: &mut Recorder<'_>, op: &'static str, shape: [usize; 3]) -> Result<GpuTensor> {
    let partial = rec.scratch(0, shape);
    if partial.bound_bytes() <= rec.gpu.max_binding() {
        return Ok(partial);
    }
    Err(Error::gpu(
        format!(
            "{op}: partial sums {} of {} bytes exceed a binding of {}",
            partial.shape,
            partial.bytes(),
            rec.gpu.max_binding()
        ),
        "use fewer filters",
    ))
}
