//! Both gradients of one transformed dy.
//!
//! backward_input multiplies tiles of dy that overlap, V, with the windows. A weight gradient convolves x with dy, and either may be the one
//! whose tiles overlap: taken from dy, too, they are the same V, multiplied with x's tiles, which lie side by side. So neither x's
//! overlapping tiles nor dy's others are needed. What comes out is turned round, as backward_input's windows are.
//!
//! The bias's gradient is the sum of a matrix of its own, of each tile's dy: from V it would come with twenty times the rounding.

use super::super::core::Epilogue;
use super::super::variant::Tile;
use super::gradient::LINE;
use super::{CHANNELS, Gradient, INPUT, OUTPUT, Output, Scheme};
use crate::error::Result;
use crate::gpu::{Gpu, Recorder};
use std::ops::Range;

pub(in super::super) struct Backward<'a> {
    pub(in super::super) input: Output<'a>,
    pub(in super::super) gradient: Gradient<'a>,
}

impl Backward<'_> {
    fn scheme(&self, gpu: &Gpu) -> Scheme {
        let scheme = Scheme::new(gpu, self.input.op, &self.input.geometry, self.input.side);
        Scheme { turned: Some(scheme.pad()), ..scheme }
    }

    /// Whether it takes less time than the passes apart, and the sums fit a binding: tiles cover x, not dy, and those that dy alone would not
    /// have are more products. (Forty products a channel take as long as its transform, measured on Mesa 22.3 and 25.0.)
    pub(in super::super) fn wins(&self, gpu: &Gpu, tile: &Tile) -> bool {
        let scheme = self.scheme(gpu);
        let apart = Scheme { geometry: self.gradient.geometry, ..scheme };
        let [tiles, of_dy] = [scheme, apart].map(|scheme| scheme.tiles().iter().product::<usize>());
        let few = tiles.saturating_sub(of_dy) * self.gradient.geometry.c_out <= CHANNELS * tiles;
        few && self.slices(gpu, &scheme, tile).is_ok_and(|slices| scheme.sums_fit(gpu, slices.len()))
    }

    fn slices(&self, gpu: &Gpu, scheme: &Scheme, tile: &Tile) -> Result<Vec<Range<usize>>> {
        scheme.slices(gpu, tile.rows.max(LINE), scheme.weights())
    }

    /// Records both passes, in slices of the batch.
    pub(in super::super) fn record(
        &self,
        rec: &mut Recorder<'_>,
        [tile, of_sums]: [&Tile; 2],
        end: &Epilogue<'_>,
    ) -> Result<()> {
        let Self { input, gradient } = self;
        let scheme = self.scheme(rec.gpu);
        let u = input.transform_weights(rec, &scheme)?;
        let slices = self.slices(rec.gpu, &scheme, tile)?;
        let partial = gradient.partial(rec, &scheme, slices.len())?;
        for (number, s) in slices.iter().enumerate() {
            // A tile of the products and a line of the sums lie within one matrix.
            let stride = scheme.tiles_of(s).next_multiple_of(tile.rows.max(LINE));
            let v = rec.scratch(INPUT, [scheme.summed(), stride, input.geometry.c_in]);
            scheme.transform(rec, "transform_input", (&input.x.samples(s), &v), (scheme.pad(), true))?;
            input.multiply(rec, &scheme, (s, tile, end), [&v, &u])?;
            // Its last matrix is what was there before: nobody reads its products but the bias's, which are V's sums.
            let z = rec.scratch(OUTPUT, [scheme.summed(), stride, input.geometry.c_out]);
            scheme.transform(rec, "transform_gradient", (&gradient.x.samples(s), &z), ([0, 0], true))?;
            gradient.multiply(rec, &scheme, (s, number, of_sums), [&z, &v], &partial)?;
        }
        gradient.sum(rec, &scheme, slices.len(), &partial)
    }
}
