//! A contraction in slices: products of few rows and columns, but many channels, are few tiles, and would leave most of a GPU idle
//! (a dense layer behind a flatten is 16 tiles). Each slice of the channels leaves its sums; one more kernel adds them up in order, so that
//! the bits are the same every time, and does to the sum what the tiled kernel would have done.

use super::super::elementwise::text_of;
use super::core::Epilogue;
use super::variant::{Tile, cut};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};

pub(super) const SHADER: &str = include_str!("../../../shaders/common/conv2d_sum_slices.wgsl");

/// Bytes of all slices' sums at most: they should stay in caches.
const MOST_BYTES: u64 = 32 << 20;

/// Scratch slot of the sums, apart from those of the weights and of Winograd's algorithm.
const PARTIAL: usize = 1;

/// The sums of slices, and what becomes of them.
pub(super) struct Sum<'a> {
    /// How many.
    pub(super) slices: usize,
    /// `[slices, n, h, w, c]`.
    pub(super) partial: GpuTensor,
    y: &'a GpuTensor,
}

impl<'a> Sum<'a> {
    /// For a contraction of `channels` into `y`, which is bound in so many parts; none where the tile has no slices, or they have no room.
    pub(super) fn new(
        rec: &mut Recorder<'_>,
        tile: &Tile,
        channels: usize,
        (parts, y): (usize, &'a GpuTensor),
    ) -> Option<Self> {
        let room = rec.gpu.max_binding().min(MOST_BYTES) / y.bytes().max(1);
        let [slices, _] = cut(channels, tile.slices.min(room as usize).max(1));
        (parts == 1 && slices > 1).then(|| Self { slices, partial: rec.scratch(PARTIAL, [slices, y.elements()]), y })
    }

    /// Records the sum of all slices, with what else the end reads: a bias, or what the slope is taken at.
    pub(super) fn record(
        &self,
        rec: &mut Recorder<'_>,
        op: &'static str,
        extra: Option<&GpuTensor>,
        end: &Epilogue<'_>,
    ) -> Result<()> {
        let c = self.y.shape.dims().last().copied().unwrap_or(1);
        let lanes = Lanes::of(c);
        let entry = match (end.bias, end.slope.is_some()) {
            (true, _) => "sum_slices_and_bias",
            (_, true) => "sum_slices_by_slope",
            _ => "sum_slices",
        };
        let text = text_of(end.activation.or(end.slope));
        let kernel = Kernel::new(op, entry, SHADER).with_prelude(text).with_lanes(lanes).named("sum_slices");
        let count = self.y.elements() / lanes.count();
        let params = [count as u32, (c / lanes.count()) as u32, self.slices as u32, 0];
        let reads: Vec<&GpuTensor> = std::iter::once(&self.partial).chain(extra).collect();
        rec.dispatch_items(&kernel, &params, &reads, &[self.y], (count, 64))
    }
}
