//! A convolution of few channels in front and a max pool behind: kernels (shaders/common/batch_norm_stem.wgsl) that compute the
//! convolution's output wherever they need it, a window of the pool at a time. A few multiply-adds an element are less than to write the
//! largest tensor of a network once and to read it three times, and the same for its gradient: fer4-cnn4-bn's is four times its
//! next largest.

use super::super::conv2d::{Geometry, reduce};
use super::super::elementwise::{Elementwise, named, text_of};
use super::super::window::Windows;
use super::super::{Pool, Stem};
use crate::error::{Error, Result};
use crate::gpu::grid::{MAX_GROUPS, MAX_TRIPS};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder, Tiling};
use minijinja::{Environment, context};
use std::ops::Range;

const SHADER: &str = include_str!("../../../shaders/common/batch_norm_stem.wgsl");

/// `Params` of the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    groups: u32,
    lines: u32,
    strip_lines: u32,
    first_strip: u32,
    out_hw: [u32; 2],
    in_hw: [u32; 2],
    pad: [u32; 2],
    batch_rows: f32,
    padding: u32,
}

/// Outputs of the convolution in a strip, about: few enough for sums in f32.
const STRIP: usize = 512;

/// Products of a turn: unrolled, they should fit the instruction cache.
const TURN: usize = 432;

/// Values of a window that are left to a GPU's scalar unit, if the compiler knows that they are every lane's. By RADV's statistics for
/// Vega and RDNA 2, 9 of them take two thirds of the vectors' cycles to load, 16 up to 1.4 times as many, and 49 overflow the registers.
const SCALARS: usize = 12;

/// The kernels of one step.
pub(super) struct Passes<'a> {
    stem: &'a Stem<'a>,
    /// The convolution.
    g: Geometry,
    /// The pool.
    windows: Windows,
    lanes: Lanes,
    /// Lanes of a workgroup, and the windows of a turn if it is a subgroup that shares what it loads.
    size: usize,
    turn: Option<usize>,
    strips: usize,
    slices: Vec<(Range<usize>, Params)>,
}

impl<'a> Passes<'a> {
    /// Where there are a convolution, whose output would have the shape of `x`, and a pool, whose output is `y`, or has it for a gradient.
    ///
    /// # Errors
    /// Samples that no binding holds, or more of them than strips whose sums one holds.
    pub(super) fn of(
        rec: &Recorder<'_>,
        (stem, pool): (&'a Option<Stem<'a>>, &Option<Pool<'_>>),
        x: &GpuTensor,
        y: &GpuTensor,
    ) -> Result<Option<Self>> {
        let Some((stem, pool)) = stem.as_ref().zip(pool.as_ref()) else { return Ok(None) };
        let (g, windows) = (stem.op.checked(&stem.x.shape), pool.op.checked(&x.shape));
        let products = windows.taps() * g.weight_rows();
        let (lanes, size, turn) = match rec.gpu.tiling {
            Tiling::Subgroup { lanes, .. } => {
                let turn = (lanes as usize / windows.w.window).min((TURN / products).max(1));
                (Lanes::of(g.c_out), lanes as usize, Some(turn).filter(|turn| *turn > 0))
            }
            // Neighbours load neighbouring channels all the same, and hold a quarter of the sums.
            Tiling::Workgroup => (Lanes::One, if g.c_out.is_multiple_of(64) { 64 } else { 32 }, None),
        };
        let groups = g.c_out / lanes.count();
        let slices = rec.batch_slices(&[&stem.x, y])?;
        // Enough strips to keep a GPU busy, none longer than its sums allow, as far as their sums fit a binding.
        let lines = g.n * windows.h.output;
        let busy = lines.div_ceil(rec.gpu.target_groups().div_ceil(groups.div_ceil(size)));
        let exact = STRIP.div_ceil(windows.h.window * g.w.output);
        let room = (rec.gpu.max_binding() as usize / ((g.weight_rows() + 1).max(4) * g.c_out * 4))
            .clamp(1, MAX_GROUPS as usize);
        let strip_lines = busy.min(exact).max(lines.div_ceil((room / slices.len()).max(1))).max(1);
        if strip_lines * windows.w.output > MAX_TRIPS {
            let what =
                format!("batch_norm: a strip of {strip_lines} lines of {} windows is too long", windows.w.output);
            return Err(Error::gpu(what, "use a smaller --batch"));
        }
        let mut strips = 0;
        let slices = slices
            .into_iter()
            .map(|s| {
                let params = Params {
                    groups: groups as u32,
                    lines: (s.len() * windows.h.output) as u32,
                    strip_lines: strip_lines as u32,
                    first_strip: strips as u32,
                    out_hw: [windows.h.output as u32, windows.w.output as u32],
                    in_hw: [g.h.input as u32, g.w.input as u32],
                    pad: [g.h.pad as u32, g.w.pad as u32],
                    batch_rows: (x.elements() / g.c_out) as f32,
                    padding: 0,
                };
                strips += params.lines.div_ceil(params.strip_lines) as usize;
                (s, params)
            })
            .collect();
        Ok(Some(Self { stem, g, windows, lanes, size, turn, strips, slices }))
    }

    /// Records the statistics of the convolution's output, as an op in front would have left them.
    pub(super) fn statistics(&self, rec: &mut Recorder<'_>) -> Result<GpuTensor> {
        let partial = rec.scratch(0, [self.strips, 4, self.g.c_out]);
        let kernel = self.kernel(("statistics", "stem_statistics"), None)?;
        for (s, params) in &self.slices {
            self.dispatch(rec, &kernel, (s, params), (&[], &[&partial]), 1);
        }
        Ok(partial)
    }

    /// Records the pool's output.
    pub(super) fn forward(
        &self,
        rec: &mut Recorder<'_>,
        [saved, y]: [&GpuTensor; 2],
        activation: Option<&Elementwise>,
    ) -> Result<()> {
        let kernel = self.kernel(("forward", "stem_forward"), activation)?;
        for (s, params) in &self.slices {
            self.dispatch(rec, &kernel, (s, params), (&[saved], &[&y.samples(s)]), 1);
        }
        Ok(())
    }

    /// Records the partial sums of backward.
    pub(super) fn sums(&self, rec: &mut Recorder<'_>, [saved, dy]: [&GpuTensor; 2]) -> Result<GpuTensor> {
        let partial = rec.scratch(0, [self.strips, 2, self.g.c_out]);
        let kernel = self.kernel(("sums", "stem_sums"), None)?;
        for (s, params) in &self.slices {
            self.dispatch(rec, &kernel, (s, params), (&[saved, &dy.samples(s)], &[&partial]), 1);
        }
        Ok(partial)
    }

    /// Records the gradients of the convolution's parameters from that of the pool's output.
    pub(super) fn backward(&self, rec: &mut Recorder<'_>, [saved, sums, dy]: [&GpuTensor; 3]) -> Result<()> {
        let Some(dw) = &self.stem.dparams[0] else { return Ok(()) };
        let partial = rec.scratch(0, [self.strips, self.g.weight_rows() + 1, self.g.c_out]);
        let kernel = self.kernel(("backward", "stem_backward"), None)?;
        for (s, params) in &self.slices {
            self.dispatch(rec, &kernel, (s, params), (&[saved, sums, &dy.samples(s)], &[&partial]), 2);
        }
        reduce(rec, "conv2d", &partial, dw, self.stem.dparams.get(1).and_then(Option::as_ref))
    }

    /// Records a kernel over a slice of the batch that computes the convolution's sums so many times.
    fn dispatch(
        &self,
        rec: &mut Recorder<'_>,
        kernel: &Kernel,
        (s, params): (&Range<usize>, &Params),
        (reads, writes): (&[&GpuTensor], &[&GpuTensor]),
        times: u64,
    ) {
        let (x, w) = (self.stem.x.samples(s), &self.stem.params[0]);
        // Without a bias its binding still needs something; the kernels do not read it.
        let bias = self.stem.params.get(1).unwrap_or(w);
        let reads: Vec<&GpuTensor> = [&x, w, bias].into_iter().chain(reads.iter().copied()).collect();
        let groups = [params.groups.div_ceil(self.size as u32), params.lines.div_ceil(params.strip_lines), 1];
        rec.dispatch(kernel, params, &reads, writes, groups);
        rec.flops(times * Geometry { n: s.len(), ..self.g }.flops());
    }

    fn kernel(&self, (pass, name): (&str, &'static str), activation: Option<&Elementwise>) -> Result<Kernel> {
        let Self { g, windows, .. } = self;
        let (window, stride) = ([windows.h.window, windows.w.window], [g.h.stride, g.w.stride]);
        let pairs = |h: usize, w: usize| (0..h).flat_map(move |r| (0..w).map(move |s| [r, s])).collect::<Vec<_>>();
        let pixels = pairs(window[0], window[1]);
        let taps = pairs(g.h.window, g.w.window);
        let indices: Vec<[usize; 3]> = taps.iter().flat_map(|[i, j]| (0..g.c_in).map(|c| [*i, *j, c])).collect();
        let sorted = |mut list: Vec<usize>| {
            list.sort_unstable();
            list.dedup();
            list
        };
        // Rows and columns of the image under a window of the pool; a column as a tap of the first of the window's that has it.
        let rows = sorted(pairs(window[0], g.h.window).iter().map(|[r, i]| r * stride[0] + i).collect());
        let columns = sorted(pairs(window[1], g.w.window).iter().map(|[s, j]| s * stride[1] + j).collect());
        let of_column = |column: &usize| {
            let s = pairs(window[1], g.w.window).into_iter().rfind(|[s, j]| s * stride[1] + j == *column);
            s.map_or([*column, 0, 0], |[s, j]| [*column, j, s])
        };
        let columns: Vec<[usize; 3]> = columns.iter().map(of_column).collect();
        let patch: Vec<[usize; 4]> =
            rows.iter().flat_map(|row| columns.iter().map(|[column, j, s]| [*row, *column, *j, *s])).collect();
        let used = sorted(columns.iter().map(|[_, j, _]| *j).collect());
        let loads: Vec<[usize; 2]> = rows.iter().flat_map(|row| used.iter().map(|j| [*row, *j])).collect();
        let turn = self.turn.unwrap_or(1);
        let apart = self.turn.is_none() && patch.len() * g.c_in > SCALARS;
        let (shared, whole) = (self.turn.is_some(), windows.w.output.is_multiple_of(turn));
        let (size, channels, bias) = (self.size, g.c_in, self.stem.params.len() > 1);
        let source = Environment::new()
            .render_str(
                SHADER,
                context! { pass, size, channels, bias, shared, turn, whole, window, stride, pixels, indices, rows, patch, loads, apart },
            )
            .map_err(|e| Error::gpu(format!("shader template: {e:#}"), ""))?;
        let kernel = Kernel::new("batch_norm", "main", source).named(name);
        let front = named("front_", text_of(self.stem.activation.as_ref()));
        Ok(kernel.with_prelude(&front).with_prelude(text_of(activation)).with_lanes(self.lanes))
    }
}
