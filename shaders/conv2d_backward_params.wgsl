// conv2d.backward_params: dw[i, j, c, o] = sum over output pixels of x[n, h*sh + i - ph, w*sw + j - pw, c] * dy[n, h, w, o],
// and db[o] = sum over output pixels of dy[n, h, w, o].
// Template (minijinja). An implicit GEMM whose rows are (tap, channel) pairs, flattened, and one more row of constant 1 for
// the bias; its columns are output channels; its contraction runs over output pixels, cut into slices of whole output lines
// (group z). Each slice writes partial sums; `reduce` adds them in slice order, so the result has the same bits every time.
//
// Settings: tiling, lanes, tile_rows, quads, span as in conv2d.wgsl; x4: the input channels divide by 4 and a tile takes four
// at a time (subgroup only); y4: the output channels divide by 4.

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
{% set YT = "Quad" if y4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<{{ "Quad" if x4 else "f32" }}>;      // [n, x_h, x_w, c_x]
@group(0) @binding(2) var<storage, read> dy: array<{{ "Quad" if y4 else "f32" }}>;      // [n, y_h, y_w, c_y]
@group(0) @binding(3) var<storage, read_write> partial: array<{{ YT }}>;    // [slices, rows, c_y]

// Four columns of dy at an output pixel.
fn gradients(pixel: u32, columns: Columns) -> vec4<f32> {
    let row = pixel * columns.count;
    {% if y4 %}
    return quad(dy[row + columns.at.x]);
    {% else %}
    return vec4(dy[row + columns.at.x], dy[row + columns.at.y], dy[row + columns.at.z], dy[row + columns.at.w]);
    {% endif %}
}

// A weight row's partial sums; rows past the end are not stored.
fn store_partial(slice: u32, row: u32, columns: Columns, value: vec4<f32>) {
    if row < params.rows { store((params.first_slice + slice) * params.rows + row, columns, value); }
}

// What a row multiplies dy with: input channel `c` under tap (`h`, `w`), or a constant.
struct Row { h: u32, w: u32, c: u32, is_weight: bool, otherwise: f32 }
fn row_at(row: u32) -> Row {
    let tap = row / params.c_x;
    return Row(tap / params.kernel_w, tap % params.kernel_w, row % params.c_x, row < params.weight_rows,
               {{ "select(0.0, 1.0, row == params.weight_rows)" if tiling == "workgroup" else "0.0" }});
}

{% if span > 1 %}
// The first tap of tile row `row`: a (tap line, channel) pair, or the bias.
fn span_row_at(row: u32) -> Row {
    return Row(row / params.c_x, 0u, row % params.c_x, row < params.weight_rows / {{ span }}u, 0.0);
}

// Row of the weight matrix that holds the first tap of tile row `row`; taps follow at distances of c_x. Past the end for rows
// past it.
fn weight_row(row: u32) -> u32 {
    let at = row / params.c_x * {{ span }}u * params.c_x + row % params.c_x;
    return select(params.rows, at, row < params.weight_rows / {{ span }}u);
}
{% else %}
fn span_row_at(row: u32) -> Row {
    return row_at(row);
}

fn weight_row(row: u32) -> u32 {
    return select(params.rows, row, row < params.weight_rows);
}
{% endif %}

// The maps as the loops over pixels see them.
struct View { y_h: u32, x_h: u32, x_w: u32, c_x: u32, stride_h: u32, stride_w: u32, pad_h: u32 }
fn view_of_maps() -> View {
    return View(params.y_h, params.x_h, params.x_w, params.c_x, params.stride_h, params.stride_w, params.pad_h);
}

// First input element of a row's channel on the input line under output line `line`; -1 in the padding.
fn line_base(r: Row, view: View, line: u32) -> i32 {
    // Unsigned arithmetic: a line above the map wraps to over every size.
    let h = (line % view.y_h) * view.stride_h + r.h - view.pad_h;
    let base = i32(((line / view.y_h) * view.x_h + h) * view.x_w * view.c_x + r.c);
    return select(-1, base, r.is_weight && h < view.x_h);
}

{% if x4 %}
{% set XF = "vec4<f32>" %}
{% set width = 4 %}
{% else %}
{% set XF = "f32" %}
{% set width = 1 %}
{% endif %}
// A row's factor at output column `w_out`; `first_w` is its tap's column less the padding, wrapped if negative. With
// x4 those of four rows.
fn input(r: Row, first_w: u32, view: View, base: i32, w_out: u32) -> {{ XF }} {
    let w = w_out * view.stride_w + first_w;
    let there = base >= 0 && w < view.x_w;
    let at = select(0u, u32(base) + w * view.c_x, there);
    {% if x4 %}
    return select(vec4<f32>(), quad(x[at / 4u]), there);
    {% else %}
    return select(r.otherwise, x[at], there);
    {% endif %}
}
{% if tiling == "subgroup" %}
{% set per_lane = tile_rows // lanes // width %}

// Tile rows are (tap line, channel) pairs; each stands for the `span` taps of its line (all of them, or 1, in which case rows are
// taps and channels). The bias has no row: the first tile of rows adds dy up beside its own work. The factors of the taps but the last are those that the pixel to the left had one
// tap further, so a pixel costs one load a tile row.
@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_row = group.x * {{ tile_rows }}u;
    {% for q in range(quads) %}
    let columns{{ q }} = columns_at(((group.y * {{ quads }}u + {{ q }}u) * {{ lanes }}u + lane) * 4u);
    {% endfor %}
    let view = view_of_maps();
    let first_line = group.z * params.slice_lines;
    let end_line = min(first_line + params.slice_lines, params.lines);
    let y_w = params.y_w;
    {% for j in range(per_lane) %}
    let row{{ j }} = span_row_at(first_row + ({{ j * lanes }}u + lane) * {{ width }}u);
    let first_w{{ j }} = row{{ j }}.w - params.pad_w;
    {% endfor %}
    {% for q in range(quads) %}
    var bias{{ q }} = vec4<f32>();
    {% endfor %}
    {% for r in range(tile_rows) %}
    {% for t in range(span) %}
    {% for q in range(quads) %}
    var acc{{ r }}_{{ t }}_{{ q }} = vec4<f32>();
    {% endfor %}
    {% endfor %}
    {% endfor %}

    for (var line = first_line; line < end_line; line++) {
        {% for j in range(per_lane) %}
        let base{{ j }} = line_base(row{{ j }}, view, line);
        {% for t in range(span - 1) %}
        var a{{ j }}_{{ t }} = input(row{{ j }}, first_w{{ j }} + {{ t }}u, view, base{{ j }}, 0u);
        {% endfor %}
        {% endfor %}
        for (var w = 0u; w < y_w; w++) {
            {% for q in range(quads) %}
            let g{{ q }} = gradients(line * y_w + w, columns{{ q }});
            bias{{ q }} += g{{ q }};
            {% endfor %}
            {% for j in range(per_lane) %}
            let a{{ j }}_{{ span - 1 }} = input(row{{ j }}, first_w{{ j }} + {{ span - 1 }}u, view, base{{ j }}, w);
            {% endfor %}
            {% for r in range(tile_rows) %}
            {% for t in range(span) %}
            {% set part = "." ~ "xyzw"[r % 4] if x4 else "" %}
            let r{{ r }}_{{ t }} = subgroupBroadcast(a{{ r // width // lanes }}_{{ t }}{{ part }}, {{ r // width % lanes }}u);
            {% for q in range(quads) %}
            acc{{ r }}_{{ t }}_{{ q }} += r{{ r }}_{{ t }} * g{{ q }};
            {% endfor %}
            {% endfor %}
            {% endfor %}
            {% for j in range(per_lane) %}
            {% for t in range(span - 1) %}
            a{{ j }}_{{ t }} = a{{ j }}_{{ t + 1 }};
            {% endfor %}
            {% endfor %}
        }
    }
    if group.x == 0u {
        {% for q in range(quads) %}
        store_partial(group.z, params.weight_rows, columns{{ q }}, bias{{ q }});
        {% endfor %}
    }
    {% for r in range(tile_rows) %}
    {
        let at = weight_row(first_row + {{ r }}u);
        {% for t in range(span) %}
        {% for q in range(quads) %}
        store_partial(group.z, at + {{ t }}u * params.c_x, columns{{ q }}, acc{{ r }}_{{ t }}_{{ q }});
        {% endfor %}
        {% endfor %}
    }
    {% endfor %}
}
{% else %}

{% set parts = tile_rows // 32 %}
{% set a_line = tile_rows + 4 %}
{% set g_line = quads * 8 %}
// [pixel of the tile][row], padded by 4 rows; [pixel][quad of columns].
var<workgroup> a_tile: array<f32, {{ 8 * a_line }}>;
var<workgroup> g_tile: array<vec4<f32>, {{ 8 * g_line }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_row = group.x * {{ tile_rows }}u;
    let view = view_of_maps();
    let y_w = params.y_w;
    let first_line = group.z * params.slice_lines;
    let end_line = min(first_line + params.slice_lines, params.lines);
    // Loading: pixel local / 8; rows and columns (local % 8) * 4 .. + 3 of every 32. Computing: rows (local / 8) * 4 .. + 3 of every
    // 32, and the columns that it loads.
    let pixel = local / 8u;
    let four = local % 8u;
    let a_row = pixel * 4u;
    {% for q in range(quads) %}
    let columns{{ q }} = columns_at((group.y * {{ quads }}u + {{ q }}u) * 32u + four * 4u);
    {% endfor %}
    {% for p in range(parts) %}
    {% for r in range(4) %}
    let row{{ p }}_{{ r }} = row_at(first_row + four * 4u + {{ p * 32 + r }}u);
    let first_w{{ p }}_{{ r }} = row{{ p }}_{{ r }}.w - params.pad_w;
    {% for q in range(quads) %}
    var acc{{ p }}_{{ r }}_{{ q }} = vec4<f32>();
    {% endfor %}
    {% endfor %}
    {% endfor %}

    for (var line = first_line; line < end_line; line++) {
        {% for p in range(parts) %}
        {% for r in range(4) %}
        let base{{ p }}_{{ r }} = line_base(row{{ p }}_{{ r }}, view, line);
        {% endfor %}
        {% endfor %}
        for (var start = 0u; start < y_w; start += 8u) {
            let w = start + pixel;
            {% for p in range(parts) %}
            var a{{ p }} = vec4<f32>();
            {% endfor %}
            {% for q in range(quads) %}
            var g{{ q }} = vec4<f32>();
            {% endfor %}
            if w < y_w {
                {% for p in range(parts) %}
                a{{ p }} = vec4(
                {% for r in range(4) %}
                    input(row{{ p }}_{{ r }}, first_w{{ p }}_{{ r }}, view, base{{ p }}_{{ r }}, w),
                {% endfor %}
                );
                {% endfor %}
                {% for q in range(quads) %}
                g{{ q }} = gradients(line * y_w + w, columns{{ q }});
                {% endfor %}
            }
            workgroupBarrier();
            {% for p in range(parts) %}
            {% for r in range(4) %}
            a_tile[pixel * {{ a_line }}u + four * 4u + {{ p * 32 + r }}u] = a{{ p }}.{{ "xyzw"[r] }};
            {% endfor %}
            {% endfor %}
            {% for q in range(quads) %}
            g_tile[pixel * {{ g_line }}u + {{ q * 8 }}u + four] = g{{ q }};
            {% endfor %}
            workgroupBarrier();
            {% for k in range(8) %}
            {
                {% for q in range(quads) %}
                let g{{ q }} = g_tile[{{ k * g_line + q * 8 }}u + four];
                {% endfor %}
                {% for p in range(parts) %}
                {% for r in range(4) %}
                let a{{ p }}_{{ r }} = a_tile[{{ k * a_line + p * 32 + r }}u + a_row];
                {% for q in range(quads) %}
                acc{{ p }}_{{ r }}_{{ q }} += a{{ p }}_{{ r }} * g{{ q }};
                {% endfor %}
                {% endfor %}
                {% endfor %}
            }
            {% endfor %}
        }
    }
    {% for p in range(parts) %}
    {% for r in range(4) %}
    {% for q in range(quads) %}
    store_partial(group.z, first_row + a_row + {{ p * 32 + r }}u, columns{{ q }}, acc{{ p }}_{{ r }}_{{ q }});
    {% endfor %}
    {% endfor %}
    {% endfor %}
}
{% endif %}
