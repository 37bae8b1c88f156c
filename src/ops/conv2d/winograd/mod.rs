//! Winograd's algorithm for windows of stride 1 (shaders/common/winograd.wgsl): a part of the multiplications, for passes around them that
//! mostly load and store, and for a larger error.
//!
//! | | multiplications | error | weight gradient's |
//! |---|---|---|---|
//! | F(6x6, 3x3) | 0.20 | 2.2e-6 | 5.0e-6 |
//! | F(4x4, 3x3) | 0.25 | 1.0e-6 | 1.6e-6 |
//! | F(4x4, 2x2) | 0.39 | 0.7e-6 | 1.0e-6 |
//! | the sums as they are defined | 1 | 0.3e-6 | 1.1e-6 |
//!
//! Root mean squares, relative to the result's, over 64 channels: `python tools/winograd.py`. Whole tiles are computed, so that a map's
//! size decides which takes fewest multiplications.

mod backward;
mod gradient;
mod output;

pub(super) use backward::Backward;
pub(super) use gradient::Gradient;
pub(super) use output::Output;

use super::core::Epilogue;
use super::geometry::Geometry;
use crate::error::{Error, Result};
use crate::gpu::grid::{MAX_TRIPS, batch_slices};
use crate::gpu::{Gpu, GpuTensor, Kernel, Lanes, Loads, Recorder, Tiling};
use crate::ops::elementwise::text_of;
use minijinja::{Environment, context};
use std::ops::Range;

/// What the passes have in common, and the passes: an invocation a tile, or a lane a tile's column.
pub(super) const TEMPLATE: &str = include_str!("../../../../shaders/common/winograd.wgsl");
pub(super) const TILES: &str = include_str!("../../../../shaders/common/winograd_tiles.wgsl");
pub(super) const COLUMNS: &str = include_str!("../../../../shaders/common/winograd_columns.wgsl");

/// Outputs of a tile's side, for a window's size: those that the shader has matrices for.
fn sides(window: usize) -> &'static [usize] {
    match window {
        // F(6x6, 2x2) rounds too much for what it saves: gradients of fer4-cnn4-bn miss Keras's by 1.1e-3.
        2 => &[4],
        3 => &[4, 6],
        _ => &[],
    }
}

/// Multiplications an input and output channel of a sample of `h` x `w` outputs, by whole tiles.
pub(super) fn products(side: usize, window: usize, [h, w]: [usize; 2]) -> usize {
    h.div_ceil(side) * w.div_ceil(side) * (side + window - 1).pow(2)
}

/// Channels on both sides from which it wins.
pub(super) const CHANNELS: usize = 32;

/// Bytes of a transformed map at most, where a few samples need no more: they should not outgrow the activations, nor caches by much.
const SCRATCH: u64 = 8 << 20;

/// Invocations of a subgroup that takes a tile: at least as many as a tile's input has columns.
const COLUMN_LANES: u32 = 8;

/// Rows of the largest tile.
const MOST_ROWS: usize = 128;

/// Scratch slots of the transformed input, weights, and output or its gradient, apart from those of the direct kernels.
const INPUT: usize = 3;
const OUTPUT: usize = 4;
const WEIGHTS: usize = 5;

/// `Params` of shaders/common/winograd.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    stride: u32,
    padding: u32,
    tiles: [u32; 2],
    size: [u32; 2],
    pad: [u32; 2],
    samples: u32,
    slices: u32,
}

/// A way in which the algorithm can compute a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Outputs of a tile's side.
    pub(super) side: usize,
    /// Whether it may win, which nobody expects at all sizes.
    pub(super) wins: bool,
}

/// How the algorithm can compute a pass that is a forward convolution, or its weight gradient, best first. It wins from [`CHANNELS`] on
/// both sides and half the multiplications on, measured on Mesa 22.3 and 25.0. On 25.0 what takes the fewest is best; on 22.3, whose loads
/// and stores are loops, large tiles' transforms take what their products save (1.0 to 1.1 times as long), so small ones come first.
pub(super) fn fits(gpu: &Gpu, g: &Geometry, weight_gradient: bool) -> Vec<Fit> {
    let window = g.h.window;
    let square = window == g.w.window && g.h.stride == 1 && g.w.stride == 1;
    if !square || !g.c_in.is_multiple_of(4) || !g.c_out.is_multiple_of(4) {
        return Vec::new();
    }
    let outputs = [g.h.output, g.w.output];
    let mut fits = Vec::new();
    for side in sides(window).iter().copied() {
        let scheme = Scheme::new(gpu, "conv2d", g, side);
        // Weights, or a weight gradient's partial sums, are bound whole.
        let fit = |slices: Vec<_>| scheme.sums_fit(gpu, if weight_gradient { slices.len() } else { 1 });
        if scheme.slices(gpu, MOST_ROWS, if weight_gradient { scheme.weights() } else { 0 }).is_ok_and(fit) {
            let few = 2 * products(side, window, outputs) <= products(1, window, outputs);
            fits.push(Fit { side, wins: few && g.c_in.min(g.c_out) >= CHANNELS });
        }
    }
    let large = matches!(gpu.tiling, Tiling::Subgroup { loads: Loads::Wide, .. });
    fits.sort_by_key(|fit| (fit.side > 4 && !large, products(fit.side, window, outputs)));
    fits
}

/// What the passes of a convolution have in common.
#[derive(Clone, Copy)]
struct Scheme {
    op: &'static str,
    geometry: Geometry,
    /// Outputs of a tile's side.
    side: usize,
    /// Whether a subgroup takes a tile, a lane one of its columns; else an invocation takes one.
    by_columns: bool,
    /// Channels of a tile that an invocation of a transform handles at a time.
    lanes: Lanes,
    /// Where the same transformed dy serves both gradients: the first pixel, down and across, of a tile's input that is no other tile's.
    /// These pixels' sums are one more matrix, for the bias.
    turned: Option<[usize; 2]>,
}

impl Scheme {
    fn new(gpu: &Gpu, op: &'static str, geometry: &Geometry, side: usize) -> Self {
        // Measured on Mesa 25.0, whose loads and stores are unrolled over the lanes: 0.7 to 0.9 times as long by columns. On 22.3, where
        // they are loops, 1.3 times as long.
        let by_columns = matches!(gpu.tiling, Tiling::Subgroup { lanes: COLUMN_LANES, loads: Loads::Wide });
        // A tile is 25 to 64 vectors: of four words each, they cost llvmpipe 1.2 times as much as of two, its code outgrowing the
        // instruction cache (measured on 25.0; on 22.3, a tenth less).
        let few = matches!(gpu.tiling, Tiling::Subgroup { loads: Loads::Wide, .. }) && !by_columns;
        let lanes = if few { Lanes::Two } else { Lanes::Four };
        Self { op, geometry: *geometry, side, by_columns, lanes, turned: None }
    }

    /// Side of a tile's input: the points at which polynomials are multiplied.
    fn points(&self) -> usize {
        self.geometry.h.window + self.side - 1
    }

    /// Products a tile.
    fn matrices(&self) -> usize {
        self.points() * self.points()
    }

    /// Matrices of a weight gradient's sums.
    fn summed(&self) -> usize {
        self.matrices() + usize::from(self.turned.is_some())
    }

    /// Whether a binding holds the sums of so many slices, or the transformed weights.
    fn sums_fit(&self, gpu: &Gpu, slices: usize) -> bool {
        self.weights() * slices as u64 <= gpu.max_binding()
    }

    /// Bytes of the transformed weights, or of a weight gradient's sums with the bias's, whichever channels those are.
    fn weights(&self) -> u64 {
        let Geometry { c_in, c_out, .. } = self.geometry;
        (self.summed() * (c_in * c_out + c_in.max(c_out)) * 4) as u64
    }

    /// Tiles of a slice of the batch.
    fn tiles_of(&self, s: &Range<usize>) -> usize {
        s.len() * self.tiles().iter().product::<usize>()
    }

    /// Padding before the first input.
    fn pad(&self) -> [usize; 2] {
        [self.geometry.h.pad, self.geometry.w.pad]
    }

    /// Tiles of a sample, down and across.
    fn tiles(&self) -> [usize; 2] {
        [self.geometry.h.output, self.geometry.w.output].map(|size| size.div_ceil(self.side))
    }

    /// The kernel of a pass; `reversed` is of the weights' alone.
    fn kernel(&self, entry: &'static str, end: &Epilogue<'_>, reversed: bool) -> Result<Kernel> {
        // The others' texts stay as they are, to be compiled once.
        let turned = self.turned.filter(|_| ["transform_input", "sum_products"].contains(&entry));
        let (window, side, bias, slope) = (self.geometry.h.window, self.side, end.bias, end.slope.is_some());
        let (lanes, vector) = (COLUMN_LANES, self.lanes.count());
        let text = format!("{TEMPLATE}{}", if self.by_columns { COLUMNS } else { TILES });
        let source = Environment::new()
            .render_str(&text, context! { window, side, bias, slope, turned, reversed, lanes, vector })
            .map_err(|e| Error::gpu(format!("shader template: {e:#}"), ""))?;
        let kernel = Kernel::new(self.op, entry, source).with_prelude(text_of(end.activation.or(end.slope)));
        Ok(kernel.with_lanes(self.lanes))
    }

    /// Items of a pass over `count` tiles, or rows of weights, of `groups` vectors each, and how many of them a workgroup has.
    fn items(&self, params: &Params) -> (usize, usize) {
        let count = params.count as usize;
        if self.by_columns { (count, 1) } else { (count * params.groups as usize, 64) }
    }

    /// Ranges of samples whose transforms stay within [`SCRATCH`], or, if that holds not even a few, within a binding; `round` tiles more
    /// round a matrix up. Each leaves `sums` bytes, of a weight gradient: where these are many, slices are larger, so that together they
    /// take least.
    fn slices(&self, gpu: &Gpu, round: usize, sums: u64) -> Result<Vec<Range<usize>>> {
        let g = &self.geometry;
        let tiles = self.tiles().iter().product::<usize>();
        let transformed = |tiles: usize, c: usize| (self.summed() * tiles * c * 4) as u64;
        let maps = [g.h.input * g.w.input * g.c_in, g.h.output * g.w.output * g.c_out].map(|size| (size * 4) as u64);
        let transforms = transformed(tiles, g.c_in.max(g.c_out));
        let within = |most: u64| {
            // Nor more tiles than an invocation may add up.
            let trips = most / (MAX_TRIPS as u64 / 2) * tiles as u64;
            // These are bounds, not cut: they are aligned everywhere.
            let bounds = [transforms, trips].map(|bytes| bytes.next_multiple_of(gpu.alignment()));
            batch_slices(g.n, &[bounds, maps].concat(), most, gpu.alignment())
        };
        let most = gpu.max_binding().saturating_sub(transformed(round, g.c_in.max(g.c_out)));
        // Of `m / s + s * sums` bytes, `m` transformed ones in `s` slices, the first as many as the second.
        let whole = transforms * g.n as u64;
        within(most.min(SCRATCH.max((whole * sums).isqrt()))).or_else(|_| within(most))
    }

    /// Records the transform `entry` of a map of `n` samples, `size` and `c` channels, padded by `pad`, into matrices of `stride` tiles. With `padded`, those
    /// behind the last sample's become zeros.
    fn transform(
        &self,
        rec: &mut Recorder<'_>,
        entry: &'static str,
        (map, matrices): (&GpuTensor, &GpuTensor),
        (pad, padded): ([usize; 2], bool),
    ) -> Result<()> {
        let [n, h, w, c] = [0, 1, 2, 3].map(|axis| map.shape.dims()[axis]);
        let stride = matrices.shape.dims()[1];
        let tiles = if padded { stride } else { n * self.tiles().iter().product::<usize>() };
        let params = Params { pad: pad.map(|p| p as u32), ..self.params(n, stride, [h, w], (tiles, c)) };
        let kernel = self.kernel(entry, &Epilogue::default(), false)?;
        rec.dispatch_items(&kernel, &params, &[map], &[matrices], self.items(&params))
    }

    /// Parameters of a pass over `tiles` tiles of `n` maps of `size` and `c` channels, in matrices of `stride` tiles.
    fn params(&self, n: usize, stride: usize, size: [usize; 2], (tiles, c): (usize, usize)) -> Params {
        let groups = c / self.lanes.count();
        Params {
            count: tiles as u32,
            groups: groups as u32,
            stride: stride as u32,
            tiles: self.tiles().map(|t| t as u32),
            size: size.map(|s| s as u32),
            samples: n as u32,
            ..Params::default()
        }
    }
}
