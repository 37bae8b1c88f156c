//! The weight gradient: the products of transformed inputs and output gradients, added up over all tiles.

use super::super::backward_params::{Sums, checked_scratch};
use super::super::core::Epilogue;
use super::super::geometry::{Axis, Geometry};
use super::super::variant::Tile;
use super::{INPUT, OUTPUT, Params, Scheme};
use crate::error::Result;
use crate::gpu::{GpuTensor, Recorder};

/// Tiles in a line of the products' contraction.
const LINE: usize = 16;

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
        let matrices = scheme.matrices();
        let batches = scheme.slices(rec.gpu, LINE, scheme.weights())?;
        let rows = g.c_in + usize::from(self.db.is_some());
        let partial = checked_scratch(rec, self.op, [batches.len() * matrices, rows, g.c_out])?;
        for (number, s) in batches.iter().enumerate() {
            let tiles = s.len() * scheme.tiles().iter().product::<usize>();
            let stride = tiles.next_multiple_of(LINE);
            let v = rec.scratch(INPUT, [matrices, stride, g.c_in]);
            let z = rec.scratch(OUTPUT, [matrices, stride, g.c_out]);
            scheme.transform(rec, "transform_input", (&self.x.samples(s), &v), (scheme.pad(), true))?;
            scheme.transform(rec, "transform_gradient", (&self.dy.samples(s), &z), ([0, 0], true))?;
            let axis = |size| Axis { input: size, output: size, window: 1, stride: 1, pad: 0 };
            let lines = stride / LINE;
            let products = Geometry { n: 1, h: axis(matrices * lines), w: axis(LINE), c_in: g.c_in, c_out: g.c_out };
            let sums = Sums::new(rec.gpu, self.op, &products, self.db.is_some(), tile)?;
            sums.record(rec, &products, (lines, number * matrices), [&v, &z], &partial);
            rec.flops(Geometry { w: axis(tiles), h: axis(matrices), ..products }.flops());
        }
        let groups = g.c_out / scheme.lanes.count();
        let params = Params {
            count: (g.c_in * groups) as u32,
            groups: groups as u32,
            stride: rows as u32,
            slices: batches.len() as u32,
            ..Params::default()
        };
        let kernel = scheme.kernel("sum_products", &Epilogue { bias: self.db.is_some(), ..Epilogue::default() })?;
        let writes: Vec<&GpuTensor> = std::iter::once(self.dw).chain(self.db).collect();
        rec.dispatch_items(&kernel, &params, &[&partial], &writes, (params.count as usize, 64))
    }
}
