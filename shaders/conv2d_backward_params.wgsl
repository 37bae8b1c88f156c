// conv2d.backward_params: dw[i, j, c, o] = sum over output pixels of x[n, h*sh + i - ph, w*sw + j - pw, c] * dy[n, h, w, o],
// and db[o] = sum over output pixels of dy[n, h, w, o].
// Template (minijinja). An implicit GEMM whose rows are (tap, channel) pairs, flattened, and one more row of constant 1 for
// the bias; its columns are output channels; its contraction runs over output pixels, cut into slices of whole output lines
// (group z). Each slice writes partial sums; `reduce` adds them in slice order, so the result has the same bits every time.
//
// Settings: tiling, lanes, tile_rows as in conv2d.wgsl; y4: the output channels divide by 4.

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
{% set YT = "vec4<f32>" if y4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<f32>;                     // [n, x_h, x_w, c_x]
@group(0) @binding(2) var<storage, read> dy: array<{{ YT }}>;               // [n, y_h, y_w, c_y]
@group(0) @binding(3) var<storage, read_write> partial: array<{{ YT }}>;    // [slices, rows, c_y]

// Four columns of dy at an output pixel, held inside the matrix.
fn gradients(pixel: u32, column: u32) -> vec4<f32> {
    {% if y4 %}
    return dy[(pixel * params.c_y + min(column, params.c_y - 4u)) / 4u];
    {% else %}
    let last = params.c_y - 1u;
    let row = pixel * params.c_y;
    return vec4(dy[row + min(column, last)], dy[row + min(column + 1u, last)],
                dy[row + min(column + 2u, last)], dy[row + min(column + 3u, last)]);
    {% endif %}
}

fn store(slice: u32, row: u32, column: u32, value: vec4<f32>) {
    if row >= params.rows { return; }
    let i = ((params.first_slice + slice) * params.rows + row) * params.c_y + column;
    {% if y4 %}
    if column < params.c_y { partial[i / 4u] = value; }
    {% else %}
    if column < params.c_y { partial[i] = value.x; }
    if column + 1u < params.c_y { partial[i + 1u] = value.y; }
    if column + 2u < params.c_y { partial[i + 2u] = value.z; }
    if column + 3u < params.c_y { partial[i + 3u] = value.w; }
    {% endif %}
}

// What a row multiplies dy with: input channel `c` under tap (`h`, `w`), or a constant.
struct Row { h: u32, w: u32, c: u32, is_weight: bool, otherwise: f32 }
fn row_at(row: u32) -> Row {
    let tap = row / params.c_x;
    return Row(tap / params.kernel_w, tap % params.kernel_w, row % params.c_x, row < params.weight_rows,
               select(0.0, 1.0, row == params.weight_rows));
}

// First input element of a row's channel on the input line under output line `line`; -1 in the padding.
fn line_base(r: Row, line: u32) -> i32 {
    // Unsigned arithmetic: a line above the map wraps to over every size.
    let h = (line % params.y_h) * params.stride_h + r.h - params.pad_h;
    if !r.is_weight || h >= params.x_h { return -1; }
    return i32(((line / params.y_h) * params.x_h + h) * params.x_w * params.c_x + r.c);
}

fn input(r: Row, base: i32, w_out: u32) -> f32 {
    let w = w_out * params.stride_w + r.w - params.pad_w;
    let there = base >= 0 && w < params.x_w;
    return select(r.otherwise, x[select(0u, u32(base) + w * params.c_x, there)], there);
}
{% if tiling == "subgroup" %}
{% set per_lane = tile_rows // lanes %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = group.x * {{ tile_rows }}u;
    let column = (group.y * {{ lanes }}u + lane) * 4u;
    let first_line = group.z * params.slice_lines;
    let end_line = min(first_line + params.slice_lines, params.lines);
    let y_w = params.y_w;
    {% for j in range(per_lane) %}
    let row{{ j }} = row_at(first_row + {{ j * lanes }}u + lane);
    {% endfor %}
    {% for r in range(tile_rows) %}
    var acc{{ r }} = vec4<f32>();
    {% endfor %}

    for (var line = first_line; line < end_line; line++) {
        {% for j in range(per_lane) %}
        let base{{ j }} = line_base(row{{ j }}, line);
        {% endfor %}
        for (var w = 0u; w < y_w; w++) {
            let g = gradients(line * y_w + w, column);
            {% for j in range(per_lane) %}
            let a{{ j }} = input(row{{ j }}, base{{ j }}, w);
            {% endfor %}
            {% for r in range(tile_rows) %}
            acc{{ r }} += subgroupBroadcast(a{{ r // lanes }}, {{ r % lanes }}u) * g;
            {% endfor %}
        }
    }
    {% for r in range(tile_rows) %}
    store(group.z, first_row + {{ r }}u, column, acc{{ r }});
    {% endfor %}
}
{% else %}

// [pixel of the tile][row], padded from 32 to 36; [pixel][quad of columns].
var<workgroup> a_tile: array<f32, 288>;
var<workgroup> g_tile: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_row = group.x * 32u;
    let first_column = group.y * 32u;
    let first_line = group.z * params.slice_lines;
    let end_line = min(first_line + params.slice_lines, params.lines);
    // Loading: pixel local / 8; rows and columns (local % 8) * 4 .. + 3. Computing: rows (local / 8) * 4 .. + 3.
    let pixel = local / 8u;
    let quad = local % 8u;
    let a_row = pixel * 4u;
    {% for r in range(4) %}
    let row{{ r }} = row_at(first_row + quad * 4u + {{ r }}u);
    var acc{{ r }} = vec4<f32>();
    {% endfor %}

    for (var line = first_line; line < end_line; line++) {
        {% for r in range(4) %}
        let base{{ r }} = line_base(row{{ r }}, line);
        {% endfor %}
        for (var first_w = 0u; first_w < params.y_w; first_w += 8u) {
            let w = first_w + pixel;
            var a = vec4<f32>();
            var g = vec4<f32>();
            if w < params.y_w {
                a = vec4(input(row0, base0, w), input(row1, base1, w), input(row2, base2, w), input(row3, base3, w));
                g = gradients(line * params.y_w + w, first_column + quad * 4u);
            }
            workgroupBarrier();
            a_tile[pixel * 36u + quad * 4u] = a.x;
            a_tile[pixel * 36u + quad * 4u + 1u] = a.y;
            a_tile[pixel * 36u + quad * 4u + 2u] = a.z;
            a_tile[pixel * 36u + quad * 4u + 3u] = a.w;
            g_tile[local] = g;
            workgroupBarrier();
            {% for k in range(8) %}
            let g{{ k }} = g_tile[{{ k * 8 }}u + quad];
            acc0 += a_tile[{{ k * 36 }}u + a_row] * g{{ k }};
            acc1 += a_tile[{{ k * 36 + 1 }}u + a_row] * g{{ k }};
            acc2 += a_tile[{{ k * 36 + 2 }}u + a_row] * g{{ k }};
            acc3 += a_tile[{{ k * 36 + 3 }}u + a_row] * g{{ k }};
            {% endfor %}
        }
    }
    {% for r in range(4) %}
    store(group.z, first_row + a_row + {{ r }}u, first_column + quad * 4u, acc{{ r }});
    {% endfor %}
}
{% endif %}
