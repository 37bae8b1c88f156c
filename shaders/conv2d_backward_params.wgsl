// conv2d.backward_params: dw[i, j, c, o] = sum over output pixels of x[n, h*sh + i - ph, w*sw + j - pw, c] * dy[n, h, w, o],
// and db[o] = sum over output pixels of dy[n, h, w, o].
// Template (minijinja). An implicit GEMM whose rows are (tap, channel) pairs, flattened, and one more row of constant 1 for
// the bias; its columns are output channels; its contraction runs over output pixels, cut into slices of whole output lines
// (group z). Each slice writes partial sums; `reduce` adds them in slice order, so the result has the same bits every time.
//
// What both tilings have in common; behind it stands common/conv2d_backward_params_lines.wgsl with _subgroup.wgsl or _short.wgsl, or
// _workgroup.wgsl, and common/columns.wgsl. Settings: lanes, tile_rows, quads, span as in conv2d.wgsl; x4: the input channels divide by 4 and a tile takes
// four at a time; y4: the output channels divide by 4.

struct Params {
    rows: u32,              // kh * kw * c_x, plus 1 with a bias
    weight_rows: u32,       // kh * kw * c_x
    lines: u32,             // output lines: n * y_h
    slice_lines: u32,       // output lines of one slice
    first_slice: u32,       // partial index of this dispatch's slice 0
    y_h: u32,
    y_w: u32,
    x_h: u32,
    x_w: u32,
    c_x: u32,
    c_y: u32,
    kernel_w: u32,
    stride_h: u32,
    stride_w: u32,
    pad_h: u32,
    pad_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
{% set YT = "Eight" if y8 else "Quad" if y4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<{{ "Quad" if x4 else "f32" }}>;      // [n, x_h, x_w, c_x]
@group(0) @binding(2) var<storage, read> dy: array<{{ YT }}>;      // [n, y_h, y_w, c_y]
@group(0) @binding(3) var<storage, read_write> partial: array<{{ YT }}>;    // [slices, rows, c_y]

// Four columns of dy at an output pixel; with y8 those of both quads.
fn gradients(pixel: u32, columns: Columns) -> {{ "Eight" if y8 else "vec4<f32>" }} {
    let row = pixel * columns.count;
    {% if y8 %}
    return dy[(row + columns.at.x) / 2u];
    {% elif y4 %}
    return quad(dy[row + columns.at.x]);
    {% else %}
    return vec4(dy[row + columns.at.x], dy[row + columns.at.y], dy[row + columns.at.z], dy[row + columns.at.w]);
    {% endif %}
}

// A weight row's partial sums; rows past the end are not stored.
fn store_partial(slice: u32, row: u32, columns: Columns, {{ "first: vec4<f32>, second: vec4<f32>" if y8 else "value: vec4<f32>" }}) {
    if row < params.rows { store((params.first_slice + slice) * params.rows + row, columns, {{ "first, second" if y8 else "value" }}); }
}

// What a row multiplies dy with: input channel `c` under tap (`h`, `w`).
struct Row { h: u32, w: u32, c: u32, is_weight: bool }
fn row_at(row: u32) -> Row {
    let tap = row / params.c_x;
    return Row(tap / params.kernel_w, tap % params.kernel_w, row % params.c_x, row < params.weight_rows);
}

{% if x4 %}
{% set XF = "vec4<f32>" %}
{% set width = 4 %}
{% else %}
{% set XF = "f32" %}
{% set width = 1 %}
{% endif %}
