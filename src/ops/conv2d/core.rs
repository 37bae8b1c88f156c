//! The tiled kernels' texts and grids.

use super::super::elementwise::{Elementwise, text_of};
use super::geometry::Params;
use super::variant::{Tile, span};
use crate::error::{Error, Result};
use crate::gpu::grid::{MAX_GROUPS, MAX_TRIPS, fold};
use crate::gpu::{Gpu, Kernel, Recorder, Tiling};
use minijinja::{Environment, context};

pub(super) const CORE: &str = include_str!("../../../shaders/conv2d.wgsl");
/// The core's entry points, a tiling each.
pub(super) const SUBGROUP: &str = include_str!("../../../shaders/common/conv2d_subgroup.wgsl");
pub(super) const WORKGROUP: &str = include_str!("../../../shaders/common/conv2d_workgroup.wgsl");
pub(super) const BACKWARD_PARAMS: &str = include_str!("../../../shaders/conv2d_backward_params.wgsl");
pub(super) const COLUMNS: &str = include_str!("../../../shaders/common/columns.wgsl");

/// A template's text for this adapter's tiling.
pub(super) fn render(
    gpu: &Gpu,
    template: &str,
    (tile, span): (&Tile, usize),
    [x4, y4, bias, slope, statistics]: [bool; 5],
) -> Result<String> {
    let (tiling, main) = match gpu.tiling {
        Tiling::Subgroup { .. } => ("subgroup", SUBGROUP),
        Tiling::Workgroup => ("workgroup", WORKGROUP),
    };
    let main = if template == CORE { main } else { "" };
    let (lanes, tile_rows, quads) = (gpu.tiling.lanes(), tile.rows, tile.quads);
    // Functions that store, and the arrays that they store to.
    let stores = match (template == CORE, statistics) {
        (false, _) => vec![("store", "partial")],
        (true, false) => vec![("store", "y")],
        (true, true) => vec![("store", "y"), ("store_strip", "strips")],
    };
    Environment::new()
        .render_str(
            &format!("{template}{main}{COLUMNS}"),
            context! { tiling, lanes, tile_rows, quads, span, x4, y4, bias, slope, statistics, stores },
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

/// Kernel, grid and final parameters of a pass of the core.
pub(super) fn core(
    rec: &Recorder<'_>,
    op: &'static str,
    mut params: Params,
    tile: &Tile,
    end: &Epilogue<'_>,
) -> Result<(Kernel, Params, [u32; 3])> {
    let span = span(tile.shared, params.x_step[1] as usize, params.taps[1] as usize);
    params.widen(span as u32);
    let four = |c: u32| c.is_multiple_of(4);
    let flags = [four(params.c_x), four(params.c_y), end.bias, end.slope.is_some(), end.statistics];
    let source = render(rec.gpu, CORE, (tile, span), flags)?;
    let [x, y, _] = fold((params.rows as usize).div_ceil(tile.rows))?;
    let columns = (params.c_y as usize).div_ceil(tile.columns);
    let steps = (params.c_x as usize).div_ceil(if four(params.c_x) { 4 } else { 1 });
    let trips = params.taps[0] as usize * params.taps[1] as usize * steps;
    if columns > MAX_GROUPS as usize || trips > MAX_TRIPS {
        let what = format!("{} inputs to {} outputs are more than a kernel can take", params.c_x, params.c_y);
        return Err(Error::shape(op, what));
    }
    let kernel = Kernel::new(op, "main", source).with_prelude(text_of(end.activation.or(end.slope))).with_nan();
    Ok((kernel, params, [x, y, columns as u32]))
}
