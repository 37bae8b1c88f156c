//! The kernels' texts: what a block needs and computes, written out.

use super::super::super::elementwise::{Elementwise, named, text_of};
use super::{OVER_WINDOWS, Passes};
use crate::error::{Error, Result};
use crate::gpu::Kernel;
use minijinja::{Environment, context};

const SHADER: &str = include_str!("../../../../shaders/common/batch_norm_stem.wgsl");

/// Products of a turn: unrolled, they should fit the instruction cache.
const TURN: usize = 432;

/// Values of a window that are left to a GPU's scalar unit, if the compiler knows that they are every lane's. By RADV's statistics for
/// Vega and RDNA 2, 9 of them take two thirds of the vectors' cycles to load, 16 up to 1.4 times as many, and 49 overflow the registers.
const SCALARS: usize = 12;

impl Passes<'_> {
    /// The kernel of a pass over blocks of this height and width.
    pub(super) fn kernel(
        &self,
        (pass, name): (&str, &'static str),
        block: [usize; 2],
        activation: Option<&Elementwise>,
    ) -> Result<Kernel> {
        let Self { g, windows, .. } = self;
        let (window, step) = ([windows.h.window, windows.w.window], [windows.h.stride, windows.w.stride]);
        let (overlap, stride) = (windows.overlap(), [g.h.stride, g.w.stride]);
        let pairs = |h: usize, w: usize| (0..h).flat_map(move |r| (0..w).map(move |s| [r, s])).collect::<Vec<_>>();
        let pixels = pairs(block[0], block[1]);
        let taps = pairs(g.h.window, g.w.window);
        let indices: Vec<[usize; 3]> = taps.iter().flat_map(|[i, j]| (0..g.c_in).map(|c| [*i, *j, c])).collect();
        let sorted = |mut list: Vec<usize>| {
            list.sort_unstable();
            list.dedup();
            list
        };
        // Rows and columns of the image under a block; a column as a tap of the first of the block's that has it.
        let rows = sorted(pairs(block[0], g.h.window).iter().map(|[r, i]| r * stride[0] + i).collect());
        let columns = sorted(pairs(block[1], g.w.window).iter().map(|[s, j]| s * stride[1] + j).collect());
        let of_column = |column: &usize| {
            let s = pairs(block[1], g.w.window).into_iter().rfind(|[s, j]| s * stride[1] + j == *column);
            s.map_or([*column, 0, 0], |[s, j]| [*column, j, s])
        };
        let columns: Vec<[usize; 3]> = columns.iter().map(of_column).collect();
        let patch: Vec<[usize; 4]> =
            rows.iter().flat_map(|row| columns.iter().map(|[column, j, s]| [*row, *column, *j, *s])).collect();
        let used = sorted(columns.iter().map(|[_, j, _]| *j).collect());
        let loads: Vec<[usize; 2]> = rows.iter().flat_map(|row| used.iter().map(|j| [*row, *j])).collect();
        // None where a block is wider than a subgroup.
        let turn = (self.size / block[1]).min((TURN / (pixels.len() * indices.len())).max(1));
        let shared = self.shares && turn > 0;
        let turn = if shared { turn } else { 1 };
        let apart = !shared && patch.len() * g.c_in > SCALARS;
        let whole = (windows.w.output + overlap[1]).is_multiple_of(turn);
        let (size, channels, bias) = (self.size, g.c_in, self.stem.params.len() > 1);
        let joins = OVER_WINDOWS.contains(&pass) && overlap[1] > 0;
        let keeps = ["forward", "backward"].contains(&pass) && self.kept.is_some();
        let gathers = pass == "backward" && keeps;
        let source = Environment::new()
            .render_str(
                SHADER,
                context! {
                    pass, size, channels, bias, shared, turn, whole, window, step, overlap, stride, block, pixels, indices, rows, patch, loads, apart,
                    gathers, joins, keeps
                },
            )
            .map_err(|e| Error::gpu(format!("shader template: {e:#}"), ""))?;
        let kernel = Kernel::new("batch_norm", "main", source).named(name);
        let front = named("front_", text_of(self.stem.activation.as_ref()));
        Ok(kernel.with_prelude(&front).with_prelude(text_of(activation)).with_lanes(self.lanes))
    }
}
