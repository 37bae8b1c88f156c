//! How a batch's lines of blocks are cut into strips.

use super::super::super::conv2d::Geometry;
use super::super::super::window::Windows;
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::gpu::grid::{MAX_GROUPS, MAX_TRIPS};
use std::ops::Range;

/// `Params` of the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    pub(super) groups: u32,
    pub(super) lines: u32,
    pub(super) strip_lines: u32,
    first_strip: u32,
    map_lines: u32,
    columns: u32,
    in_hw: [u32; 2],
    pad: [u32; 2],
    batch_rows: f32,
    padding: u32,
}

/// Outputs of the convolution in a strip, about: few enough for sums in f32.
const STRIP: usize = 512;

/// A pass over a batch, in strips of lines of blocks.
pub(super) struct Walk {
    /// Height and width of a block.
    pub(super) block: [usize; 2],
    pub(super) strips: usize,
    pub(super) slices: Vec<(Range<usize>, Params)>,
}

impl Walk {
    /// Over maps of `map_lines` lines of blocks.
    pub(super) fn new(
        rec: &Recorder<'_>,
        (slices, g, windows): (&[Range<usize>], &Geometry, &Windows),
        (groups, size): (usize, usize),
        (block, map_lines): ([usize; 2], usize),
    ) -> Result<Self> {
        let columns = windows.w.output + windows.overlap()[1];
        // Enough strips to keep a GPU busy, none longer than its sums allow, as far as their sums fit a binding.
        let lines = g.n * map_lines;
        let busy = lines.div_ceil(rec.gpu.target_groups().div_ceil(groups.div_ceil(size)));
        let exact = STRIP.div_ceil(block[0] * g.w.output);
        let room = (rec.gpu.max_binding() as usize / ((g.weight_rows() + 1).max(4) * g.c_out * 4))
            .clamp(1, MAX_GROUPS as usize);
        let strip_lines = busy.min(exact).max(lines.div_ceil((room / slices.len()).max(1))).max(1);
        if strip_lines * columns > MAX_TRIPS {
            let what = format!("batch_norm: a strip of {strip_lines} lines of {columns} blocks is too long");
            return Err(Error::gpu(what, "use a smaller --batch"));
        }
        let mut strips = 0;
        let slices = slices
            .iter()
            .map(|s| {
                let params = Params {
                    groups: groups as u32,
                    lines: (s.len() * map_lines) as u32,
                    strip_lines: strip_lines as u32,
                    first_strip: strips as u32,
                    map_lines: map_lines as u32,
                    columns: columns as u32,
                    in_hw: [g.h.input as u32, g.w.input as u32],
                    pad: [g.h.pad as u32, g.w.pad as u32],
                    batch_rows: (g.n * g.h.output * g.w.output) as f32,
                    padding: 0,
                };
                strips += params.lines.div_ceil(params.strip_lines) as usize;
                (s.clone(), params)
            })
            .collect();
        Ok(Self { block, strips, slices })
    }
}
