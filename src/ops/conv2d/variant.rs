//! The ways to compute a pass of a convolution, and which to try on which adapter.
//!
//! The first candidate of each list is the table's: what was measured to be best, on such an adapter, over the networks' shapes. The
//! others are what was best somewhere; the tuner (`Recorder::choose`) times them where it is asked to.

use super::geometry::Geometry;
use super::winograd::{self, Fit};
use super::{core, reduce, slices, transpose};
use crate::gpu::{Gpu, Loads, PRELUDES, Tiling};
use std::fmt;

/// Of the kernels' texts (FNV-1a): what was timed with others says nothing.
pub const SHADERS: u64 = {
    let [a, b] = [core::CORE, core::BACKWARD_PARAMS];
    let tiled = [a.head, a.of_subgroups, a.subgroup, a.short, a.workgroup];
    let weight_gradients = [b.head, b.of_subgroups, b.subgroup, b.short, b.workgroup];
    let others = [
        core::QUADS,
        core::TILES,
        core::COLUMNS,
        winograd::TEMPLATE,
        winograd::TILES,
        winograd::COLUMNS,
        slices::SHADER,
        transpose::SHADER,
        reduce::SHADER,
    ];
    hashed(&PRELUDES, hashed(&others, hashed(&weight_gradients, hashed(&tiled, 0xcbf2_9ce4_8422_2325))))
};

const fn hashed(texts: &[&str], mut hash: u64) -> u64 {
    let mut text = 0;
    while text < texts.len() {
        let (bytes, mut i) = (texts[text].as_bytes(), 0);
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            i += 1;
        }
        text += 1;
    }
    hash
}

/// The most candidates that a pass has.
pub const MOST_CANDIDATES: usize = 5;

/// Outputs that one workgroup owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) rows: usize,
    /// Groups of four columns that an invocation owns.
    pub(super) quads: usize,
    /// Columns of the whole workgroup.
    pub(super) columns: usize,
    /// Whether the taps of a window's line share loaded pixels, where they can ([`span`]).
    pub(super) shared: bool,
    /// Slices that forward and backward_input cut the contraction's channels into, where a device would be idle otherwise: each is
    /// computed by workgroups of its own, and another kernel adds them up.
    pub(super) slices: usize,
}

/// `channels` in at most so many slices: how many, none of them empty, and the channels of each but the last, whole steps of the kernel.
pub(super) fn cut(channels: usize, slices: usize) -> [usize; 2] {
    let each = channels.div_ceil(slices).next_multiple_of(STEP);
    [channels.div_ceil(each), each]
}

/// Channels that the workgroup tiling's kernel multiplies at a time.
const STEP: usize = 8;

/// A way to compute a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// The sums as they are defined.
    Direct(Tile),
    /// Winograd's algorithm.
    Winograd {
        /// Outputs of a tile's side.
        side: usize,
        /// Of its products.
        tile: Tile,
    },
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, tile) = match self {
            Self::Direct(tile) => ("direct".to_owned(), tile),
            Self::Winograd { side, tile } => (format!("winograd {side}x{side}"), tile),
        };
        let shared = if tile.shared { " shared" } else { "" };
        write!(f, "{name} {}x{}{shared}", tile.rows, tile.columns)?;
        if tile.slices > 1 { write!(f, " in {} slices", tile.slices) } else { Ok(()) }
    }
}

/// What a pass multiplies, as far as the choice of a variant goes.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Input channels, and taps: what forward and backward_input sum over.
    pub(super) inputs: [usize; 2],
    /// Whether a window's line has several taps that could share loads.
    pub(super) shares: bool,
    /// Whether the contraction is unrolled whole ([`short`]).
    pub(super) short: bool,
    /// How Winograd's algorithm can compute it, best first.
    pub(super) winograd: Vec<Fit>,
    pub(super) backward_params: bool,
    /// Multiply-adds of the direct sums.
    pub(super) work: u64,
}

/// Multiply-adds below which a pass is not worth a large tile on drivers that take seconds to compile one: it takes a millisecond at most.
const LIGHT: u64 = 4 << 20;

/// Taps of a window's line that share loaded pixels: all of them where the horizontal step is 1 and the line short enough to unroll,
/// else 1.
pub(super) fn span(shared: bool, step: usize, taps: usize) -> usize {
    if shared && step == 1 && (2..=4).contains(&taps) { taps } else { 1 }
}

/// Weights of an output channel that are unrolled: a window of 3 x 3 over three channels, 5 x 5 over one.
pub(super) const SHORT: usize = 27;

/// A window's taps, down and across, and channels, if it is unrolled whole: that of a first layer, a few channels that no vectors hold.
pub(super) fn short(tiling: Tiling, window: [usize; 3]) -> Option<[usize; 3]> {
    let [taps_h, taps_w, channels] = window;
    // SwiftShader's compiler takes a second for 3 x 3 taps of four rows, and more than 24 GB for 5 x 5.
    let most = if tiling.lanes() < 8 { 9 } else { SHORT };
    let few = !channels.is_multiple_of(4) && taps_h * taps_w * channels <= most;
    (few && matches!(tiling, Tiling::Subgroup { .. })).then_some(window)
}

impl Problem {
    /// forward.
    pub(super) fn forward(gpu: &Gpu, g: &Geometry) -> Self {
        let rows = g.n * g.h.output * g.w.output;
        let short = short(gpu.tiling, [g.h.window, g.w.window, g.c_in]).is_some();
        let shares = span(true, g.w.stride, g.w.window) > 1 && !short;
        Self {
            rows,
            columns: g.c_out,
            inputs: [g.c_in, g.h.window * g.w.window],
            shares,
            short,
            winograd: winograd::fits(gpu, g, false),
            backward_params: false,
            work: g.flops() / 2,
        }
    }

    /// backward_input: the phases of the strides, each of them dense.
    pub(super) fn backward_input(gpu: &Gpu, g: &Geometry) -> Self {
        let rows = g.n * g.h.input.div_ceil(g.h.stride) * g.w.input.div_ceil(g.w.stride);
        let shares = span(true, 1, g.w.window.div_ceil(g.w.stride)) > 1;
        Self {
            rows,
            columns: g.c_in,
            inputs: [g.c_out, g.h.window.div_ceil(g.h.stride) * g.w.window.div_ceil(g.w.stride)],
            shares,
            short: false,
            winograd: winograd::fits(gpu, &winograd::Output::reversed(g), false),
            backward_params: false,
            work: g.flops() / 2,
        }
    }

    /// backward_params, whose rows are taps and channels.
    pub(super) fn backward_params(gpu: &Gpu, g: &Geometry) -> Self {
        // Unrolled whole, there are no tiles of rows to choose from.
        let short = short(gpu.tiling, [g.h.window, g.w.window, g.c_in]).is_some();
        let shares = span(true, g.w.stride, g.w.window) > 1 && !short;
        Self {
            rows: if short { 1 } else { g.weight_rows() },
            columns: g.c_out,
            inputs: [g.c_in, g.h.window * g.w.window],
            shares,
            short,
            winograd: winograd::fits(gpu, g, true),
            backward_params: true,
            work: g.flops() / 2,
        }
    }

    /// A tile no larger than the problem.
    fn tile(&self, gpu: &Gpu, rows: usize, quads: usize, shared: bool) -> Tile {
        let lanes = gpu.tiling.lanes();
        let quads = if self.columns > lanes * 4 { quads } else { 1 };
        let shared = shared && self.shares;
        let rows = match gpu.tiling {
            // A row that stands for a line's taps is several accumulators in a weight gradient.
            Tiling::Subgroup { .. } => rows.min((self.rows.div_ceil(lanes).next_power_of_two() * lanes).max(lanes)),
            Tiling::Workgroup => {
                if self.rows > 32 {
                    rows
                } else {
                    32
                }
            }
        };
        Tile { rows, quads, columns: lanes * 4 * quads, shared, slices: 1 }
    }

    /// The tile with enough slices to keep a GPU busy, each of 16 steps at least.
    fn cut(&self, gpu: &Gpu, tile: Tile) -> Tile {
        let [channels, taps] = self.inputs;
        let tiles = self.rows.div_ceil(tile.rows) * self.columns.div_ceil(tile.columns);
        let most = (channels * taps / (16 * STEP)).min(channels / STEP);
        Tile { slices: (gpu.target_groups() / tiles.max(1)).min(most).max(1), ..tile }
    }

    /// Candidates, the table's first, no two the same; with `small` also what can win at no such size, for tests.
    pub(super) fn candidates(&self, gpu: &Gpu, small: bool) -> Vec<Variant> {
        let mut list: Vec<Variant> = Vec::new();
        // Rows of a tile that is compiled quickly: Mesa 25, which unrolls the loops over lanes, takes a second for 16.
        let quick = match gpu.tiling {
            Tiling::Subgroup { loads: Loads::Slow, .. } => Some(32),
            Tiling::Subgroup { loads: Loads::Wide, .. } => Some(16),
            _ => None,
        };
        let light = quick.filter(|_| self.work < LIGHT && !small && !gpu.tuner.as_if_large);
        let within = |rows: usize, quads| light.map_or((rows, quads), |most| (rows.min(most), 1));
        let tile = |(rows, quads), shared| self.tile(gpu, rows, quads, shared);
        let direct = |rows, quads, shared| {
            let tile = tile(within(rows, quads), shared);
            Variant::Direct(if gpu.tiling == Tiling::Workgroup { self.cut(gpu, tile) } else { tile })
        };
        let products = match gpu.tiling {
            // SwiftShader's.
            Tiling::Subgroup { lanes: ..8, .. } => Some((32, if self.backward_params { 2 } else { 1 })),
            // Rows of a weight gradient's products are input channels.
            Tiling::Subgroup { .. } if self.backward_params && self.inputs[0] > 32 => Some((64, 2)),
            Tiling::Subgroup { .. } => Some((32, 2)),
            // Its transforms spill registers on RDNA 3, and its 36 products are small dispatches.
            Tiling::Workgroup => None,
        };
        let fit = self.winograd.first().filter(|fit| fit.wins || small);
        let winograd = fit
            .zip(products)
            .map(|(fit, (rows, quads))| Variant::Winograd { side: fit.side, tile: tile(within(rows, quads), false) });
        // Rows, groups of four columns, shared taps.
        let tiles: &[(usize, usize, bool)] = match (gpu.tiling, self.backward_params) {
            // The larger the tile, the fewer loads an output, even when its accumulators no longer fit the registers; but where a
            // turn's code outgrows the instruction cache's 32 KiB it waits for instructions (128 rows of 64 columns: 1.4 times as long).
            // Of few columns, or weights, a larger tile still fits.
            (Tiling::Subgroup { loads: Loads::Slow, lanes }, false)
                if self.short || self.columns <= lanes as usize * 4 =>
            {
                &[(32, 2, false), (64, 1, false), (128, 1, false), (16, 2, true)]
            }
            (Tiling::Subgroup { loads: Loads::Slow, .. }, false) => {
                &[(32, 2, false), (64, 2, false), (64, 1, false), (16, 2, true)]
            }
            (Tiling::Subgroup { loads: Loads::Slow, .. }, true) if self.shares => {
                &[(32, 2, true), (16, 2, true), (64, 2, false)]
            }
            (Tiling::Subgroup { loads: Loads::Slow, .. }, true) => &[(64, 2, false), (32, 2, false)],
            (Tiling::Subgroup { .. }, false) if self.short => &[(32, 2, false), (32, 1, false)],
            // SwiftShader's compiler takes minutes, and more than 20 GiB, for more.
            (Tiling::Subgroup { lanes: ..8, .. }, false) => &[(32, 1, false), (32, 2, false), (16, 2, false)],
            (Tiling::Subgroup { lanes: ..8, .. }, true) => &[(16, 1, true), (32, 1, false), (32, 2, false)],
            (Tiling::Subgroup { .. }, false) => &[(32, 2, false), (32, 1, false), (16, 2, false), (64, 1, false)],
            (Tiling::Subgroup { .. }, true) if self.shares => {
                &[(16, 1, true), (32, 1, false), (32, 2, false), (16, 2, true)]
            }
            (Tiling::Subgroup { .. }, true) => &[(64, 2, false), (32, 2, false), (32, 1, false)],
            (Tiling::Workgroup, false) => &[(32, 1, false), (64, 2, false), (64, 1, false)],
            (Tiling::Workgroup, true) => &[(32, 1, false), (64, 1, false), (64, 2, false)],
        };
        // Measured on Mesa 22.3 and 25.0: Winograd's algorithm wins wherever it suits well.
        let (first, last) = if gpu.tiling.loads_wide() { (winograd, None) } else { (None, winograd) };
        let tiles = tiles.iter().map(|(rows, quads, shared)| direct(*rows, *quads, *shared));
        let whole = (gpu.tiling == Tiling::Workgroup).then(|| Variant::Direct(tile((32, 1), false)));
        let few = (whole.is_some() && small && !self.backward_params)
            .then(|| Variant::Direct(Tile { slices: 3, ..tile((32, 1), false) }));
        for variant in first.into_iter().chain(tiles).chain(last).chain(whole).chain(few) {
            if !list.contains(&variant) {
                list.push(variant);
            }
        }
        debug_assert!(list.len() <= MOST_CANDIDATES);
        list
    }

    /// Every variant that the kernels can be rendered as, for sweeps.
    pub(super) fn every(&self, gpu: &Gpu) -> Vec<Variant> {
        let rows: &[usize] = match gpu.tiling {
            Tiling::Subgroup { .. } => &[16, 32, 64, 128],
            Tiling::Workgroup => &[32, 64],
        };
        let sharing: &[bool] = if gpu.tiling == Tiling::Workgroup { &[false] } else { &[false, true] };
        let mut list = Vec::new();
        for (rows, quads) in rows.iter().flat_map(|r| [1, 2].map(|q| (*r, q))) {
            let direct = sharing.iter().map(|shared| Variant::Direct(self.tile(gpu, rows, quads, *shared)));
            let fits = if gpu.tiling == Tiling::Workgroup { &[] } else { &self.winograd[..] };
            let tile = self.tile(gpu, rows, quads, false);
            let products = fits.iter().map(|fit| Variant::Winograd { side: fit.side, tile });
            let cut = (gpu.tiling == Tiling::Workgroup && !self.backward_params)
                .then(|| Variant::Direct(self.cut(gpu, self.tile(gpu, rows, quads, false))));
            for variant in direct.chain(products).chain(cut) {
                if !list.contains(&variant) {
                    list.push(variant);
                }
            }
        }
        list
    }
}
