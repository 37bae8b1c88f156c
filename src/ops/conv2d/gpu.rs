//! The convolution's dispatches, shared with the dense layer.

use super::super::{GpuBackward, GpuForward};
use super::backward_params;
use super::core::{Epilogue, core};
use super::geometry::{self, Geometry};
use super::variant::{Problem, Variant};
use super::winograd;
use super::{rearrange, slices};
use crate::error::Result;
use crate::gpu::{GpuTensor, Recorder};

/// Bytes of the statistics of an output at most: a batch norm gathers those of larger ones by itself.
const STATISTICS: u64 = 32 << 20;

/// `n` samples of a batch of `batch` as a geometry of their own. A dense layer's batch is its line of pixels.
pub(super) fn slice_of(g: &Geometry, n: usize, batch: usize) -> Geometry {
    if g.n == batch { Geometry { n, ..*g } } else { Geometry::dense(n, g.c_in, g.c_out) }
}

/// The batch size of a tensor.
pub(super) fn batch(tensor: &GpuTensor) -> usize {
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
    record(rec, (op, "forward"), g, &Problem::forward(rec.gpu, g), |rec, variant| forward(rec, op, g, io, variant))
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
    let most = STATISTICS.min(rec.gpu.max_binding());
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

/// Records `dx`, if it is wanted.
pub(crate) fn record_backward_input(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuBackward<'_>,
) -> Result<()> {
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    let problem = Problem::backward_input(rec.gpu, g);
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
        Variant::Winograd { side, tile } => {
            let geometry = winograd::Output::reversed(g);
            let extra = end.slope.map(|_| &io.x[0]);
            let pass = winograd::Output { op, geometry, side: *side, reversed: true, x: io.dy, w, extra, y: dx };
            return pass.record(rec, tile, &end);
        }
    };
    let transposed = rearrange::transpose(rec, op, w, [g.c_in, g.c_out])?;
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

/// Records `dw` and `db`, where they are wanted.
pub(crate) fn record_backward_params(
    rec: &mut Recorder<'_>,
    op: &'static str,
    g: &Geometry,
    io: &GpuBackward<'_>,
) -> Result<()> {
    let Some(dw) = &io.dparams[0] else { return Ok(()) };
    let db = io.dparams.get(1).and_then(Option::as_ref);
    let variants = Problem::backward_params(rec.gpu, g);
    record(rec, (op, "backward_params"), g, &variants, |rec, variant| match variant {
        Variant::Direct(tile) => backward_params::record(rec, op, g, (io, dw, db), tile),
        Variant::Winograd { side, tile } => {
            winograd::Gradient { op, geometry: *g, side: *side, x: &io.x[0], dy: io.dy, dw, db }.record(rec, tile)
        }
    })
}
