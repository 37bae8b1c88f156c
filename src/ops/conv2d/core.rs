//! The tiled kernels: how large a tile is on which adapter, and their text.

use super::super::elementwise::{Elementwise, text_of};
use super::geometry::Params;
use crate::error::{Error, Result};
use crate::gpu::grid::{MAX_GROUPS, MAX_TRIPS, fold};
use crate::gpu::{Gpu, Kernel, Recorder, Tiling};
use minijinja::{Environment, context};

const CORE: &str = include_str!("../../../shaders/conv2d.wgsl");
pub(super) const BACKWARD_PARAMS: &str = include_str!("../../../shaders/conv2d_backward_params.wgsl");
const COLUMNS: &str = include_str!("../../../shaders/common/columns.wgsl");

/// Outputs that one workgroup owns, and how its kernel is unrolled.
pub(super) struct Tile {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Groups of 4 columns that an invocation owns.
    quads: usize,
    /// Taps of a window's line that share loaded pixels.
    span: usize,
}

/// Outputs of the two cores' workgroups in the subgroup variant, the largest; small problems take less. Measured on
/// conv2d/fer7_conv3 with Mesa 22.3 (slow loads) and 25.0: where loads are slow, the larger the tile, the fewer loads an
/// output, even when its accumulators no longer fit the registers, and taps that share loads pay; where they are not, spilled
/// accumulators and the time to compile cost more.
fn largest(slow_loads: bool, backward_params: bool) -> (usize, usize, bool) {
    match (slow_loads, backward_params) {
        // rows, groups of 4 columns, taps share loads
        (true, false) => (128, 2, true),
        (true, true) => (32, 2, true),
        (false, false) => (32, 1, false),
        (false, true) => (16, 1, true),
    }
}

/// How many taps of a window's line share loaded pixels: all of them where the horizontal step is 1 and the line short enough
/// to unroll, else 1.
pub(super) fn span(gpu: &Gpu, step: usize, taps: usize, backward_params: bool) -> usize {
    match gpu.tiling {
        Tiling::Subgroup { slow_loads, .. } => {
            let shared = largest(slow_loads, backward_params).2 && step == 1 && (2..=4).contains(&taps);
            if shared { taps } else { 1 }
        }
        Tiling::Workgroup => 1,
    }
}

/// The tile for a problem of `rows` by `columns`.
pub(super) fn tile(gpu: &Gpu, rows: usize, columns: usize, span: usize, backward_params: bool) -> Tile {
    match gpu.tiling {
        Tiling::Subgroup { lanes, slow_loads } => {
            let lanes = lanes as usize;
            let (most_rows, most_quads, _) = largest(slow_loads, backward_params);
            let quads = if columns > lanes * 4 { most_quads } else { 1 };
            let fitting = rows.div_ceil(lanes).next_power_of_two() * lanes;
            // Without shared taps a row of a weight gradient is one accumulator instead of several.
            let most_rows = if backward_params && span == 1 { most_rows * 2 } else { most_rows };
            Tile { rows: fitting.min(most_rows), columns: lanes * 4 * quads, quads, span }
        }
        Tiling::Workgroup => Tile { rows: 32, columns: 32, quads: 1, span: 1 },
    }
}

/// A template's text for this adapter's tiling.
pub(super) fn render(gpu: &Gpu, template: &str, tile: &Tile, [x4, y4, bias, slope]: [bool; 4]) -> Result<String> {
    let (tiling, lanes) = match gpu.tiling {
        Tiling::Subgroup { lanes, .. } => ("subgroup", lanes),
        Tiling::Workgroup => ("workgroup", 8),
    };
    let (tile_rows, quads, span) = (tile.rows, tile.quads, tile.span);
    let target = if template == CORE { "y" } else { "partial" };
    Environment::new()
        .render_str(
            &format!("{template}{COLUMNS}"),
            context! { tiling, lanes, tile_rows, quads, span, x4, y4, bias, slope, target },
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
}

/// Kernel, grid and final parameters of a pass of the core.
pub(super) fn core(
    rec: &Recorder<'_>,
    op: &'static str,
    mut params: Params,
    end: &Epilogue<'_>,
) -> Result<(Kernel, Params, [u32; 3])> {
    let span = span(rec.gpu, params.x_step[1] as usize, params.taps[1] as usize, false);
    params.widen(span as u32);
    let tile = tile(rec.gpu, params.rows as usize, params.c_y as usize, span, false);
    let four = |c: u32| c.is_multiple_of(4);
    let source = render(rec.gpu, CORE, &tile, [four(params.c_x), four(params.c_y), end.bias, end.slope.is_some()])?;
    let [x, y, _] = fold((params.rows as usize).div_ceil(tile.rows))?;
    let columns = (params.c_y as usize).div_ceil(tile.columns);
    let steps = (params.c_x as usize).div_ceil(if four(params.c_x) { 4 } else { 1 });
    let trips = params.taps[0] as usize * params.taps[1] as usize * steps;
    if columns > MAX_GROUPS as usize || trips > MAX_TRIPS {
        let what = format!("{} inputs to {} outputs are more than a kernel can take", params.c_x, params.c_y);
        return Err(Error::shape(op, what));
    }
    let kernel = Kernel::new(op, "main", source).with_prelude(text_of(end.activation.or(end.slope)));
    Ok((kernel, params, [x, y, columns as u32]))
}
