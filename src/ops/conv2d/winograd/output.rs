//! Forward, and backward_input as the forward pass of windows turned round.

use super::super::core::{Epilogue, core};
use super::super::geometry::{self, Axis, Geometry};
use super::super::variant::Tile;
use super::{INPUT, OUTPUT, Params, Scheme, WEIGHTS};
use crate::error::Result;
use crate::gpu::{GpuTensor, Recorder};
use std::ops::Range;

/// A pass as a forward convolution: `y = conv(x, w)`. For backward_input x is dy, y is dx, the windows are reversed.
#[derive(Clone, Copy)]
pub(in super::super) struct Output<'a> {
    pub(in super::super) op: &'static str,
    pub(in super::super) geometry: Geometry,
    /// Outputs of a tile's side.
    pub(in super::super) side: usize,
    pub(in super::super) reversed: bool,
    pub(in super::super) x: &'a GpuTensor,
    pub(in super::super) w: &'a GpuTensor,
    /// The bias, or what the slope is taken at.
    pub(in super::super) extra: Option<&'a GpuTensor>,
    pub(in super::super) y: &'a GpuTensor,
}

impl Output<'_> {
    /// The geometry of `backward_input` as a forward pass.
    pub(in super::super) fn reversed(g: &Geometry) -> Geometry {
        let turned = |a: Axis| Axis { input: a.output, output: a.input, pad: a.window - 1 - a.pad, ..a };
        Geometry { n: g.n, h: turned(g.h), w: turned(g.w), c_in: g.c_out, c_out: g.c_in }
    }

    /// Records the pass, in slices of the batch.
    pub(in super::super) fn record(&self, rec: &mut Recorder<'_>, tile: &Tile, end: &Epilogue<'_>) -> Result<()> {
        let scheme = Scheme::new(rec.gpu, self.op, &self.geometry, self.side);
        let u = self.transform_weights(rec, &scheme)?;
        for s in scheme.slices(rec.gpu, tile.rows, 0)? {
            // A tile of the products lies within one matrix.
            let stride = scheme.tiles_of(&s).next_multiple_of(tile.rows);
            let v = rec.scratch(INPUT, [scheme.matrices(), stride, self.geometry.c_in]);
            scheme.transform(rec, "transform_input", (&self.x.samples(&s), &v), (scheme.pad(), false))?;
            self.multiply(rec, &scheme, (&s, tile, end), [&v, &u])?;
        }
        Ok(())
    }

    /// Records the products of a slice's transformed input and of the weights, and what becomes of them.
    pub(super) fn multiply(
        &self,
        rec: &mut Recorder<'_>,
        scheme: &Scheme,
        (s, tile, end): (&Range<usize>, &Tile, &Epilogue<'_>),
        [v, u]: [&GpuTensor; 2],
    ) -> Result<()> {
        let g = &self.geometry;
        let (tiles, stride, channels) = (scheme.tiles_of(s), v.shape.dims()[1], (g.c_in, g.c_out));
        let m = rec.scratch(OUTPUT, [scheme.matrices(), stride, g.c_out]);
        let products = geometry::products(scheme.matrices(), stride, channels);
        let (kernel, products, groups) = core(rec, self.op, products, (tile, 1), &Epilogue::default())?;
        rec.dispatch(&kernel.named("multiply"), &products, &[v, u], &[&m], groups);
        rec.flops(geometry::products(scheme.matrices(), tiles, channels).flops());

        // A bias is the same for all samples, a slope's tensor is cut as y is.
        let extra = self.extra.map(|e| if end.bias { e.clone() } else { e.samples(s) });
        let reads: Vec<&GpuTensor> = std::iter::once(&m).chain(extra.as_ref()).collect();
        let kernel = scheme.kernel("transform_output", end, false)?;
        let params = scheme.params(s.len(), stride, [g.h.output, g.w.output], (tiles, g.c_out));
        rec.dispatch_items(&kernel, &params, &reads, &[&self.y.samples(s)], scheme.items(&params))
    }

    pub(super) fn transform_weights(&self, rec: &mut Recorder<'_>, scheme: &Scheme) -> Result<GpuTensor> {
        let g = &self.geometry;
        let u = rec.scratch(WEIGHTS, [scheme.matrices(), g.c_in, g.c_out]);
        let groups = g.c_out / scheme.lanes.count();
        let params = Params { count: g.c_in as u32, groups: groups as u32, ..Params::default() };
        let kernel = scheme.kernel("transform_weights", &Epilogue::default(), self.reversed)?;
        rec.dispatch_items(&kernel, &params, &[self.w], &[&u], scheme.items(&params))?;
        Ok(u)
    }
}
