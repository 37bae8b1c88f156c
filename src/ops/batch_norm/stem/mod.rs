//! A convolution of few channels in front and a max pool behind: kernels (shaders/common/batch_norm_stem.wgsl) that compute the
//! convolution's output wherever they need it, a block of pixels at a time. A few multiply-adds an element are less than to write the
//! largest tensor of a network once and to read it three times, and the same for its gradient: fer4-cnn4-bn's is four times its
//! next largest.
//!
//! Blocks are the pool's windows where these lie side by side. Where a window shares half with the next, forward's blocks are half
//! windows, joined to whole ones, and what is computed twice is the lines that windows share; backward's are what no windows' borders cut,
//! and forward keeps the maxima's taps for it, because to find them again would take nine blocks a block.

mod text;
mod walk;

use super::super::conv2d::{Geometry, reduce};
use super::super::elementwise::Elementwise;
use super::super::window::Windows;
use super::super::{Pool, Stem};
use crate::error::Result;
use crate::gpu::{GpuTensor, Lanes, Recorder, Tiling};
use std::ops::Range;
use walk::Walk;

/// The passes over whole windows; the others need each pixel once.
const OVER_WINDOWS: [&str; 2] = ["forward", "sums"];

/// The kernels of one step.
pub(super) struct Passes<'a> {
    stem: &'a Stem<'a>,
    /// The convolution.
    g: Geometry,
    /// The pool.
    windows: Windows,
    lanes: Lanes,
    /// Lanes of a workgroup, and whether it is a subgroup that shares what it loads.
    size: usize,
    shares: bool,
    /// Over the lines of windows, and over those of blocks that no windows' borders cut.
    of_windows: Walk,
    of_blocks: Walk,
    /// The taps of the maxima, where backward looks them up.
    kept: Option<&'a GpuTensor>,
}

impl<'a> Passes<'a> {
    /// Where there are a convolution, whose output would have the shape of `x`, and a pool, whose output is `y`, or has it for a gradient.
    ///
    /// # Errors
    /// Samples that no binding holds, or more of them than strips whose sums one holds.
    pub(super) fn of(
        rec: &Recorder<'_>,
        (stem, pool): (&'a Option<Stem<'a>>, &Option<Pool<'a>>),
        x: &GpuTensor,
        y: &GpuTensor,
    ) -> Result<Option<Self>> {
        let Some((stem, pool)) = stem.as_ref().zip(pool.as_ref()) else { return Ok(None) };
        let (g, windows) = (stem.op.checked(&stem.x.shape), pool.op.checked(&x.shape));
        let (lanes, size, shares) = match rec.gpu.tiling {
            Tiling::Subgroup { lanes, .. } => (Lanes::of(g.c_out), lanes as usize, true),
            // Neighbours load neighbouring channels all the same, and hold a quarter of the sums.
            Tiling::Workgroup => (Lanes::One, if g.c_out.is_multiple_of(64) { 64 } else { 32 }, false),
        };
        let slices = rec.batch_slices(&[&stem.x, y])?;
        let groups = g.c_out / lanes.count();
        let walk = |block, map_lines| Walk::new(rec, (&slices, &g, &windows), (groups, size), (block, map_lines));
        let step = [windows.h.stride, windows.w.stride];
        let [over, _] = windows.overlap();
        Ok(Some(Self {
            stem,
            g,
            windows,
            lanes,
            size,
            shares,
            of_windows: walk([windows.h.window, step[1]], windows.h.output)?,
            of_blocks: walk(step, windows.h.output + over)?,
            kept: (windows.overlap() != [0, 0] && pool.with_backward).then(|| &pool.saved[0]),
        }))
    }

    /// Records the statistics of the convolution's output, as an op in front would have left them.
    pub(super) fn statistics(&self, rec: &mut Recorder<'_>) -> Result<GpuTensor> {
        let partial = rec.scratch(0, [self.of_blocks.strips, 4, self.g.c_out]);
        self.dispatch(rec, ("statistics", "stem_statistics"), None, |_| (Vec::new(), vec![partial.clone()]))?;
        Ok(partial)
    }

    /// Records the pool's output, and the taps of its maxima where backward looks them up.
    pub(super) fn forward(
        &self,
        rec: &mut Recorder<'_>,
        [saved, y]: [&GpuTensor; 2],
        activation: Option<&Elementwise>,
    ) -> Result<()> {
        self.dispatch(rec, ("forward", "stem_forward"), activation, |s| {
            let kept = self.kept.map(|kept| kept.samples(s));
            (vec![saved.clone()], std::iter::once(y.samples(s)).chain(kept).collect())
        })
    }

    /// Records the partial sums of backward.
    pub(super) fn sums(&self, rec: &mut Recorder<'_>, [saved, dy]: [&GpuTensor; 2]) -> Result<GpuTensor> {
        let partial = rec.scratch(0, [self.of_windows.strips, 2, self.g.c_out]);
        let io = |s: &Range<usize>| (vec![saved.clone(), dy.samples(s)], vec![partial.clone()]);
        self.dispatch(rec, ("sums", "stem_sums"), None, io)?;
        Ok(partial)
    }

    /// Records the gradients of the convolution's parameters from that of the pool's output.
    pub(super) fn backward(&self, rec: &mut Recorder<'_>, [saved, sums, dy]: [&GpuTensor; 3]) -> Result<()> {
        let Some(dw) = &self.stem.dparams[0] else { return Ok(()) };
        let partial = rec.scratch(0, [self.of_blocks.strips, self.g.weight_rows() + 1, self.g.c_out]);
        self.dispatch(rec, ("backward", "stem_backward"), None, |s| {
            let kept = self.kept.map(|kept| kept.samples(s));
            let reads = [saved.clone(), sums.clone(), dy.samples(s)];
            (reads.into_iter().chain(kept).collect(), vec![partial.clone()])
        })?;
        reduce(rec, "conv2d", &partial, dw, self.stem.dparams.get(1).and_then(Option::as_ref))
    }

    /// Records a pass over the batch in slices; `io` says what it reads, behind the convolution's input and parameters, and writes of each.
    fn dispatch(
        &self,
        rec: &mut Recorder<'_>,
        (pass, name): (&str, &'static str),
        activation: Option<&Elementwise>,
        io: impl Fn(&Range<usize>) -> (Vec<GpuTensor>, Vec<GpuTensor>),
    ) -> Result<()> {
        let walk = if OVER_WINDOWS.contains(&pass) { &self.of_windows } else { &self.of_blocks };
        let kernel = self.kernel((pass, name), walk.block, activation)?;
        // How often the convolution's sums are computed, or their gradients.
        let times = if pass == "backward" { 2 } else { walk.block[0].div_ceil(self.windows.h.stride) };
        for (s, params) in &walk.slices {
            let (x, w) = (self.stem.x.samples(s), &self.stem.params[0]);
            // Without a bias its binding still needs something; the kernels do not read it.
            let bias = self.stem.params.get(1).unwrap_or(w);
            let (reads, writes) = io(s);
            let reads: Vec<&GpuTensor> = [&x, w, bias].into_iter().chain(&reads).collect();
            let groups = [params.groups.div_ceil(self.size as u32), params.lines.div_ceil(params.strip_lines), 1];
            rec.dispatch(&kernel, params, &reads, &writes.iter().collect::<Vec<_>>(), groups);
            rec.flops(times as u64 * Geometry { n: s.len(), ..self.g }.flops());
        }
        Ok(())
    }
}
