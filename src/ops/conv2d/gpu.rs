//! The convolution's dispatches, shared with the dense layer.

use super::super::{GpuBackward, GpuForward};
use super::backward_params;
use super::core::{Epilogue, core};
use super::geometry::{self, Geometry};
use super::variant::{Problem, Variant};
use super::winograd;
use super::{slices, transpose};
use crate::error::Result;
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{GpuTensor, Recorder};

/// Bytes of the statistics of an output at most: a batch norm gathers those of larger ones by itself.
const STATISTICS: u64 = 32 << 20;

/// Tiles of rows that leave statistics at most: 8 invocations may have to merge them (shaders/batch_norm.wgsl), and where taps share loads
/// there are up to three times as many as outputs fill.
const MOST_STRIPS: u64 = MAX_TRIPS as u64 * 4;

/// `n` samples of a batch of `batch` as a geometry of their own. A dense layer's batch is its line of pixels.
pub(super) fn slice_of(g: &Geometry, n: usize, batch: usize) -> Geometry {
    if g.n == batch { Geometry { n, ..*g } } else { Geometry::dense(n, g.c_in, g.c_out) }
}

/// The batch size of a tensor.
pub(super) fn batch(tensor: &GpuTensor) -> usize {
    tensor.shape.dims()[0]
}

/// The variant that a pass's adapter is to compute it in; `record` records it in any. Of a map that is scratch it is the table's: the
/// tuner's programs are recordings of their own, which have no such scratch.
fn choose(
    rec: &Recorder<'_>,
    (op, pass, map): (&'static str, &'static str, &GpuTensor),
    g: &Geometry,
    problem: &Problem,
    record: impl Fn(&mut Recorder<'_>, &Variant) -> Result<()>,
) -> Result<Variant> {
    let tuner = &rec.gpu.tuner;
    let mut candidates =
        if tuner.thorough { problem.every(rec.gpu) } else { problem.candidates(rec.gpu, tuner.wants_small()) };
    if map.is_scratch() {
        return Ok(candidates.swap_remove(0));
    }
    let chosen = rec.choose(|| format!("{op}.{pass} {g}"), &candidates, &record)?;
    Ok(candidates.swap_remove(chosen))
}

/// Records `y = conv(x, w) + b`.
pub(crate) fn record_forward(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuForward<'_>,
) -> Result<()> {
    let problem = Problem::forward(rec.gpu, g);
    let variant = choose(rec, (op, "forward", io.y), g, &problem, |rec, variant| forward(rec, op, g, io, variant))?;
    forward(rec, op, g, io, &variant)
}

fn forward(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuForward<'_>,
    variant: &Variant,
) -> Result<()> {
    let mut end = Epilogue { bias: io.params.len() > 1, activation: io.activation.as_ref(), ..Epilogue::default() };
    let tile = match variant {
        Variant::Direct(tile) => tile,
        Variant::Winograd { side, tile } => {
            let (x, w, y) = (&io.x[0], &io.params[0], io.y);
            let extra = io.params.get(1);
            let pass = winograd::Output { op, geometry: *g, side: *side, reversed: false, x, w, extra, y };
            return pass.record(rec, tile, &end);
        }
    };
    let batches = rec.batch_slices(&[&io.x[0], io.y])?;
    if let Some(sum) = slices::Sum::new(rec, tile, g.c_in, (batches.len(), io.y)) {
        let (kernel, params, groups) = core(rec, op, geometry::forward(g), (tile, sum.slices), &Epilogue::default())?;
        rec.dispatch(&kernel.named("forward"), &params, &[&io.x[0], &io.params[0]], &[&sum.partial], groups);
        rec.flops(g.flops());
        return sum.record(rec, op, io.params.get(1), &end);
    }
    // Four numbers a channel for every tile of rows.
    let most = STATISTICS.min(rec.gpu.max_binding()).min(MOST_STRIPS * g.c_out as u64 * 16);
    end.statistics = io.statistics && io.y.bytes() / tile.rows as u64 * 4 <= most;
    let (mut passes, mut strips) = (Vec::new(), 0);
    for s in batches {
        let params = geometry::forward(&slice_of(g, s.len(), batch(io.y)));
        let flops = params.flops();
        let (kernel, mut params, groups) = core(rec, op, params, (tile, 1), &end)?;
        params.first_strip = strips;
        passes.push((s, kernel.named("forward"), params, groups, flops));
        strips += groups[1] * groups[2];
    }
    let left = end.statistics.then(|| rec.leave_statistics(io.y, strips as usize));
    for (s, kernel, params, groups, flops) in passes {
        let (x, y) = (io.x[0].samples(&s), io.y.samples(&s));
        let reads: Vec<&GpuTensor> = std::iter::once(&x).chain(io.params).collect();
        let writes: Vec<&GpuTensor> = std::iter::once(&y).chain(&left).collect();
        rec.dispatch(&kernel, &params, &reads, &writes, groups);
        rec.flops(flops);
    }
    Ok(())
}

/// Records what is wanted of `dw`, `db` and `dx`.
pub(crate) fn record_backward(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuBackward<'_>,
) -> Result<()> {
    let (dx, dw, db) = (io.dx[0].as_ref(), io.dparams[0].as_ref(), io.dparams.get(1).and_then(Option::as_ref));
    let of_params = dw.map(|dw| {
        let record = |rec: &mut Recorder<'_>, variant: &Variant| backward_params(rec, op, g, (io, dw, db), variant);
        Ok((choose(rec, (op, "backward_params", io.dy), g, &Problem::backward_params(rec.gpu, g), record)?, dw))
    });
    let of_input = dx.map(|dx| {
        let record = |rec: &mut Recorder<'_>, variant: &Variant| backward_input(rec, op, g, (io, dx), variant);
        Ok((choose(rec, (op, "backward_input", dx), g, &Problem::backward_input(rec.gpu, g), record)?, dx))
    });
    let (of_params, of_input) = (of_params.transpose()?, of_input.transpose()?);
    if let (Some((Variant::Winograd { side, tile: of_sums }, dw)), Some((Variant::Winograd { side: same, tile }, dx))) =
        (&of_params, &of_input)
        && side == same
    {
        let gradient = gradient_pass(op, g, (io, dw, db), *side);
        let both = winograd::Backward { input: input_pass(op, g, (io, dx), *side), gradient };
        if both.wins(rec.gpu, tile) {
            return both.record(rec, [tile, of_sums], &end_of_input(io));
        }
    }
    if let Some((variant, dw)) = of_params {
        backward_params(rec, op, g, (io, dw, db), &variant)?;
    }
    of_input.map_or(Ok(()), |(variant, dx)| backward_input(rec, op, g, (io, dx), &variant))
}

fn end_of_input<'a>(io: &'a GpuBackward<'_>) -> Epilogue<'a> {
    Epilogue { slope: io.slope(), ..Epilogue::default() }
}

/// backward_input by Winograd's algorithm.
fn input_pass<'a>(
    op: &'static str,
    g: &Geometry,
    (io, dx): (&'a GpuBackward<'_>, &'a GpuTensor),
    side: usize,
) -> winograd::Output<'a> {
    let geometry = winograd::Output::reversed(g);
    let extra = io.slope().map(|_| &io.x[0]);
    winograd::Output { op, geometry, side, reversed: true, x: io.dy, w: &io.params[0], extra, y: dx }
}

/// backward_params by Winograd's algorithm.
fn gradient_pass<'a>(
    op: &'static str,
    g: &Geometry,
    (io, dw, db): (&'a GpuBackward<'_>, &'a GpuTensor, Option<&'a GpuTensor>),
    side: usize,
) -> winograd::Gradient<'a> {
    winograd::Gradient { op, geometry: *g, side, x: &io.x[0], dy: io.dy, dw, db }
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
    let end = end_of_input(io);
    let tile = match variant {
        Variant::Direct(tile) => tile,
        Variant::Winograd { side, tile } => return input_pass(op, g, (io, dx), *side).record(rec, tile, &end),
    };
    let transposed = transpose::transpose(rec, op, w, [g.c_in, g.c_out])?;
    let batches = rec.batch_slices(&[dx, io.dy])?;
    if let Some(sum) = slices::Sum::new(rec, tile, g.c_out, (batches.len(), dx)) {
        for params in geometry::backward_input(g) {
            let flops = params.flops();
            let (kernel, params, groups) = core(rec, op, params, (tile, sum.slices), &Epilogue::default())?;
            rec.dispatch(&kernel.named("backward_input"), &params, &[io.dy, &transposed], &[&sum.partial], groups);
            rec.flops(flops);
        }
        return sum.record(rec, op, end.slope.map(|_| &io.x[0]), &end);
    }
    for s in batches {
        let (dx, dy) = (dx.samples(&s), io.dy.samples(&s));
        let x = io.x[0].samples(&s);
        let mut reads = vec![&dy, &transposed];
        reads.extend(end.slope.map(|_| &x));
        for params in geometry::backward_input(&slice_of(g, s.len(), batch(io.dy))) {
            let flops = params.flops();
            let (kernel, params, groups) = core(rec, op, params, (tile, 1), &end)?;
            rec.dispatch(&kernel.named("backward_input"), &params, &reads, &[&dx], groups);
            rec.flops(flops);
        }
    }
    Ok(())
}

/// `dw`, and `db` if it is wanted.
fn backward_params(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    (io, dw, db): (&GpuBackward<'_>, &GpuTensor, Option<&GpuTensor>),
    variant: &Variant,
) -> Result<()> {
    match variant {
        Variant::Direct(tile) => backward_params::record(rec, op, g, (io, dw, db), tile),
        Variant::Winograd { side, tile } => gradient_pass(op, g, (io, dw, db), *side).record(rec, tile),
    }
}
