//! The dispatches of every normalization within a sample.

use super::super::team::Team;
use super::super::{GpuBackward, GpuForward};
use super::Norm;
use crate::error::Result;
use crate::gpu::grid::{MAX_TRIPS, fold};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use std::ops::Range;

const SHADER: &str = include_str!("../../../shaders/group_norm.wgsl");

/// The fewest loads of a pair that are worth a strip of their own.
const MIN_STRIP: usize = 1024;
/// The most: a team of 64 walks its strip twice.
const MAX_STRIP: usize = MAX_TRIPS / 2 * 64;
/// The fewest lines of a strip of lines, and the most, which 8 invocations share.
const STRIP_LINES: [usize; 2] = [64, MAX_TRIPS * 8];
/// The most strips of lines to aim at: one invocation adds them.
const LINE_STRIPS: usize = 256;

/// `Params` of shaders/group_norm.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    pairs: u32,
    strips: u32,
    strip: u32,
    first_pair: u32,
    pixels: u32,
    groups: u32,
    width: u32,
    epsilon: f32,
    count: u32,
    scaled: u32,
    centered: u32,
    lines: u32,
    strip_lines: u32,
    first_strip: u32,
    line_strips: u32,
    padding: u32,
}

impl Params {
    fn teams(&self) -> usize {
        self.pairs as usize * self.strips as usize
    }

    fn count(&self) -> (usize, usize) {
        (self.count as usize, 64)
    }
}

/// A slice of the batch, and what its dispatches are told.
struct Slice {
    samples: Range<usize>,
    params: Params,
    /// The pairs' statistics: of the whole batch, or of the slice where the whole fits no binding.
    stats: GpuTensor,
}

/// How a batch is cut.
struct Cut<'a> {
    norm: &'a Norm,
    lanes: Lanes,
    team: Team,
    slices: Vec<Slice>,
}

impl<'a> Cut<'a> {
    fn new(norm: &'a Norm, rec: &Recorder<'_>, x: &GpuTensor, stats: &GpuTensor) -> Result<Self> {
        let n = x.shape.dims()[0];
        let lanes = Lanes::of(norm.width);
        let width = norm.width / lanes.count();
        let size = norm.pixels * width;
        let channels = norm.groups * width;
        let all_lines = n * norm.rows * norm.pixels;
        let line_strips = (rec.gpu.target_groups() / channels.div_ceil(8)).clamp(1, LINE_STRIPS);
        let strip_lines = all_lines.div_ceil(line_strips).clamp(STRIP_LINES[0], STRIP_LINES[1]);
        let fits = stats.bytes() <= rec.gpu.max_binding();
        let (mut slices, mut first_strip) = (Vec::new(), 0);
        for samples in if fits { rec.batch_slices(&[x])? } else { rec.batch_slices(&[x, stats])? } {
            let rows = samples.len() * norm.rows;
            let (pairs, lines) = (rows * norm.groups, rows * norm.pixels);
            let strip = size.div_ceil(rec.gpu.target_groups().div_ceil(pairs)).clamp(MIN_STRIP, MAX_STRIP).min(size);
            let params = Params {
                pairs: pairs as u32,
                strips: size.div_ceil(strip) as u32,
                strip: strip as u32,
                first_pair: if fits { (samples.start * norm.rows * norm.groups) as u32 } else { 0 },
                pixels: norm.pixels as u32,
                groups: norm.groups as u32,
                width: width as u32,
                epsilon: norm.epsilon,
                count: (lines * channels) as u32,
                scaled: u32::from(norm.scale),
                centered: u32::from(norm.center),
                lines: lines as u32,
                strip_lines: strip_lines as u32,
                first_strip,
                line_strips: lines.div_ceil(strip_lines) as u32,
                padding: 0,
            };
            first_strip += params.line_strips;
            let stats = if fits { stats.clone() } else { stats.samples(&samples) };
            slices.push(Slice { samples, params, stats });
        }
        Ok(Self { norm, lanes, team: Team::of(size.min(MIN_STRIP)), slices })
    }

    fn kernel(&self, entry: &'static str) -> Kernel {
        self.team.kernel(self.norm.op, entry, SHADER, self.lanes)
    }

    /// Channels in lanes.
    fn channels(&self) -> usize {
        self.norm.channels() / self.lanes.count()
    }
}

pub(in crate::ops) fn record_forward(norm: &Norm, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
    let (gamma, beta) = norm.split(io.params);
    let cut = Cut::new(norm, rec, &io.x[0], &io.saved[0])?;
    for Slice { samples, params, stats } in &cut.slices {
        let (x, y) = (&io.x[0].samples(samples), &io.y.samples(samples));
        let (pairs, teams) = (params.pairs as usize, params.teams());
        let partial = &rec.scratch(0, [teams, 3]);
        cut.team.dispatch(rec, &cut.kernel("statistics"), params, (&[x], &[partial]), teams)?;
        rec.dispatch_items(&cut.kernel("finish_statistics"), params, &[partial], &[stats], (pairs, 64))?;
        // Without gamma or beta its binding still needs something; the kernel does not read it.
        let reads = [x, stats, beta.unwrap_or(x), gamma.unwrap_or(x)];
        rec.dispatch_items(&cut.kernel("apply"), params, &reads, &[y], params.count())?;
    }
    Ok(())
}

pub(in crate::ops) fn record_backward(norm: &Norm, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let (gamma, _) = norm.split(io.params);
    let cut = Cut::new(norm, rec, &io.x[0], &io.saved[0])?;
    if let Some(dx) = &io.dx[0] {
        for Slice { samples, params, stats } in &cut.slices {
            let [x, dy, dx] = [&io.x[0], io.dy, dx].map(|tensor| tensor.samples(samples));
            let (pairs, teams) = (params.pairs as usize, params.teams());
            let (partial, means) = (&rec.scratch(1, [teams, 2]), &rec.scratch(2, [pairs, 2]));
            let gamma = gamma.unwrap_or(&x);
            let sums = cut.kernel("backward_sums");
            cut.team.dispatch(rec, &sums, params, (&[&x, stats, &dy, gamma], &[partial]), teams)?;
            rec.dispatch_items(&cut.kernel("finish_sums"), params, &[partial], &[means], (pairs, 64))?;
            let reads = [&x, stats, &dy, gamma, means];
            rec.dispatch_items(&cut.kernel("backward_input"), params, &reads, &[&dx], params.count())?;
        }
    }
    let (dgamma, dbeta) = norm.split(io.dparams);
    let (dgamma, dbeta) = (dgamma.and_then(Option::as_ref), dbeta.and_then(Option::as_ref));
    let Some(shape) = dgamma.or(dbeta).map(|gradient| gradient.shape.clone()) else { return Ok(()) };
    let line_strips: u32 = cut.slices.iter().map(|slice| slice.params.line_strips).sum();
    let partial = rec.scratch(3, [line_strips as usize, 2, norm.channels()]);
    for Slice { samples, params, stats } in &cut.slices {
        let reads = [&io.x[0].samples(samples), stats, &io.dy.samples(samples)];
        let groups = fold(cut.channels().div_ceil(8) * params.line_strips as usize)?;
        rec.dispatch(&cut.kernel("parameter_sums"), params, &reads, &[&partial], groups);
    }
    // The gradient of a parameter that is not there, or not trained, goes nowhere.
    let mut wanted =
        |slot, gradient: Option<&GpuTensor>| gradient.cloned().unwrap_or_else(|| rec.scratch(slot, shape.clone()));
    let (dgamma, dbeta) = (wanted(4, dgamma), wanted(5, dbeta));
    let params = Params { count: cut.channels() as u32, line_strips, ..Params::default() };
    rec.dispatch_items(&cut.kernel("finish_parameters"), &params, &[&partial], &[&dgamma, &dbeta], params.count())
}
