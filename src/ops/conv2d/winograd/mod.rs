//! Winograd's F(4x4, 3x3) and F(4x4, 2x2) for windows of stride 1 (shaders/common/winograd.wgsl): a quarter of the multiplications (two
//! fifths for windows of 2), for passes around them that mostly load and store, and an error about twice that of the direct sum.

mod gradient;
mod output;

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

pub(super) const TEMPLATE: &str = include_str!("../../../../shaders/common/winograd.wgsl");

/// Outputs of a tile's side.
const SIDE: usize = 4;

/// Bytes of a transformed map at most, where a few samples need no more: they should not outgrow the activations, nor caches by much.
const SCRATCH: u64 = 8 << 20;

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
    reversed: u32,
    tiles: [u32; 2],
    size: [u32; 2],
    pad: [u32; 2],
    samples: u32,
    slices: u32,
}

/// How an algorithm suits a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Suits {
    /// It cannot compute it.
    Not,
    /// It can, at sizes where nobody expects it to win.
    Small,
    /// It may win.
    Well,
}

/// How the algorithm suits a pass that is a forward convolution, or its weight gradient. It wins from 32 channels on both sides and half
/// the multiplications on, measured on Mesa 22.3 and 25.0.
pub(super) fn suits(gpu: &Gpu, g: &Geometry, weight_gradient: bool) -> Suits {
    let window = g.h.window;
    let square = window == g.w.window && [2, 3].contains(&window) && g.h.stride == 1 && g.w.stride == 1;
    if !square || !g.c_in.is_multiple_of(4) || !g.c_out.is_multiple_of(4) {
        return Suits::Not;
    }
    let scheme = Scheme::new(gpu, "conv2d", g);
    // Weights, or a weight gradient's partial sums, are bound whole.
    let weights = (scheme.matrices() * (g.c_in + 1) * g.c_out * 4) as u64;
    let fits = |slices: Vec<_>| weights * if weight_gradient { slices.len() as u64 } else { 1 } <= gpu.max_binding();
    if !scheme.slices(gpu, MOST_ROWS).is_ok_and(fits) {
        return Suits::Not;
    }
    let direct = g.h.output * g.w.output * window * window;
    let products = scheme.tiles().iter().product::<usize>() * scheme.matrices();
    if g.c_in.min(g.c_out) >= 32 && direct >= 2 * products { Suits::Well } else { Suits::Small }
}

/// What the passes of a convolution have in common.
#[derive(Clone, Copy)]
struct Scheme {
    op: &'static str,
    geometry: Geometry,
    /// Channels of a tile that an invocation of a transform handles.
    lanes: Lanes,
}

impl Scheme {
    fn new(gpu: &Gpu, op: &'static str, geometry: &Geometry) -> Self {
        // A tile is 36 vectors: of four words each, they cost llvmpipe 1.2 times as much as of two, its code outgrowing the instruction
        // cache (measured on 25.0; on 22.3, whose loads are loops, a tenth less).
        let few = matches!(gpu.tiling, Tiling::Subgroup { loads: Loads::Wide, .. });
        let lanes = if few { Lanes::Two } else { Lanes::Four };
        Self { op, geometry: *geometry, lanes }
    }

    /// Side of a tile's input: the points at which polynomials are multiplied.
    fn points(&self) -> usize {
        self.geometry.h.window + SIDE - 1
    }

    /// Products a tile.
    fn matrices(&self) -> usize {
        self.points() * self.points()
    }

    /// Padding before the first input.
    fn pad(&self) -> [usize; 2] {
        [self.geometry.h.pad, self.geometry.w.pad]
    }

    /// Tiles of a sample, down and across.
    fn tiles(&self) -> [usize; 2] {
        [self.geometry.h.output.div_ceil(SIDE), self.geometry.w.output.div_ceil(SIDE)]
    }

    fn kernel(&self, entry: &'static str, end: &Epilogue<'_>) -> Result<Kernel> {
        let (window, bias, slope) = (self.geometry.h.window, end.bias, end.slope.is_some());
        let source = Environment::new()
            .render_str(TEMPLATE, context! { window, bias, slope })
            .map_err(|e| Error::gpu(format!("shader template: {e:#}"), ""))?;
        let kernel = Kernel::new(self.op, entry, source).with_prelude(text_of(end.activation.or(end.slope)));
        Ok(kernel.with_lanes(self.lanes))
    }

    /// Ranges of samples whose transforms stay within [`SCRATCH`], or, if that holds not even a few, within a binding; `round` tiles more
    /// round a matrix up.
    fn slices(&self, gpu: &Gpu, round: usize) -> Result<Vec<Range<usize>>> {
        let g = &self.geometry;
        let tiles = self.tiles().iter().product::<usize>();
        let transformed = |tiles: usize, c: usize| (self.matrices() * tiles * c * 4) as u64;
        let transforms = [g.c_in, g.c_out].map(|c| transformed(tiles, c));
        let maps = [g.h.input * g.w.input * g.c_in, g.h.output * g.w.output * g.c_out].map(|size| (size * 4) as u64);
        let within = |most: u64| {
            // Nor more tiles than an invocation may add up.
            let trips = most / (MAX_TRIPS as u64 / 2) * tiles as u64;
            batch_slices(g.n, &[&transforms[..], &maps, &[trips]].concat(), most, gpu.alignment())
        };
        let most = gpu.max_binding().saturating_sub(transformed(round, g.c_in.max(g.c_out)));
        within(most.min(SCRATCH)).or_else(|_| within(most))
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
        let kernel = self.kernel(entry, &Epilogue::default())?;
        rec.dispatch_items(&kernel, &params, &[map], &[matrices], (params.count as usize, 64))
    }

    /// Parameters of a pass over `tiles` tiles of `n` maps of `size` and `c` channels, in matrices of `stride` tiles.
    fn params(&self, n: usize, stride: usize, size: [usize; 2], (tiles, c): (usize, usize)) -> Params {
        let groups = c / self.lanes.count();
        Params {
            count: (tiles * groups) as u32,
            groups: groups as u32,
            stride: stride as u32,
            tiles: self.tiles().map(|t| t as u32),
            size: size.map(|s| s as u32),
            samples: n as u32,
            ..Params::default()
        }
    }
}
