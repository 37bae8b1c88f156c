//! The weight gradient: the products of transformed inputs and output gradients, added up over all tiles.

use super::super::backward_params::{Sums, checked_scratch};
use super::super::core::Epilogue;
use super::super::geometry::{Axis, Geometry};
use super::super::variant::Tile;
use super::{INPUT, OUTPUT, Params, Scheme};
use crate::error::Result;
use crate::gpu::{GpuTensor, Recorder};
use std::ops::Range;

/// Tiles in a line of the products' contraction.
pub(super) const LINE: usize = 16;

/// `dw`, and `db` if it is wanted.
pub(in super::super) struct Gradient<'a> {
    pub(in super::super) op: &'static str,
    pub(in super::super) geometry: Geometry,
    /// Outputs of a tile's side.
    pub(in super::super) side: usize,
    pub(in super::super) x: &'a GpuTensor,
    pub(in super::super) dy: &'a GpuTensor,
    pub(in super::super) dw: &'a GpuTensor,
    pub(in super::super) db: Option<&'a GpuTensor>,
}

impl Gradient<'_> {
    /// Records the pass: partial sums of slices of the batch, then their sum in order.
    pub(in super::super) fn record(&self, rec: &mut Recorder<'_>, tile: &Tile) -> Result<()> {
        let g = &self.geometry;
        let scheme = Scheme::new(rec.gpu, self.op, g, self.side);
        let slices = scheme.slices(rec.gpu, LINE, scheme.weights())?;
        let partial = self.partial(rec, &scheme, slices.len())?;
        for (number, s) in slices.iter().enumerate() {
            let stride = scheme.tiles_of(s).next_multiple_of(LINE);
            let v = rec.scratch(INPUT, [scheme.matrices(), stride, g.c_in]);
            let z = rec.scratch(OUTPUT, [scheme.matrices(), stride, g.c_out]);
            scheme.transform(rec, "transform_input", (&self.x.samples(s), &v), (scheme.pad(), true))?;
            scheme.transform(rec, "transform_gradient", (&self.dy.samples(s), &z), ([0, 0], true))?;
            self.multiply(rec, &scheme, (s, number, tile), [&v, &z], &partial)?;
        }
        self.sum(rec, &scheme, slices.len(), &partial)
    }

    /// Room for the sums of so many slices.
    pub(super) fn partial(&self, rec: &mut Recorder<'_>, scheme: &Scheme, slices: usize) -> Result<GpuTensor> {
        let rows = self.geometry.c_in + usize::from(self.db.is_some());
        checked_scratch(rec, self.op, [slices * scheme.summed(), rows, self.geometry.c_out])
    }

    /// Records the products of a slice's transformed x and dy (`factors`, in this order), as sums number `number`.
    pub(super) fn multiply(
        &self,
        rec: &mut Recorder<'_>,
        scheme: &Scheme,
        (s, number, tile): (&Range<usize>, usize, &Tile),
        factors: [&GpuTensor; 2],
        partial: &GpuTensor,
    ) -> Result<()> {
        let axis = |size| Axis { input: size, output: size, window: 1, stride: 1, pad: 0 };
        let (matrices, lines) = (scheme.summed(), factors[0].shape.dims()[1] / LINE);
        let products = Geometry { n: 1, h: axis(matrices * lines), w: axis(LINE), ..self.geometry };
        let sums = Sums::new(rec.gpu, self.op, &products, self.db.is_some(), tile)?;
        sums.record(rec, &products, (lines, number * matrices), factors, partial);
        rec.flops(Geometry { w: axis(scheme.tiles_of(s)), h: axis(matrices), ..products }.flops());
        Ok(())
    }

    /// Records the sum of so many slices' sums.
    pub(super) fn sum(
        &self,
        rec: &mut Recorder<'_>,
        scheme: &Scheme,
        slices: usize,
        partial: &GpuTensor,
    ) -> Result<()> {
        let (g, groups) = (&self.geometry, self.geometry.c_out / scheme.lanes.count());
        let params = Params {
            count: g.c_in as u32,
            groups: groups as u32,
            stride: partial.shape.dims()[1] as u32,
            slices: slices as u32,
            ..Params::default()
        };
        let kernel =
            scheme.kernel("sum_products", &Epilogue { bias: self.db.is_some(), ..Epilogue::default() }, false)?;
        let writes: Vec<&GpuTensor> = std::iter::once(self.dw).chain(self.db).collect();
        rec.dispatch_items(&kernel, &params, &[partial], &writes, scheme.items(&params))
    }
}
