//! Winograd's F(4x4, 3x3) for 3 x 3 windows of stride 1 (shaders/common/winograd.wgsl): a quarter of the multiplications, for three passes
//! that mostly load and store, and an error about ten times that of the direct sum.

use super::core::{Epilogue, core};
use super::geometry::{self, Geometry};
use super::variant::{Suits, Tile};
use crate::error::{Error, Result};
use crate::gpu::grid::batch_slices;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::ops::elementwise::text_of;
use minijinja::{Environment, context};
use std::ops::Range;

pub(super) const TEMPLATE: &str = include_str!("../../../shaders/common/winograd.wgsl");

/// Outputs of a tile's side, and matrices of a tile.
const SIDE: usize = 4;
const MATRICES: usize = 36;

/// Bytes of V and of M at most, where a few samples need no more: they should not outgrow the activations, nor caches by much.
const SCRATCH: u64 = 16 << 20;

/// Scratch slots, apart from those of the direct kernels.
const V: usize = 3;
const M: usize = 4;
const U: usize = 5;

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
    padding: [u32; 2],
}

/// How the algorithm suits a convolution. It wins from 64 channels on both sides on, measured on Mesa 22.3 and 25.0.
pub(super) fn suits(g: &Geometry) -> Suits {
    let unit = [g.h, g.w].iter().all(|a| a.window == 3 && a.stride == 1);
    let channels = g.c_in.is_multiple_of(4) && g.c_out.is_multiple_of(4) && (g.c_in * g.c_out).is_multiple_of(64);
    let large = g.c_in.min(g.c_out) >= 64 && g.h.output.min(g.w.output) >= 2 * SIDE;
    match (unit && channels, large) {
        (false, _) => Suits::Not,
        (true, false) => Suits::Small,
        (true, true) => Suits::Well,
    }
}

/// A pass as a forward convolution: `y = conv(x, w)`, of `n` samples. For backward_input x is dy, y is dx, the windows are reversed.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) op: &'static str,
    pub(super) geometry: Geometry,
    pub(super) reversed: bool,
    pub(super) x: &'a GpuTensor,
    pub(super) w: &'a GpuTensor,
    /// The bias, or what the slope is taken at.
    pub(super) extra: Option<&'a GpuTensor>,
    pub(super) y: &'a GpuTensor,
}

impl Pass<'_> {
    /// The geometry of `backward_input` as a forward pass.
    pub(super) fn reversed(g: &Geometry) -> Geometry {
        let turned = |a: geometry::Axis| geometry::Axis { input: a.output, output: a.input, pad: 2 - a.pad, ..a };
        Geometry { n: g.n, h: turned(g.h), w: turned(g.w), c_in: g.c_out, c_out: g.c_in }
    }

    fn tiles(&self) -> [usize; 2] {
        [self.geometry.h.output.div_ceil(SIDE), self.geometry.w.output.div_ceil(SIDE)]
    }

    fn kernel(&self, entry: &'static str, end: &Epilogue<'_>) -> Result<Kernel> {
        let (bias, slope) = (end.bias, end.slope.is_some());
        let source = Environment::new()
            .render_str(TEMPLATE, context! { bias, slope })
            .map_err(|e| Error::gpu(format!("shader template: {e:#}"), ""))?;
        let kernel = Kernel::new(self.op, entry, source).with_prelude(text_of(end.activation.or(end.slope)));
        Ok(kernel.with_lanes(Lanes::Four))
    }

    /// Records the pass, in slices of the batch whose transforms fit a binding.
    pub(super) fn record(&self, rec: &mut Recorder<'_>, tile: &Tile, end: &Epilogue<'_>) -> Result<()> {
        let g = &self.geometry;
        let u = self.transform_weights(rec)?;
        let [tiles_h, tiles_w] = self.tiles();
        for s in self.slices(rec, tile)? {
            let (n, x, y) = (s.len(), self.x.samples(&s), self.y.samples(&s));
            let tiles = n * tiles_h * tiles_w;
            // A tile of the products lies within one matrix.
            let stride = tiles.next_multiple_of(tile.rows);
            let v = rec.scratch(V, [MATRICES, stride, g.c_in]);
            let m = rec.scratch(M, [MATRICES, stride, g.c_out]);
            let groups = |c: usize| c / Lanes::Four.count();
            let params = Params {
                stride: stride as u32,
                tiles: [tiles_h as u32, tiles_w as u32],
                pad: [g.h.pad as u32, g.w.pad as u32],
                ..Params::default()
            };
            let count = tiles * groups(g.c_in);
            let size = [g.h.input as u32, g.w.input as u32];
            let input = Params { count: count as u32, groups: groups(g.c_in) as u32, size, ..params };
            let none = Epilogue::default();
            let kernel = self.kernel("transform_input", &none)?;
            rec.dispatch_items(&kernel, &input, &[&x], &[&v], (count, 64))?;
            self.multiply(rec, tile, [&v, &u, &m], (tiles, stride))?;
            let count = tiles * groups(g.c_out);
            let size = [g.h.output as u32, g.w.output as u32];
            let output = Params { count: count as u32, groups: groups(g.c_out) as u32, size, ..params };
            // A bias is the same for all samples, a slope's tensor is cut as y is.
            let extra = self.extra.map(|e| if end.bias { e.clone() } else { e.samples(&s) });
            let reads: Vec<&GpuTensor> = std::iter::once(&m).chain(extra.as_ref()).collect();
            let kernel = self.kernel("transform_output", end)?;
            rec.dispatch_items(&kernel, &output, &reads, &[&y], (count, 64))?;
        }
        Ok(())
    }

    /// Ranges of samples whose transforms stay within [`SCRATCH`], or, if that holds not even a few, within a binding.
    fn slices(&self, rec: &Recorder<'_>, tile: &Tile) -> Result<Vec<Range<usize>>> {
        let g = &self.geometry;
        let tiles = self.tiles().iter().product::<usize>();
        let transforms = [g.c_in, g.c_out].map(|c| (MATRICES * tiles * c * 4) as u64);
        let maps = [self.x, self.y].map(|t| t.bytes() / g.n.max(1) as u64);
        let bytes = [transforms, maps].concat();
        // Rows that round a matrix up to whole tiles take room as well.
        let round = (MATRICES * tile.rows * g.c_in.max(g.c_out) * 4) as u64;
        let (most, align) = (rec.gpu.max_binding().saturating_sub(round), rec.gpu.alignment());
        batch_slices(g.n, &bytes, most.min(SCRATCH), align).or_else(|_| batch_slices(g.n, &bytes, most, align))
    }

    fn transform_weights(&self, rec: &mut Recorder<'_>) -> Result<GpuTensor> {
        let g = &self.geometry;
        let u = rec.scratch(U, [MATRICES, g.c_in, g.c_out]);
        let count = g.c_in * g.c_out;
        let params = Params {
            count: count as u32,
            groups: g.c_in as u32,
            stride: g.c_out as u32,
            reversed: u32::from(self.reversed),
            ..Params::default()
        };
        let kernel = self.kernel("transform_weights", &Epilogue::default())?;
        rec.dispatch_items(&kernel, &params, &[self.w], &[&u], (count, 64))?;
        Ok(u)
    }

    /// `m[k] = v[k] u[k]` for the 36 matrices.
    fn multiply(
        &self,
        rec: &mut Recorder<'_>,
        tile: &Tile,
        [v, u, m]: [&GpuTensor; 3],
        (tiles, stride): (usize, usize),
    ) -> Result<()> {
        let channels = (self.geometry.c_in, self.geometry.c_out);
        let params = geometry::products(MATRICES, stride, channels);
        let (kernel, params, groups) = core(rec, self.op, params, tile, &Epilogue::default())?;
        rec.dispatch(&kernel.named("multiply"), &params, &[v, u], &[m], groups);
        rec.flops(geometry::products(MATRICES, tiles, channels).flops());
        Ok(())
    }
}
