// conv2d: y[n, h, w, o] = b[o] + sum over taps (i, j) and channels c of x[n, h*sh + i - ph, w*sw + j - pw, c] * w[i, j, c, o].
// Template (minijinja). An implicit GEMM: rows are output pixels, columns output channels, the contraction runs over taps
// (outer loops) and input channels (inner loop, no division in it).
//
// The same kernel is forward and backward_input: the latter reads dy as x and the weights transposed to [tap][o][c], taps in
// reverse; strides over 1 become one dispatch a phase, each a dense convolution of the taps that meet it. Nothing is ever
// scattered.
//
// Settings: tiling "subgroup" (one subgroup of {{ lanes }} lanes a workgroup; a lane loads the input pixels lane, lane + {{ lanes }},
// ..., which are broadcast; it owns {{ quads }} times 4 columns of all {{ tile_rows }} rows) or "workgroup" (8 x 8 invocations, each
// of 4 rows in every 32 and 4 columns in every 32, tiles of 8 channels in workgroup memory); span: taps of a window's line that share the loaded pixels (subgroup
// only; 1, or all of them where the horizontal step is 1); x4: the contraction's channels divide by 4; y4: the columns do; bias;
// slope: whether the result is multiplied by the slope of an activation at `at`; statistics: whether each workgroup also leaves those of
// its rows, for the batch norm that reads them. activate and slope stand in front.
//
// With a span, rows run over lines that are span - 1 pixels wider than the output: row r meets tap t in loaded pixel r + t,
// and the last span - 1 rows of a line are not stored.

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
}
@group(0) @binding(0) var<uniform> params: Params;
{% set YT = "Quad" if y4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<{{ "Quad" if x4 else "f32" }}>;   // [n, x_h, x_w, c_x]
@group(0) @binding(2) var<storage, read> w: array<{{ "Quad" if y4 else "f32" }}>;   // [taps, c_x, c_y]
{% if bias %}
@group(0) @binding(3) var<storage, read> b: array<{{ "Quad" if y4 else "f32" }}>;   // [c_y]
{% endif %}
{% if slope %}
@group(0) @binding(3) var<storage, read> at: array<{{ "Quad" if y4 else "f32" }}>;   // [n, y_h, y_w, c_y], for the slope
{% endif %}
@group(0) @binding({{ 4 if bias or slope else 3 }}) var<storage, read_write> y: array<{{ YT }}>;     // [n, y_h, y_w, c_y]
{% if statistics %}
@group(0) @binding({{ 5 if bias else 4 }}) var<storage, read_write> strips: array<{{ YT }}>;   // [strips, 4, c_y]

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

// Four weights of one contraction index.
fn weights(index: u32, columns: Columns) -> vec4<f32> {
    let row = index * columns.count;
    {% if y4 %}
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
{% if tiling == "subgroup" %}
{% set pixels = (tile_rows + span - 1 + lanes - 1) // lanes %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let first_row = (group.y * groups.x + group.x) * {{ tile_rows }}u;
    {% for q in range(quads) %}
    let columns{{ q }} = columns_at(((group.z * {{ quads }}u + {{ q }}u) * {{ lanes }}u + lane) * 4u);
    {% endfor %}
    let c_x = params.c_x;
    let taps_h = params.taps_h;
    let taps_w = params.taps_w;
    let view = view_of_input();
    let w_first = params.w_first + first_row / params.matrix_rows;
    let w_step_h = params.w_step_h;
    let w_step_w = params.w_step_w;
    {% for p in range(pixels) %}
    let row{{ p }} = row_at(first_row + {{ p * lanes }}u + lane);
    let corner{{ p }} = corner(row{{ p }});
    {% endfor %}
    {% for r in range(tile_rows) %}
    {% for q in range(quads) %}
    var acc{{ r }}_{{ q }} = vec4<f32>();
    {% endfor %}
    {% endfor %}

    for (var i = 0u; i < taps_h; i++) {
        for (var j = 0u; j < taps_w; j += {{ span }}u) {
            let tap = w_first + i * w_step_h + j * w_step_w;
            {% for t in range(span) %}
            let weight{{ t }} = (tap + {{ t }}u * w_step_w) * c_x;
            {% endfor %}
            {% for p in range(pixels) %}
            let base{{ p }} = input_base(row{{ p }}, corner{{ p }}, view, i, j);
            let start{{ p }} = u32(max(base{{ p }}, 0));
            {% endfor %}
            for (var c = 0u; c < c_x; c += {{ 4 if x4 else 1 }}u) {
                {% for p in range(pixels) %}
                {% if x4 %}
                let a{{ p }} = select(vec4<f32>(), quad(x[(start{{ p }} + c) / 4u]), base{{ p }} >= 0);
                {% else %}
                let a{{ p }} = select(0.0, x[start{{ p }} + c], base{{ p }} >= 0);
                {% endif %}
                {% endfor %}
                {% for t in range(span) %}
                {
                    {% for k in range(4 if x4 else 1) %}
                    {% for q in range(quads) %}
                    let w{{ k }}_{{ q }} = weights(weight{{ t }} + c + {{ k }}u, columns{{ q }});
                    {% endfor %}
                    {% endfor %}
                    {% for r in range(tile_rows) %}
                    let r{{ r }} = subgroupBroadcast(a{{ (r + t) // lanes }}, {{ (r + t) % lanes }}u);
                    {% for q in range(quads) %}
                    {% if x4 %}
                    acc{{ r }}_{{ q }} += r{{ r }}.x * w0_{{ q }};
                    acc{{ r }}_{{ q }} += r{{ r }}.y * w1_{{ q }};
                    acc{{ r }}_{{ q }} += r{{ r }}.z * w2_{{ q }};
                    acc{{ r }}_{{ q }} += r{{ r }}.w * w3_{{ q }};
                    {% else %}
                    acc{{ r }}_{{ q }} += r{{ r }} * w0_{{ q }};
                    {% endif %}
                    {% endfor %}
                    {% endfor %}
                }
                {% endfor %}
            }
        }
    }

    {% for q in range(quads) %}
    let bias{{ q }} = biases(columns{{ q }});
    {% endfor %}
    let stored_w = params.rows_w - {{ span - 1 }}u;
    {% for p in range(tile_rows // lanes) %}
    // Rows that are not stored carry the all-ones pixel.
    let pixel{{ p }} = select(0xffffffffu, output_pixel(row{{ p }}), row{{ p }}.inside && row{{ p }}.w < stored_w);
    {% endfor %}
    {% if statistics %}
    var rows = 0.0;
    {% for q in range(quads) %}
    var shift{{ q }} = vec4<f32>();
    var sum{{ q }} = vec4<f32>();
    var squares{{ q }} = vec4<f32>();
    {% endfor %}
    {% endif %}
    {% for r in range(tile_rows) %}
    let p{{ r }} = subgroupBroadcast(pixel{{ r // lanes }}, {{ r % lanes }}u);
    if p{{ r }} != 0xffffffffu {
        {% for q in range(quads) %}
        let y{{ q }} = finish(p{{ r }}, columns{{ q }}, acc{{ r }}_{{ q }} + bias{{ q }});
        store(p{{ r }}, columns{{ q }}, y{{ q }});
        {% if statistics %}
        shift{{ q }} = select(shift{{ q }}, y{{ q }}, rows == 0.0);
        let d{{ q }} = y{{ q }} - shift{{ q }};
        sum{{ q }} += d{{ q }};
        squares{{ q }} += d{{ q }} * d{{ q }};
        {% endif %}
        {% endfor %}
        {% if statistics %}
        rows += 1.0;
        {% endif %}
    }
    {% endfor %}
    {% if statistics %}
    {% for q in range(quads) %}
    leave(group.y * groups.x + group.x, columns{{ q }}, rows, shift{{ q }}, sum{{ q }}, squares{{ q }});
    {% endfor %}
    {% endif %}
}
{% else %}

{% set parts = tile_rows // 32 %}
{% set a_line = tile_rows + 4 %}
{% set w_line = quads * 8 %}
// [channel of the tile][row], padded by 4 rows to spread the banks; [channel][quad of columns].
var<workgroup> a_tile: array<f32, {{ 8 * a_line }}>;
var<workgroup> w_tile: array<vec4<f32>, {{ 8 * w_line }}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let first_row = (group.y * groups.x + group.x) * {{ tile_rows }}u;
    let first_column = group.z * {{ quads * 32 }}u;
    let c_x = params.c_x;
    let taps_h = params.taps_h;
    let taps_w = params.taps_w;
    let view = view_of_input();
    let w_first = params.w_first + first_row / params.matrix_rows;
    let w_step_h = params.w_step_h;
    let w_step_w = params.w_step_w;
    // Loading: rows local / 2 of every 32, channels (local % 2) * 4 .. + 3; weight channel local / 8, columns (local % 8) * 4 .. + 3
    // of every 32.
    {% for p in range(parts) %}
    let load_row{{ p }} = row_at(first_row + local / 2u + {{ p * 32 }}u);
    let load_corner{{ p }} = corner(load_row{{ p }});
    {% endfor %}
    let load_c = (local % 2u) * 4u;
    let a_slot = load_c * {{ a_line }}u + local / 2u;
    let w_slot = local / 8u * {{ w_line }}u + local % 8u;
    {% for q in range(quads) %}
    let columns{{ q }} = columns_at(first_column + {{ q * 32 }}u + (local % 8u) * 4u);
    {% endfor %}
    // Computing: rows (local / 8) * 4 .. + 3 of every 32, and the columns that it loads.
    let a_row = (local / 8u) * 4u;
    let four = local % 8u;
    {% for p in range(parts) %}
    {% for r in range(4) %}
    {% for q in range(quads) %}
    var acc{{ p }}_{{ r }}_{{ q }} = vec4<f32>();
    {% endfor %}
    {% endfor %}
    {% endfor %}

    for (var i = 0u; i < taps_h; i++) {
        for (var j = 0u; j < taps_w; j++) {
            let first_weight = (w_first + i * w_step_h + j * w_step_w) * c_x;
            {% for p in range(parts) %}
            let base{{ p }} = input_base(load_row{{ p }}, load_corner{{ p }}, view, i, j);
            let start{{ p }} = u32(max(base{{ p }}, 0));
            {% endfor %}
            for (var c = 0u; c < c_x; c += 8u) {
                let ca = c + load_c;
                {% for p in range(parts) %}
                var a{{ p }} = vec4<f32>();
                {% if x4 %}
                if base{{ p }} >= 0 && ca < c_x { a{{ p }} = quad(x[(start{{ p }} + ca) / 4u]); }
                {% else %}
                if base{{ p }} >= 0 {
                    if ca < c_x { a{{ p }}.x = x[start{{ p }} + ca]; }
                    if ca + 1u < c_x { a{{ p }}.y = x[start{{ p }} + ca + 1u]; }
                    if ca + 2u < c_x { a{{ p }}.z = x[start{{ p }} + ca + 2u]; }
                    if ca + 3u < c_x { a{{ p }}.w = x[start{{ p }} + ca + 3u]; }
                }
                {% endif %}
                {% endfor %}
                let cw = c + local / 8u;
                {% for q in range(quads) %}
                var weight{{ q }} = vec4<f32>();
                if cw < c_x { weight{{ q }} = weights(first_weight + cw, columns{{ q }}); }
                {% endfor %}
                workgroupBarrier();
                {% for p in range(parts) %}
                a_tile[a_slot + {{ p * 32 }}u] = a{{ p }}.x;
                a_tile[a_slot + {{ a_line + p * 32 }}u] = a{{ p }}.y;
                a_tile[a_slot + {{ a_line * 2 + p * 32 }}u] = a{{ p }}.z;
                a_tile[a_slot + {{ a_line * 3 + p * 32 }}u] = a{{ p }}.w;
                {% endfor %}
                {% for q in range(quads) %}
                w_tile[w_slot + {{ q * 8 }}u] = weight{{ q }};
                {% endfor %}
                workgroupBarrier();
                {% for k in range(8) %}
                {
                    {% for q in range(quads) %}
                    let w{{ q }} = w_tile[{{ k * w_line + q * 8 }}u + four];
                    {% endfor %}
                    {% for p in range(parts) %}
                    {% for r in range(4) %}
                    let a{{ p }}_{{ r }} = a_tile[{{ k * a_line + p * 32 + r }}u + a_row];
                    {% for q in range(quads) %}
                    acc{{ p }}_{{ r }}_{{ q }} += a{{ p }}_{{ r }} * w{{ q }};
                    {% endfor %}
                    {% endfor %}
                    {% endfor %}
                }
                {% endfor %}
            }
        }
    }

    {% for q in range(quads) %}
    let bias{{ q }} = biases(columns{{ q }});
    {% endfor %}
    {% for p in range(parts) %}
    {% for r in range(4) %}
    let row{{ p }}_{{ r }} = row_at(first_row + a_row + {{ p * 32 + r }}u);
    if row{{ p }}_{{ r }}.inside {
        let pixel = output_pixel(row{{ p }}_{{ r }});
        {% for q in range(quads) %}
        {% if statistics %}
        acc{{ p }}_{{ r }}_{{ q }} = finish(pixel, columns{{ q }}, acc{{ p }}_{{ r }}_{{ q }} + bias{{ q }});
        store(pixel, columns{{ q }}, acc{{ p }}_{{ r }}_{{ q }});
        {% else %}
        store(pixel, columns{{ q }}, finish(pixel, columns{{ q }}, acc{{ p }}_{{ r }}_{{ q }} + bias{{ q }}));
        {% endif %}
        {% endfor %}
    }
    {% endfor %}
    {% endfor %}
    {% if statistics %}
    // All rows share the tile's first as their shift; then the eight invocations of the same columns are added up.
    workgroupBarrier();
    {% for q in range(quads) %}
    if local < 8u { w_tile[{{ q * 64 }}u + local] = acc0_0_{{ q }}; }
    {% endfor %}
    workgroupBarrier();
    {% for q in range(quads) %}
    let shift{{ q }} = w_tile[{{ q * 64 }}u + four];
    var sum{{ q }} = vec4<f32>();
    var squares{{ q }} = vec4<f32>();
    {% for p in range(parts) %}
    {% for r in range(4) %}
    let d{{ p }}_{{ r }}_{{ q }} = select(vec4<f32>(), acc{{ p }}_{{ r }}_{{ q }} - shift{{ q }}, row{{ p }}_{{ r }}.inside);
    sum{{ q }} += d{{ p }}_{{ r }}_{{ q }};
    squares{{ q }} += d{{ p }}_{{ r }}_{{ q }} * d{{ p }}_{{ r }}_{{ q }};
    {% endfor %}
    {% endfor %}
    {% endfor %}
    {% for name in ["sum", "squares"] %}
    workgroupBarrier();
    {% for q in range(quads) %}
    w_tile[{{ q * 64 }}u + local] = {{ name }}{{ q }};
    {% endfor %}
    {% for half in [32, 16, 8] %}
    workgroupBarrier();
    if local < {{ half }}u {
        {% for q in range(quads) %}
        w_tile[{{ q * 64 }}u + local] += w_tile[{{ q * 64 + half }}u + local];
        {% endfor %}
    }
    {% endfor %}
    workgroupBarrier();
    {% for q in range(quads) %}
    {{ name }}{{ q }} = w_tile[{{ q * 64 }}u + four];
    {% endfor %}
    {% endfor %}
    if local < 8u {
        let rows = f32(min(first_row + {{ tile_rows }}u, params.rows) - min(first_row, params.rows));
        {% for q in range(quads) %}
        leave(group.y * groups.x + group.x, columns{{ q }}, rows, shift{{ q }}, sum{{ q }}, squares{{ q }});
        {% endfor %}
    }
    {% endif %}
}
{% endif %}
