//! How a batch's rows are cut into strips, and the kernels that walk them.

use super::super::elementwise::{Elementwise, text_of};
use super::super::window::{Sizes, Windows};
use super::BatchNorm;
use crate::error::Result;
use crate::gpu::grid::{MAX_GROUPS, MAX_TRIPS};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder, Tiling};
use std::ops::{Range, RangeInclusive};

const SHADER: &str = include_str!("../../../shaders/batch_norm.wgsl");
const POOLED: &str = include_str!("../../../shaders/common/batch_norm_pooled.wgsl");

/// `Params` of shaders/batch_norm.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    pub(super) groups: u32,
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

impl Params {
    /// To merge so many strips.
    pub(super) fn merging(self, strips: usize) -> Self {
        Self { strips: strips as u32, ..self }
    }
}

/// Rows of a strip: at least 64, and at most so many. A GPU's row lanes read a strip side by side; a software driver's one after another,
/// the whole strip each, in steps of 8 rows, and then the next 8 groups of channels: it should stay in the cache meanwhile.
fn strip(tiling: Tiling, most: usize) -> RangeInclusive<usize> {
    match tiling {
        Tiling::Subgroup { .. } => 64..=most,
        Tiling::Workgroup => 64..=MAX_TRIPS * 4,
    }
}

/// How the rows of a batch are cut: slices that fit a binding, strips within them.
pub(super) struct Cut {
    lanes: Lanes,
    /// The constant `MERGERS`.
    mergers: &'static str,
    pub(super) slices: Vec<(Range<usize>, Params)>,
    pub(super) whole: Params,
    pub(super) c: usize,
}

impl Cut {
    /// For passes that sum strips, which have to be merged. `tensors` are the large ones that a dispatch binds together.
    pub(super) fn sums(op: &BatchNorm, rec: &Recorder<'_>, tensors: &[&GpuTensor]) -> Result<Self> {
        Self::rows(op, rec, tensors, 512)
    }

    /// For passes over elements.
    pub(super) fn maps(op: &BatchNorm, rec: &Recorder<'_>, tensors: &[&GpuTensor]) -> Result<Self> {
        Self::rows(op, rec, tensors, 128)
    }

    fn rows(op: &BatchNorm, rec: &Recorder<'_>, tensors: &[&GpuTensor], most: usize) -> Result<Self> {
        let dims = tensors[0].shape.dims();
        let sample_rows = dims[1..dims.len() - 1].iter().product();
        Self::of(op, rec, tensors, sample_rows, strip(rec.gpu.tiling, most))
    }

    /// For passes over elements behind a pool: a row is a line of windows. On a software driver 8 lines a strip: it reads a pixel's channels a group after the other,
    /// and finds in the cache what came in with the first.
    pub(super) fn lines(op: &BatchNorm, rec: &Recorder<'_>, tensors: &[&GpuTensor], windows: &Windows) -> Result<Self> {
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
            Tiling::Subgroup { .. } => "const MERGERS = 8u; const NEIGHBOURS = true;",
            Tiling::Workgroup => "const MERGERS = 256u; const NEIGHBOURS = false;",
        };
        Ok(Self { lanes, mergers, slices, whole, c })
    }

    pub(super) fn kernel(&self, entry: &'static str) -> Kernel {
        self.kernel_with(entry, None)
    }

    pub(super) fn kernel_with(&self, entry: &'static str, activation: Option<&Elementwise>) -> Kernel {
        self.finished(Kernel::new("batch_norm", entry, SHADER), activation)
    }

    /// Of common/batch_norm_pooled.wgsl.
    pub(super) fn pooled(&self, activation: Option<&Elementwise>, windows: &Windows) -> Kernel {
        let whole = format!("const WHOLE = {};", windows.whole());
        let kernel = Kernel::new("batch_norm", "backward_input_pooled", POOLED).named("backward_input");
        let kernel = kernel.with_prelude(SHADER).with_prelude(&windows.text()).with_prelude(&whole);
        self.finished(kernel, activation)
    }

    fn finished(&self, kernel: Kernel, activation: Option<&Elementwise>) -> Kernel {
        kernel.with_prelude(text_of(activation)).with_prelude(self.mergers).with_lanes(self.lanes)
    }

    /// One workgroup a strip and 8 channel groups.
    pub(super) fn strips(params: &Params) -> [u32; 3] {
        [params.groups.div_ceil(8), params.rows.div_ceil(params.strip_rows), 1]
    }

    /// Strips of all slices.
    pub(super) fn count(&self) -> usize {
        self.whole.strips as usize
    }

    /// One invocation a channel group.
    pub(super) fn channels(&self) -> [u32; 3] {
        [self.whole.groups.div_ceil(8), 1, 1]
    }
}
