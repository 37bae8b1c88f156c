//! The convolution's dispatches, shared with the dense layer.

use super::super::{GpuBackward, GpuForward};
use super::core::{BACKWARD_PARAMS, Epilogue, core, render};
use super::geometry::{self, Geometry};
use super::variant::{Problem, Tile, Variant, span};
use super::winograd;
use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{Gpu, GpuTensor, Kernel, Recorder, Tiling};

const REARRANGE: &str = include_str!("../../../shaders/common/conv2d_rearrange.wgsl");

/// `n` samples of a batch of `batch` as a geometry of their own. A dense layer's batch is its line of pixels.
fn slice_of(g: &Geometry, n: usize, batch: usize) -> Geometry {
    if g.n == batch { Geometry { n, ..*g } } else { Geometry::dense(n, g.c_in, g.c_out) }
}

/// The batch size of a tensor.
fn batch(tensor: &GpuTensor) -> usize {
    tensor.shape.dims()[0]
}

/// Records a pass in the variant that its adapter is to compute it in.
fn record(
    rec: &mut Recorder<'_>,
    (op, pass): (&'static str, &'static str),
    g: &Geometry,
    problem: &Problem,
    record: impl Fn(&mut Recorder<'_>, &Variant) -> Result<()>,
) -> Result<()> {
    let tuner = &rec.gpu.tuner;
    let candidates =
        if tuner.thorough { problem.every(rec.gpu) } else { problem.candidates(rec.gpu, tuner.wants_small()) };
    let chosen = rec.choose(|| format!("{op}.{pass} {g}"), &candidates, &record)?;
    record(rec, &candidates[chosen])
}

/// Records `y = conv(x, w) + b`.
pub(crate) fn record_forward(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuForward<'_>,
) -> Result<()> {
    record(rec, (op, "forward"), g, &Problem::forward(g), |rec, variant| forward(rec, op, g, io, variant))
}

fn forward(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuForward<'_>,
    variant: &Variant,
) -> Result<()> {
    let end = Epilogue { bias: io.params.len() > 1, activation: io.activation.as_ref(), slope: None };
    let tile = match variant {
        Variant::Direct(tile) => tile,
        Variant::Winograd(tile) => {
            let (x, w, y) = (&io.x[0], &io.params[0], io.y);
            let extra = io.params.get(1);
            let pass = winograd::Pass { op, geometry: *g, reversed: false, x, w, extra, y };
            return pass.record(rec, tile, &end);
        }
    };
    for s in rec.batch_slices(&[&io.x[0], io.y])? {
        let params = geometry::forward(&slice_of(g, s.len(), batch(io.y)));
        let (x, y) = (io.x[0].samples(&s), io.y.samples(&s));
        let mut reads = vec![&x];
        reads.extend(io.params);
        let flops = params.flops();
        let (kernel, params, groups) = core(rec, op, params, tile, &end)?;
        rec.dispatch(&kernel.named("forward"), &params, &reads, &[&y], groups);
        rec.flops(flops);
    }
    Ok(())
}

/// Records `dx`, if it is wanted.
pub(crate) fn record_backward_input(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuBackward<'_>,
) -> Result<()> {
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    let problem = Problem::backward_input(g);
    record(rec, (op, "backward_input"), g, &problem, |rec, variant| backward_input(rec, op, g, (io, dx), variant))
}

/// The weights transposed, then one dispatch a phase of the strides.
fn backward_input(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    (io, dx): (&GpuBackward<'_>, &GpuTensor),
    variant: &Variant,
) -> Result<()> {
    let w = &io.params[0];
    let end = Epilogue { slope: io.slope(), ..Epilogue::default() };
    let tile = match variant {
        Variant::Direct(tile) => tile,
        Variant::Winograd(tile) => {
            let geometry = winograd::Pass::reversed(g);
            let extra = end.slope.map(|_| &io.x[0]);
            let pass = winograd::Pass { op, geometry, reversed: true, x: io.dy, w, extra, y: dx };
            return pass.record(rec, tile, &end);
        }
    };
    let transposed = rec.scratch(0, [w.elements()]);
    let params =
        Rearrange { count: w.elements() as u32, c_in: g.c_in as u32, c_out: g.c_out as u32, ..Default::default() };
    let transpose = Kernel::new(op, "transpose", REARRANGE);
    rec.dispatch_items(&transpose, &params, &[w], &[&transposed], (w.elements(), 64))?;
    for s in rec.batch_slices(&[dx, io.dy])? {
        let (dx, dy) = (dx.samples(&s), io.dy.samples(&s));
        let x = io.x[0].samples(&s);
        let mut reads = vec![&dy, &transposed];
        reads.extend(end.slope.map(|_| &x));
        for params in geometry::backward_input(&slice_of(g, s.len(), batch(io.dy))) {
            let flops = params.flops();
            let (kernel, params, groups) = core(rec, op, params, tile, &end)?;
            rec.dispatch(&kernel.named("backward_input"), &params, &reads, &[&dx], groups);
            rec.flops(flops);
        }
    }
    Ok(())
}

/// `Params` of shaders/conv2d_backward_params.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct BackwardParams {
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

/// `Params` of shaders/common/conv2d_rearrange.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Rearrange {
    count: u32,
    c_in: u32,
    c_out: u32,
    slices: u32,
    stride: u32,
    bias: u32,
    padding: [u32; 2],
}

/// Output lines of one slice of the contraction: enough slices to keep the device busy, and few enough loop trips in each.
fn slice_lines(gpu: &Gpu, g: &Geometry, lines: usize, tiles: usize) -> usize {
    let busy = lines.div_ceil(gpu.target_groups().div_ceil(tiles).max(1));
    let bounded = (MAX_TRIPS / 2 / g.w.output.max(1)).max(1);
    busy.min(bounded).max(1)
}

/// Records `dw` and `db`, where they are wanted.
pub(crate) fn record_backward_params(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuBackward<'_>,
) -> Result<()> {
    let Some(dw) = &io.dparams[0] else { return Ok(()) };
    let db = io.dparams.get(1).and_then(Option::as_ref);
    let variants = Problem::backward_params(g);
    record(rec, (op, "backward_params"), g, &variants, |rec, variant| match variant {
        Variant::Direct(tile) => backward_params(rec, op, g, (io, dw, db), tile),
        Variant::Winograd(_) => unreachable!("no candidate of a weight gradient"),
    })
}

/// Partial sums of slices of output lines, then their ordered sum.
fn backward_params(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    (io, dw, db): (&GpuBackward<'_>, &GpuTensor, Option<&GpuTensor>),
    tile: &Tile,
) -> Result<()> {
    let weight_rows = g.weight_rows();
    let rows = weight_rows + usize::from(db.is_some());
    // With a span, a tile row stands for all taps of a window's line.
    let span = span(tile.shared, g.w.stride, g.w.window);
    // In workgroup tiles the bias is a row of its own.
    let bias_row = usize::from(db.is_some() && rec.gpu.tiling == Tiling::Workgroup);
    let tile_rows = weight_rows / span + bias_row;
    let x4 = match rec.gpu.tiling {
        Tiling::Subgroup { lanes, .. } => g.c_in.is_multiple_of(4) && tile.rows.is_multiple_of(4 * lanes as usize),
        Tiling::Workgroup => false,
    };
    let tiles = [tile_rows.div_ceil(tile.rows), g.c_out.div_ceil(tile.columns)];
    let flags = [x4, g.c_out.is_multiple_of(4), false, false];
    let source = render(rec.gpu, BACKWARD_PARAMS, (tile, span), flags)?;
    let kernel = Kernel::new(op, "main", source).named("backward_params");

    let batches = rec.batch_slices(&[&io.x[0], io.dy])?;
    let plans: Vec<_> = batches
        .iter()
        .map(|s| {
            let g = slice_of(g, s.len(), batch(io.dy));
            let lines = g.n * g.h.output;
            let slice_lines = slice_lines(rec.gpu, &g, lines, tiles[0] * tiles[1]);
            (s.clone(), g, slice_lines, lines.div_ceil(slice_lines))
        })
        .collect();
    let slices: usize = plans.iter().map(|p| p.3).sum();
    let partial = rec.scratch(0, [slices, rows, g.c_out]);
    check_binding(rec.gpu, op, &partial)?;
    let mut first_slice = 0;
    for (s, g, slice_lines, count) in plans {
        let params = BackwardParams {
            rows: rows as u32,
            weight_rows: weight_rows as u32,
            lines: (g.n * g.h.output) as u32,
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
        let (x, dy) = (io.x[0].samples(&s), io.dy.samples(&s));
        let groups = [tiles[0] as u32, tiles[1] as u32, count as u32];
        rec.dispatch(&kernel, &params, &[&x, &dy], &[&partial], groups);
        rec.flops(g.flops());
        first_slice += count;
    }
    let params = Rearrange {
        count: dw.elements() as u32,
        slices: slices as u32,
        stride: (rows * g.c_out) as u32,
        bias: db.map_or(0, |db| db.elements() as u32),
        ..Default::default()
    };
    let items = (rows * g.c_out, 64);
    match db {
        Some(db) => rec.dispatch_items(&Kernel::new(op, "reduce", REARRANGE), &params, &[&partial], &[dw, db], items),
        None => {
            rec.dispatch_items(&Kernel::new(op, "reduce_without_bias", REARRANGE), &params, &[&partial], &[dw], items)
        }
    }
}

/// Partial sums are bound whole.
fn check_binding(gpu: &Gpu, op: &'static str, tensor: &GpuTensor) -> Result<()> {
    if tensor.bound_bytes() <= gpu.max_binding() {
        return Ok(());
    }
    Err(Error::gpu(
        format!(
            "{op}: partial sums {} of {} bytes exceed a binding of {}",
            tensor.shape,
            tensor.bytes(),
            gpu.max_binding()
        ),
        "use fewer filters",
    ))
}
