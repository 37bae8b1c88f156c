//! The dispatches: strips of rows, merged in order.

use super::super::elementwise::{Elementwise, text_of};
use super::super::max_pool2d::{self, Normalized};
use super::super::window::{Sizes, Windows};
use super::super::{GpuBackward, GpuForward};
use super::{BatchNorm, split};
use crate::error::Result;
use crate::gpu::grid::{MAX_GROUPS, MAX_TRIPS};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder, Tiling};
use std::ops::{Range, RangeInclusive};

const SHADER: &str = include_str!("../../../shaders/batch_norm.wgsl");
const POOLED: &str = include_str!("../../../shaders/common/batch_norm_pooled.wgsl");

/// `Params` of shaders/batch_norm.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    groups: u32,
    rows: u32,
    strip_rows: u32,
    first_strip: u32,
    strips: u32,
    batch_rows: f32,
    momentum: f32,
    epsilon: f32,
    scaled: u32,
    padding: u32,
    sizes: Sizes,
    padding_behind: [u32; 2],
}

/// Rows of a strip at most. A GPU's row lanes read a strip side by side; a software driver's one after another, the whole strip each, in
/// steps of 8 rows: it should stay in the cache meanwhile (512 rows of 8 groups of channels are 64 KiB a tensor).
fn most_rows(tiling: Tiling) -> usize {
    match tiling {
        Tiling::Subgroup { .. } => 512,
        Tiling::Workgroup => MAX_TRIPS * 4,
    }
}

/// How the rows of a batch are cut: slices that fit a binding, strips within them.
struct Cut {
    lanes: Lanes,
    /// The constant `MERGERS`.
    mergers: &'static str,
    slices: Vec<(Range<usize>, Params)>,
    whole: Params,
    c: usize,
}

impl Cut {
    /// `tensors` are the large ones that a dispatch binds together. At least 64 rows a strip, so that merging strips stays cheap.
    fn new(op: &BatchNorm, rec: &Recorder<'_>, tensors: &[&GpuTensor]) -> Result<Self> {
        let dims = tensors[0].shape.dims();
        let sample_rows = dims[1..dims.len() - 1].iter().product();
        Self::of(op, rec, tensors, sample_rows, 64..=most_rows(rec.gpu.tiling))
    }

    /// Of which a row is a line of windows. On a software driver 8 lines a strip: it reads a pixel's channels a group after the other,
    /// and finds in the cache what came in with the first.
    fn lines(op: &BatchNorm, rec: &Recorder<'_>, tensors: &[&GpuTensor], windows: &Windows) -> Result<Self> {
        let most = match rec.gpu.tiling {
            Tiling::Subgroup { .. } => 1,
            Tiling::Workgroup => MAX_TRIPS / windows.line_trips(),
        };
        let mut cut = Self::of(op, rec, tensors, windows.lines()[0], 8..=8 * most)?;
        cut.slices.iter_mut().for_each(|(_, params)| params.sizes = windows.sizes());
        Ok(cut)
    }

    fn of(
        op: &BatchNorm,
        rec: &Recorder<'_>,
        tensors: &[&GpuTensor],
        sample_rows: usize,
        strip: RangeInclusive<usize>,
    ) -> Result<Self> {
        let dims = tensors[0].shape.dims();
        let (n, c) = (dims[0], dims[dims.len() - 1]);
        let lanes = Lanes::of(c);
        let groups = c / lanes.count();
        // Four strips a core of a software driver, a few waves of a GPU; 8 row lanes share a strip's trips.
        let rows = n * sample_rows;
        let wanted = rows.div_ceil(rec.gpu.target_groups() / 2 / groups.div_ceil(8).min(4));
        let strip_rows = wanted.clamp(*strip.start(), *strip.end()).max(rows.div_ceil(MAX_GROUPS as usize));
        let mut whole = Params {
            groups: groups as u32,
            rows: 0,
            strip_rows: strip_rows as u32,
            first_strip: 0,
            strips: 0,
            batch_rows: (tensors[0].elements() / c) as f32,
            momentum: op.momentum,
            epsilon: op.epsilon,
            scaled: u32::from(op.scale),
            padding: 0,
            sizes: Sizes::default(),
            padding_behind: [0; 2],
        };
        let mut slices = Vec::new();
        for s in rec.batch_slices(tensors)? {
            let rows = s.len() * sample_rows;
            slices.push((s, Params { rows: rows as u32, first_strip: whole.strips, ..whole }));
            whole.strips += rows.div_ceil(strip_rows) as u32;
        }
        let mergers = match rec.gpu.tiling {
            Tiling::Subgroup { .. } => "const MERGERS = 64u;",
            Tiling::Workgroup => "const MERGERS = 256u;",
        };
        Ok(Self { lanes, mergers, slices, whole, c })
    }

    fn kernel(&self, entry: &'static str) -> Kernel {
        self.kernel_with(entry, None)
    }

    fn kernel_with(&self, entry: &'static str, activation: Option<&Elementwise>) -> Kernel {
        self.finished(Kernel::new("batch_norm", entry, SHADER), activation)
    }

    /// Of common/batch_norm_pooled.wgsl.
    fn pooled(&self, entry: &'static str, activation: Option<&Elementwise>, windows: &Windows) -> Kernel {
        let whole = format!("const WHOLE = {};", [windows.h, windows.w].iter().all(|a| a.output * a.window == a.input));
        let kernel = Kernel::new("batch_norm", entry, POOLED).named("backward_input");
        let kernel = kernel.with_prelude(SHADER).with_prelude(&windows.text()).with_prelude(&whole);
        self.finished(kernel, activation)
    }

    fn finished(&self, kernel: Kernel, activation: Option<&Elementwise>) -> Kernel {
        kernel.with_prelude(text_of(activation)).with_prelude(self.mergers).with_lanes(self.lanes)
    }

    /// One workgroup a strip and 8 channel groups.
    fn strips(params: &Params) -> [u32; 3] {
        [params.groups.div_ceil(8), params.rows.div_ceil(params.strip_rows), 1]
    }

    /// One invocation a channel group.
    fn channels(&self) -> [u32; 3] {
        [self.whole.groups.div_ceil(8), 1, 1]
    }
}

pub(super) fn record_forward(op: &BatchNorm, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
    let (gamma, [beta, moving_mean, moving_variance]) = split(io.params);
    // Without a gamma its binding still needs something; the kernels do not read it.
    let gamma = gamma.unwrap_or(beta);
    let (x, y, saved) = (&io.x[0], io.y, &io.saved[0]);
    let cut = Cut::new(op, rec, &[x, y])?;
    if io.pass.training {
        let left = rec.take_statistics(x);
        let partial = left.unwrap_or_else(|| {
            let partial = rec.scratch(0, [cut.whole.strips as usize, 4, cut.c]);
            for (s, params) in &cut.slices {
                rec.dispatch(&cut.kernel("statistics"), params, &[&x.samples(s)], &[&partial], Cut::strips(params));
            }
            partial
        });
        let params = Params { strips: partial.shape.dims()[0] as u32, ..cut.whole };
        let (writes, groups) = ([saved, moving_mean, moving_variance], [cut.whole.groups, 1, 1]);
        rec.dispatch(&cut.kernel("finish_statistics"), &params, &[&partial], &writes, groups);
    } else {
        let reads = [moving_mean, moving_variance];
        rec.dispatch(&cut.kernel("use_moving"), &cut.whole, &reads, &[saved], cut.channels());
    }
    if let Some(pool) = &io.pool {
        let before = Normalized { saved, gamma: op.scale.then_some(gamma), beta, activation: io.activation.as_ref() };
        let forward =
            max_pool2d::Forward { x, normalized: Some(before), y, kept: &pool.saved[0], values: pool.with_backward };
        return max_pool2d::record_forward(rec, &pool.op.checked(&x.shape), &forward);
    }
    let apply = &cut.kernel_with("apply", io.activation.as_ref());
    for (s, params) in &cut.slices {
        let reads = [&x.samples(s), saved, gamma, beta];
        rec.dispatch(apply, params, &reads, &[&y.samples(s)], Cut::strips(params));
    }
    Ok(())
}

pub(super) fn record_backward(op: &BatchNorm, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let (x, dy, saved) = (&io.x[0], io.dy, &io.saved[0]);
    let (gamma, [beta, ..]) = split(io.params);
    let gamma = gamma.unwrap_or(beta);
    // Behind a pool only what was the maximum of a window has a gradient: the sums are over the windows.
    let summed = io.pool.as_ref().map_or(x, |pool| &pool.saved[0]);
    let cut = Cut::new(op, rec, &[summed, dy])?;
    let (dgamma, [dbeta, ..]) = split(io.dparams);
    let sums = rec.scratch(1, [2, cut.c]);
    if dbeta.is_some() || io.pass.training {
        // The gradient of a gamma that is not there, or of parameters that are not trained, goes nowhere.
        let mut wanted =
            |slot, gradient: Option<&GpuTensor>| gradient.cloned().unwrap_or_else(|| rec.scratch(slot, [cut.c]));
        let dgamma = wanted(2, dgamma.and_then(Option::as_ref));
        let dbeta = wanted(3, dbeta.as_ref());
        let partial = rec.scratch(0, [cut.whole.strips as usize, 2, cut.c]);
        for (s, params) in &cut.slices {
            let reads = [&summed.samples(s), saved, &dy.samples(s)];
            rec.dispatch(&cut.kernel("backward_sums"), params, &reads, &[&partial], Cut::strips(params));
        }
        let writes = [&sums, &dgamma, &dbeta];
        rec.dispatch(&cut.kernel("finish_sums"), &cut.whole, &[&partial], &writes, [cut.whole.groups, 1, 1]);
    }
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    if let Some(pool) = &io.pool {
        let windows = pool.op.checked(&x.shape);
        let cut = Cut::lines(op, rec, &[x, dx, dy, summed], &windows)?;
        let kernel = cut.pooled("backward_input_pooled", io.slope(), &windows);
        for (s, params) in &cut.slices {
            let reads = [&x.samples(s), saved, &dy.samples(s), gamma, &sums, &summed.samples(s)];
            rec.dispatch(&kernel, params, &reads, &[&dx.samples(s)], Cut::strips(params));
        }
        return Ok(());
    }
    for (s, params) in &cut.slices {
        let (dy, dx) = (dy.samples(s), dx.samples(s));
        if io.pass.training {
            let reads = [&x.samples(s), saved, &dy, gamma, &sums];
            let kernel = cut.kernel_with("backward_input", io.slope());
            rec.dispatch(&kernel, params, &reads, &[&dx], Cut::strips(params));
        } else {
            let kernel = cut.kernel_with("backward_input_inference", io.slope());
            rec.dispatch(&kernel, params, &[&x.samples(s), saved, gamma, &dy], &[&dx], Cut::strips(params));
        }
    }
    Ok(())
}
