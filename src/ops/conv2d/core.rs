//! The tiled kernels' texts and grids.

use super::super::elementwise::{Elementwise, text_of};
use super::geometry::Params;
use super::variant::{Tile, cut, short, span};
use crate::error::{Error, Result};
use crate::gpu::grid::{MAX_GROUPS, MAX_TRIPS, fold};
use crate::gpu::{Gpu, Kernel, Recorder, Tiling};
use minijinja::{Environment, context};

/// A tiled kernel's template: what its tilings have in common, and an entry point for each.
pub(super) struct Template {
    pub(super) head: &'static str,
    /// What both kernels of a subgroup have in common.
    pub(super) of_subgroups: &'static str,
    pub(super) subgroup: &'static str,
    /// For a few weights a column.
    pub(super) short: &'static str,
    pub(super) workgroup: &'static str,
    /// Functions that store, and the arrays that they store to; the last one only where statistics are left.
    stores: &'static [(&'static str, &'static str)],
}

pub(super) const CORE: Template = Template {
    head: include_str!("../../../shaders/conv2d.wgsl"),
    of_subgroups: include_str!("../../../shaders/common/conv2d_rows.wgsl"),
    subgroup: include_str!("../../../shaders/common/conv2d_subgroup.wgsl"),
    short: include_str!("../../../shaders/common/conv2d_subgroup_short.wgsl"),
    workgroup: include_str!("../../../shaders/common/conv2d_workgroup.wgsl"),
    stores: &[("store", "y"), ("store_strip", "strips")],
};
pub(super) const BACKWARD_PARAMS: Template = Template {
    head: include_str!("../../../shaders/conv2d_backward_params.wgsl"),
    of_subgroups: include_str!("../../../shaders/common/conv2d_backward_params_lines.wgsl"),
    subgroup: include_str!("../../../shaders/common/conv2d_backward_params_subgroup.wgsl"),
    short: include_str!("../../../shaders/common/conv2d_backward_params_short.wgsl"),
    workgroup: include_str!("../../../shaders/common/conv2d_backward_params_workgroup.wgsl"),
    stores: &[("store", "partial")],
};
/// A lane's columns, in front of what the kernels of a subgroup have in common.
pub(super) const QUADS: &str = include_str!("../../../shaders/common/conv2d_quads.wgsl");
pub(super) const TILES: &str = include_str!("../../../shaders/common/conv2d_tiles.wgsl");
pub(super) const COLUMNS: &str = include_str!("../../../shaders/common/columns.wgsl");

/// What a template is rendered with, beside the tile.
#[derive(Default)]
pub(super) struct Flags {
    pub(super) x4: bool,
    /// Columns, loaded in fours where these divide them.
    pub(super) columns: usize,
    pub(super) bias: bool,
    pub(super) slope: bool,
    pub(super) statistics: bool,
    pub(super) split: bool,
    /// Taps, down and across, and channels of a window that is unrolled whole.
    pub(super) short: Option<[usize; 3]>,
}

/// A template's text for this adapter's tiling.
pub(super) fn render(gpu: &Gpu, template: &Template, (tile, span): (&Tile, usize), flags: &Flags) -> Result<String> {
    let [of_lane, common, main] = match gpu.tiling {
        Tiling::Subgroup { .. } if flags.short.is_some() => [QUADS, template.of_subgroups, template.short],
        Tiling::Subgroup { .. } => [QUADS, template.of_subgroups, template.subgroup],
        Tiling::Workgroup => ["", TILES, template.workgroup],
    };
    let (lanes, tile_rows, quads) = (gpu.tiling.lanes(), tile.rows, tile.quads);
    let Flags { x4, columns, bias, slope, statistics, split, short } = *flags;
    // A lane's two quads are loaded and stored at once: a load of twice the words costs llvmpipe 0.75 of two. Others gain nothing.
    let y4 = columns.is_multiple_of(4);
    let y8 = gpu.tiling.loads_wide() && quads == 2 && columns.is_multiple_of(8);
    let [taps_h, taps_w, channels] = short.unwrap_or_default();
    let indices: Vec<[usize; 3]> =
        (0..taps_h * taps_w * channels).map(|i| [i / channels / taps_w, i / channels % taps_w, i % channels]).collect();
    let by_halves = gpu.tiling.by_halves();
    let stores = template.stores[..if statistics { 2 } else { 1 }].to_vec();
    Environment::new()
        .render_str(
            &format!("{}{of_lane}{common}{main}{COLUMNS}", template.head),
            context! { lanes, tile_rows, quads, span, x4, y4, y8, bias, slope, statistics, split, short, indices, by_halves, stores },
        )
        .map_err(|e| Error::gpu(format!("shader template: {e:#}"), ""))
}

/// What the core does to a sum before it stores it.
#[derive(Default)]
pub(super) struct Epilogue<'a> {
    pub(super) bias: bool,
    /// The activation that the result passes through.
    pub(super) activation: Option<&'a Elementwise>,
    /// The activation whose slope the result is multiplied by.
    pub(super) slope: Option<&'a Elementwise>,
    /// Whether the results' statistics are left as well, a strip a workgroup of rows.
    pub(super) statistics: bool,
}

/// Kernel, grid and final parameters of a pass of the core, its contraction in so many slices (1: whole).
pub(super) fn core(
    rec: &Recorder<'_>,
    op: &'static str,
    mut params: Params,
    (tile, slices): (&Tile, usize),
    end: &Epilogue<'_>,
) -> Result<(Kernel, Params, [u32; 3])> {
    let [taps_h, taps_w, c_x] = [params.taps[0], params.taps[1], params.c_x].map(|size| size as usize);
    let short = short(rec.gpu.tiling, [taps_h, taps_w, c_x]);
    let span = if short.is_some() { 1 } else { span(tile.shared, params.x_step[1] as usize, taps_w) };
    params.widen(span as u32);
    let four = |c: u32| c.is_multiple_of(4);
    let [slices, channels] = cut(c_x, slices);
    params.slice_channels = channels as u32;
    params.slice_pixels = params.pixels();
    let flags = Flags {
        x4: four(params.c_x),
        columns: params.c_y as usize,
        bias: end.bias,
        slope: end.slope.is_some(),
        statistics: end.statistics,
        split: slices > 1,
        short,
    };
    let source = render(rec.gpu, &CORE, (tile, span), &flags)?;
    let [y, z, _] = fold((params.rows as usize).div_ceil(tile.rows))?;
    let columns = (params.c_y as usize).div_ceil(tile.columns) * slices;
    let steps = c_x.div_ceil(if four(params.c_x) { 4 } else { 1 });
    let trips = taps_h * taps_w * steps;
    if columns > MAX_GROUPS as usize || trips > MAX_TRIPS {
        let what = format!("{} inputs to {} outputs are more than a kernel can take", params.c_x, params.c_y);
        return Err(Error::shape(op, what));
    }
    let kernel = Kernel::new(op, "main", source).with_prelude(text_of(end.activation.or(end.slope))).with_nan();
    Ok((kernel, params, [columns as u32, y, z]))
}
