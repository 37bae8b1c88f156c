// conv2d: y[n, h, w, o] = b[o] + sum over taps (i, j) and channels c of x[n, h*sh + i - ph, w*sw + j - pw, c] * w[i, j, c, o].
// Template (minijinja). An implicit GEMM: rows are output pixels, columns output channels, the contraction runs over taps
// (outer loops) and input channels (inner loop, no division in it).
//
// The same kernel is forward and backward_input: the latter reads dy as x and the weights transposed to [tap][o][c], taps in
// reverse; strides over 1 become one dispatch a phase, each a dense convolution of the taps that meet it. Nothing is ever
// scattered.
//
// What both tilings have in common; behind it stand common/conv2d_rows.wgsl and conv2d_subgroup.wgsl or
// _subgroup_short.wgsl, or conv2d_tiles.wgsl and conv2d_workgroup.wgsl; then common/columns.wgsl.
// Settings: lanes, tile_rows, quads: a workgroup's tile is tile_rows rows of lanes * 4 * quads columns; span: taps of a window's line that
// share the loaded pixels (subgroup only; 1, or all of them where the horizontal step is 1); x4: the contraction's channels divide by 4;
// y4: the columns do; bias; slope: whether the result is multiplied by the slope of an activation at `at`; statistics: whether each
// workgroup also leaves those of its rows, for the batch norm that reads them; split: whether the contraction's channels are cut into
// slices, each a workgroup's, whose sums another kernel adds up (workgroup only); short: sizes of a contraction that is
// unrolled (subgroup only). activate and slope stand in front.

struct Params {
    rows: u32,              // samples * rows_h * rows_w
    rows_h: u32,            // output lines of this dispatch
    rows_w: u32,            // output columns of this dispatch, plus span - 1
    y_h: u32,               // the whole output map, of which this dispatch writes
    y_w: u32,
    y_step_h: u32,          //   every step-th line and column,
    y_step_w: u32,
    y_first_h: u32,         //   from these on
    y_first_w: u32,
    x_h: u32,
    x_w: u32,
    x_step_h: i32,          // input line of output line h at tap t: h * step + first + t
    x_step_w: i32,
    x_first_h: i32,
    x_first_w: i32,
    taps_h: u32,
    taps_w: u32,
    w_first: u32,           // weight tap of tap (i, j): first + i * step_h + j * step_w, steps may be negative (wrapped)
    w_step_h: u32,
    w_step_w: u32,
    c_x: u32,
    c_y: u32,
    matrix_rows: u32,       // rows that meet the same weights: those after them meet the next tap's (Winograd's products)
    first_strip: u32,       // of the statistics
    slice_channels: u32,    // of the contraction, with split
    slice_pixels: u32,      // of y, with split
    padding0: u32,
    padding1: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
{% set YT = "Eight" if y8 else "Quad" if y4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<{{ "Quad" if x4 else "f32" }}>;   // [n, x_h, x_w, c_x]
@group(0) @binding(2) var<storage, read> w: array<{{ YT }}>;   // [taps, c_x, c_y]
{% if bias %}
@group(0) @binding(3) var<storage, read> b: array<{{ "Quad" if y4 else "f32" }}>;   // [c_y]
{% endif %}
{% if slope %}
@group(0) @binding(3) var<storage, read> at: array<{{ "Quad" if y4 else "f32" }}>;   // [n, y_h, y_w, c_y], for the slope
{% endif %}
@group(0) @binding({{ 4 if bias or slope else 3 }}) var<storage, read_write> y: array<{{ YT }}>;     // [n, y_h, y_w, c_y], with split [slices, ..]
{% if statistics %}
@group(0) @binding({{ 5 if bias else 4 }}) var<storage, read_write> strips: array<{{ "Quad" if y4 else "f32" }}>;   // [strips, 4, c_y]

// Rows, shift, mean - shift and the sum of squared differences from that mean, of four columns: what batch_norm.wgsl merges. Sums are of
// differences from the shift, a value of the column.
fn leave(strip: u32, columns: Columns, rows: f32, shift: vec4<f32>, sum: vec4<f32>, squares: vec4<f32>) {
    let first = (params.first_strip + strip) * 4u;
    let delta = sum / max(rows, 1.0);
    store_strip(first, columns, vec4(rows));
    store_strip(first + 1u, columns, shift);
    store_strip(first + 2u, columns, delta);
    store_strip(first + 3u, columns, max(squares - delta * sum, vec4<f32>()));
}
{% endif %}

// Four weights of one contraction index; with y8 those of both quads.
fn weights(index: u32, columns: Columns) -> {{ "Eight" if y8 else "vec4<f32>" }} {
    let row = index * columns.count;
    {% if y8 %}
    return w[(row + columns.at.x) / 2u];
    {% elif y4 %}
    return quad(w[row + columns.at.x]);
    {% else %}
    return vec4(w[row + columns.at.x], w[row + columns.at.y], w[row + columns.at.z], w[row + columns.at.w]);
    {% endif %}
}

fn biases(columns: Columns) -> vec4<f32> {
    {% if not bias %}
    return vec4<f32>();
    {% elif y4 %}
    return quad(b[columns.at.x]);
    {% else %}
    return vec4(b[columns.at.x], b[columns.at.y], b[columns.at.z], b[columns.at.w]);
    {% endif %}
}

// What an output becomes: forward ends in an activation, backward_input begins in the one whose output `at` is.
alias F = vec4<f32>;
alias U = vec4<u32>;
alias B = vec4<bool>;
fn finish(pixel: u32, columns: Columns, value: vec4<f32>) -> vec4<f32> {
    {% if slope %}
    let row = pixel * columns.count;
    {% if y4 %}
    return value * slope(quad(at[row + columns.at.x]));
    {% else %}
    return value * slope(vec4(at[row + columns.at.x], at[row + columns.at.y], at[row + columns.at.z], at[row + columns.at.w]));
    {% endif %}
    {% else %}
    return activate(value);
    {% endif %}
}

// The grid: tiles of columns over x, tiles of rows folded over y and z, so that workgroups that read the same rows run side by side.
fn tile_of_rows(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.z * groups.y + group.y;
}

// A row's sample, and the line and column of its pixel in this dispatch's grid.
struct Row { n: u32, h: u32, w: u32, inside: bool }
fn row_at(row: u32) -> Row {
    let line = row / params.rows_w;
    return Row(line / params.rows_h, line % params.rows_h, row % params.rows_w, row < params.rows);
}

fn output_pixel(r: Row) -> u32 {
    let h = r.h * params.y_step_h + params.y_first_h;
    let w = r.w * params.y_step_w + params.y_first_w;
    return (r.n * params.y_h + h) * params.y_w + w;
}

// The input map as the loops over taps see it.
struct View { x_h: u32, x_w: u32, c_x: u32 }
fn view_of_input() -> View {
    return View(params.x_h, params.x_w, params.c_x);
}

// Input line and column of a row at tap (0, 0).
fn corner(r: Row) -> vec2<i32> {
    return vec2(i32(r.h) * params.x_step_h + params.x_first_h, i32(r.w) * params.x_step_w + params.x_first_w);
}

// First channel of the input pixel under a tap, or -1 in the padding.
fn input_base(r: Row, corner: vec2<i32>, view: View, tap_h: u32, tap_w: u32) -> i32 {
    let h = corner.x + i32(tap_h);
    let w = corner.y + i32(tap_w);
    // As unsigned numbers, negative positions are over every size.
    let there = r.inside && u32(h) < view.x_h && u32(w) < view.x_w;
    return select(-1, i32(((r.n * view.x_h + u32(h)) * view.x_w + u32(w)) * view.c_x), there);
}
