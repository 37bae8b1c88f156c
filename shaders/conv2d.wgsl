// conv2d: y[n, h, w, o] = b[o] + sum over taps (i, j) and channels c of x[n, h*sh + i - ph, w*sw + j - pw, c] * w[i, j, c, o].
// Template (minijinja). An implicit GEMM: rows are output pixels, columns output channels, the contraction runs over taps
// (outer loops) and input channels (inner loop, no division in it).
//
// The same kernel is forward and backward_input: the latter reads dy as x and the weights transposed to [tap][o][c], with
// taps going backwards (tap_direction = -1); strides over 1 become one dispatch a phase, each a dense convolution of the
// taps that meet it. Nothing is ever scattered.
//
// Settings: tiling "subgroup" (one subgroup a workgroup, {{ lanes }} lanes; a lane loads the inputs of rows lane, lane +
// {{ lanes }} ..., which are broadcast; it owns 4 columns of all {{ tile_rows }} rows) or "workgroup" (8 x 8 invocations of 4 rows x
// 4 columns, tiles of 8 channels in workgroup memory); x4: the contraction's channels divide by 4; y4: the columns do; bias.

struct Params {
    rows: u32,              // output pixels of this dispatch: samples * rows_h * rows_w
    rows_h: u32,
    rows_w: u32,
    y_h: u32,               // the whole output map, of which this dispatch writes
    y_w: u32,
    y_step_h: u32,          //   every step-th line and column,
    y_step_w: u32,
    y_first_h: u32,         //   from these on
    y_first_w: u32,
    x_h: u32,
    x_w: u32,
    x_step_h: i32,          // input pixel of output row h at tap t: h * step + first + t * direction
    x_step_w: i32,
    x_first_h: i32,
    x_first_w: i32,
    tap_direction: i32,
    taps_h: u32,
    taps_w: u32,
    w_first: u32,           // weight tap of tap (i, j): first + i * step_h + j * step_w
    w_step_h: u32,
    w_step_w: u32,
    c_x: u32,
    c_y: u32,
    padding: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
{% set XT = "vec4<f32>" if x4 else "f32" %}
{% set YT = "vec4<f32>" if y4 else "f32" %}
@group(0) @binding(1) var<storage, read> x: array<{{ XT }}>;            // [n, x_h, x_w, c_x]
@group(0) @binding(2) var<storage, read> w: array<{{ YT }}>;            // [taps, c_x, c_y]
{% if bias %}
@group(0) @binding(3) var<storage, read> b: array<{{ YT }}>;            // [c_y]
{% endif %}
@group(0) @binding({{ 4 if bias else 3 }}) var<storage, read_write> y: array<{{ YT }}>;     // [n, y_h, y_w, c_y]

// Four weights of one contraction index: columns column .. column + 3, held inside the matrix.
fn weights(index: u32, column: u32) -> vec4<f32> {
    {% if y4 %}
    return w[(index * params.c_y + min(column, params.c_y - 4u)) / 4u];
    {% else %}
    let last = params.c_y - 1u;
    let row = index * params.c_y;
    return vec4(w[row + min(column, last)], w[row + min(column + 1u, last)],
                w[row + min(column + 2u, last)], w[row + min(column + 3u, last)]);
    {% endif %}
}

fn biases(column: u32) -> vec4<f32> {
    {% if not bias %}
    return vec4<f32>();
    {% elif y4 %}
    return b[min(column, params.c_y - 4u) / 4u];
    {% else %}
    let last = params.c_y - 1u;
    return vec4(b[min(column, last)], b[min(column + 1u, last)], b[min(column + 2u, last)], b[min(column + 3u, last)]);
    {% endif %}
}

fn store(pixel: u32, column: u32, value: vec4<f32>) {
    let i = pixel * params.c_y + column;
    {% if y4 %}
    if column < params.c_y { y[i / 4u] = value; }
    {% else %}
    if column < params.c_y { y[i] = value.x; }
    if column + 1u < params.c_y { y[i + 1u] = value.y; }
    if column + 2u < params.c_y { y[i + 2u] = value.z; }
    if column + 3u < params.c_y { y[i + 3u] = value.w; }
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

// First channel of the input pixel under a tap, or -1 in the padding.
fn input_base(r: Row, tap_h: u32, tap_w: u32) -> i32 {
    let h = i32(r.h) * params.x_step_h + params.x_first_h + i32(tap_h) * params.tap_direction;
    let w = i32(r.w) * params.x_step_w + params.x_first_w + i32(tap_w) * params.tap_direction;
    // As unsigned numbers, negative positions are over every size.
    if !r.inside || u32(h) >= params.x_h || u32(w) >= params.x_w {
        return -1;
    }
    return i32(((r.n * params.x_h + u32(h)) * params.x_w + u32(w)) * params.c_x);
}
{% if tiling == "subgroup" %}
{% set per_lane = tile_rows // lanes %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let first_row = (group.y * groups.x + group.x) * {{ tile_rows }}u;
    let column = (group.z * {{ lanes }}u + lane) * 4u;
    let c_x = params.c_x;
    {% for j in range(per_lane) %}
    let row{{ j }} = row_at(first_row + {{ j * lanes }}u + lane);
    {% endfor %}
    {% for r in range(tile_rows) %}
    var acc{{ r }} = vec4<f32>();
    {% endfor %}

    for (var i = 0u; i < params.taps_h; i++) {
        for (var j = 0u; j < params.taps_w; j++) {
            let first_weight = (params.w_first + i * params.w_step_h + j * params.w_step_w) * c_x;
            {% for j in range(per_lane) %}
            let base{{ j }} = input_base(row{{ j }}, i, j);
            let from{{ j }} = u32(max(base{{ j }}, 0));
            {% endfor %}
            for (var c = 0u; c < c_x; c += {{ 4 if x4 else 1 }}u) {
                {% for j in range(per_lane) %}
                {% if x4 %}
                let a{{ j }} = select(vec4<f32>(), x[(from{{ j }} + c) / 4u], base{{ j }} >= 0);
                {% else %}
                let a{{ j }} = select(0.0, x[from{{ j }} + c], base{{ j }} >= 0);
                {% endif %}
                {% endfor %}
                {% for k in range(4 if x4 else 1) %}
                let w{{ k }} = weights(first_weight + c + {{ k }}u, column);
                {% endfor %}
                {% for r in range(tile_rows) %}
                {% set a = "subgroupBroadcast(a" ~ (r // lanes) ~ ", " ~ (r % lanes) ~ "u)" %}
                {% if x4 %}
                let r{{ r }} = {{ a }};
                acc{{ r }} += r{{ r }}.x * w0;
                acc{{ r }} += r{{ r }}.y * w1;
                acc{{ r }} += r{{ r }}.z * w2;
                acc{{ r }} += r{{ r }}.w * w3;
                {% else %}
                acc{{ r }} += {{ a }} * w0;
                {% endif %}
                {% endfor %}
            }
        }
    }

    let bias = biases(column);
    {% for j in range(per_lane) %}
    // Rows past the end carry the all-ones pixel.
    let pixel{{ j }} = select(0xffffffffu, output_pixel(row{{ j }}), row{{ j }}.inside);
    {% endfor %}
    {% for r in range(tile_rows) %}
    let p{{ r }} = subgroupBroadcast(pixel{{ r // lanes }}, {{ r % lanes }}u);
    if p{{ r }} != 0xffffffffu { store(p{{ r }}, column, acc{{ r }} + bias); }
    {% endfor %}
}
{% else %}

// [channel of the tile][row], rows padded from 32 to 36 to spread the banks; [channel][quad of columns].
var<workgroup> a_tile: array<f32, 288>;
var<workgroup> w_tile: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let first_row = (group.y * groups.x + group.x) * 32u;
    let first_column = group.z * 32u;
    let c_x = params.c_x;
    // Loading: row local / 2, channels (local % 2) * 4 .. + 3; weight channel local / 8, columns (local % 8) * 4 .. + 3.
    let load_row = row_at(first_row + local / 2u);
    let load_c = (local % 2u) * 4u;
    let a_slot = load_c * 36u + local / 2u;
    let load_column = first_column + (local % 8u) * 4u;
    // Computing: rows (local / 8) * 4 .. + 3, columns (local % 8) * 4 .. + 3.
    let a_row = (local / 8u) * 4u;
    let quad = local % 8u;
    var acc0 = vec4<f32>();
    var acc1 = vec4<f32>();
    var acc2 = vec4<f32>();
    var acc3 = vec4<f32>();

    for (var i = 0u; i < params.taps_h; i++) {
        for (var j = 0u; j < params.taps_w; j++) {
            let first_weight = (params.w_first + i * params.w_step_h + j * params.w_step_w) * c_x;
            let base = input_base(load_row, i, j);
            let start = u32(max(base, 0));
            for (var c = 0u; c < c_x; c += 8u) {
                var a = vec4<f32>();
                let ca = c + load_c;
                {% if x4 %}
                if base >= 0 && ca < c_x { a = x[(start + ca) / 4u]; }
                {% else %}
                if base >= 0 {
                    if ca < c_x { a.x = x[start + ca]; }
                    if ca + 1u < c_x { a.y = x[start + ca + 1u]; }
                    if ca + 2u < c_x { a.z = x[start + ca + 2u]; }
                    if ca + 3u < c_x { a.w = x[start + ca + 3u]; }
                }
                {% endif %}
                var weight = vec4<f32>();
                let cw = c + local / 8u;
                if cw < c_x { weight = weights(first_weight + cw, load_column); }
                workgroupBarrier();
                a_tile[a_slot] = a.x;
                a_tile[a_slot + 36u] = a.y;
                a_tile[a_slot + 72u] = a.z;
                a_tile[a_slot + 108u] = a.w;
                w_tile[local] = weight;
                workgroupBarrier();
                {% for k in range(8) %}
                let w{{ k }} = w_tile[{{ k * 8 }}u + quad];
                acc0 += a_tile[{{ k * 36 }}u + a_row] * w{{ k }};
                acc1 += a_tile[{{ k * 36 + 1 }}u + a_row] * w{{ k }};
                acc2 += a_tile[{{ k * 36 + 2 }}u + a_row] * w{{ k }};
                acc3 += a_tile[{{ k * 36 + 3 }}u + a_row] * w{{ k }};
                {% endfor %}
            }
        }
    }

    let column = first_column + quad * 4u;
    let bias = biases(column);
    {% for r in range(4) %}
    let row{{ r }} = row_at(first_row + a_row + {{ r }}u);
    if row{{ r }}.inside { store(output_pixel(row{{ r }}), column, acc{{ r }} + bias); }
    {% endfor %}
}
{% endif %}
