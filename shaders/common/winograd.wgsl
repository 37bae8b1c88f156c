// Winograd's F(6x6, 3x3), F(4x4, 3x3) and F(4x4, 2x2) (Lavin and Gray 2016): a convolution of stride 1 by tiles of 6 x 6 (4 x 4) outputs, in
// 64 (36, 25) products a tile and channel pair instead of 324 (144, 64). With matrices A, B and G, d a tile of the input and g a window:
// Y = A^T [(G g G^T) * (B^T d B)] A. Small passes transform every tile (V = B^T d B), window (U) and result; between them are as many matrix
// products M[k] = V[k] U[k], conv2d's kernel. As Y is linear in U, the weight gradient is G^T [V * (A dy A^T)] G, summed over tiles: the
// products that conv2d.backward_params computes.
// Template (minijinja). Settings: window, 3 or 2; side of a tile's outputs, 4, or 6 with windows of 3; bias; slope: whether the result is
// multiplied by the slope of an activation at `extra`; turned: in passes that share one transformed dy (src/ops/conv2d/winograd/backward.rs),
// the first pixel, down and across, of a tile's input that is no other tile's: these pixels' sums are one more matrix, and windows come out
// reversed. activate and slope stand in front, as do F and S.

struct Params {
    count: u32,             // invocations
    groups: u32,            // c / LANES; the weights' pass: c_x; the weight gradient's: c_y / LANES
    stride: u32,            // tiles from one matrix to the next; the weights' pass: c_y; the weight gradient's: rows of a matrix
    reversed: u32,          // the weights' pass: 1 for backward_input, whose windows are reversed and transposed
    tiles: vec2<u32>,       // tiles of a map, height and width from here on
    size: vec2<u32>,        // the map that a pass reads or writes
    pad: vec2<u32>,         // before the first input
    samples: u32,           // of the maps; tiles after theirs are zeros
    slices: u32,            // the weight gradient's pass: partial sums to add, in order
}
@group(0) @binding(0) var<uniform> params: Params;

{# The points at which polynomials are multiplied are, in the matrices' order, for tiles of 6: 0, 1, -1, 2, -2, 1/2, -1/2; for tiles of 4: 0, 1,
   -1, 1/2, -2 (windows of 2: 0, 1, -1/2, -2); and infinity. Of those with small numbers these round least (after Barabasz, Anderson,
   Soodhalter and Gregg 2020). Rows of B and G are scaled so that B's are whole. `pairs`: rows that are at p and, the next one, at -p: every
   other number is the same, the others are opposite, so that two products cost as much as one. #}
{% set pairs = [1, 3, 5] if side == 6 else [] %}
{% if side == 6 %}
{% set a = [[1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1, -1, 1, -1, 1, -1], [1, 2, 4, 8, 16, 32], [1, -2, 4, -8, 16, -32],
            [1, 1/2, 1/4, 1/8, 1/16, 1/32], [1, -1/2, 1/4, -1/8, 1/16, -1/32], [0, 0, 0, 0, 0, 1]] %}
{% set b = [[-4, 0, 21, 0, -21, 0, 4, 0], [0, 4, 4, -17, -17, 4, 4, 0], [0, -4, 4, 17, -17, -4, 4, 0], [0, 2, 1, -10, -5, 8, 4, 0],
            [0, -2, 1, 10, -5, -8, 4, 0], [0, 4, 8, -5, -10, 1, 2, 0], [0, -4, 8, 5, -10, -1, 2, 0], [0, -4, 0, 21, 0, -21, 0, 4]] %}
{% set g = [[-1/4, 0, 0], [-1/18, -1/18, -1/18], [-1/18, 1/18, -1/18], [1/360, 1/180, 1/90], [1/360, -1/180, 1/90],
            [16/45, 8/45, 4/45], [16/45, -8/45, 4/45], [0, 0, 1/4]] %}
{% elif window == 3 %}
{% set a = [[1, 0, 0, 0], [1, 1, 1, 1], [1, -1, 1, -1], [1, 1/2, 1/4, 1/8], [1, -2, 4, -8], [0, 0, 0, 1]] %}
{% set b = [[2, -3, -4, 3, 2, 0], [0, -2, 1, 5, 2, 0], [0, 2, -5, 1, 2, 0], [0, -2, -1, 2, 1, 0], [0, 1, -2, -1, 2, 0], [0, 2, -3, -4, 3, 2]] %}
{% set g = [[1/2, 0, 0], [1/6, 1/6, 1/6], [-1/6, 1/6, -1/6], [-16/15, -8/15, -4/15], [1/30, -1/15, 2/15], [0, 0, 1/2]] %}
{% else %}
{% set a = [[1, 0, 0, 0], [1, 1, 1, 1], [1, -1/2, 1/4, -1/8], [1, -2, 4, -8], [0, 0, 0, 1]] %}
{% set b = [[-2, -3, 3, 2, 0], [0, 2, 5, 2, 0], [0, -2, 1, 1, 0], [0, -1, -1, 2, 0], [0, -2, -3, 3, 2]] %}
{% set g = [[-1/2, 0], [1/9, 1/9], [8/9, -4/9], [-1/18, 1/9], [0, 1/2]] %}
{% endif %}
{% set points = window + side - 1 %}
{% set matrices = points * points + (1 if turned else 0) %}

// A line of a tile's input or of its products; of its outputs; of a window.
{% for name, size, type in [("Points", points, "F"), ("Outputs", side, "F"), ("Factors", points, "f32"), ("Window", window, "f32"), ("Gradients", window, "F")] %}
struct {{ name }} { {% for i in range(size) %}v{{ i }}: {{ type }}, {% endfor %} }
{% endfor %}
{% macro term(factor, value) %}{% if factor == 1 %}{{ value }}{% elif factor == -1 %}-{{ value }}{% else %}{{ factor | float }} * {{ value }}{% endif %}{% endmacro %}
{# The sum of x.v0 .., each times its number in `row`, for those whose number in `other` is `sign` times the same. #}
{% macro sum(row, other, sign) %}
{%- for j in range(row | length) if row[j] != 0 and row[j] == sign * other[j] %}{{ " + " if not loop.first }}{{ term(row[j], "x.v" ~ j) }}{% endfor -%}
{% endmacro %}
{% macro product(name, matrix, from, to) %}
fn {{ name }}(x: {{ from }}) -> {{ to }} {
    {% for i in pairs %}
    let same{{ i }} = {{ sum(matrix[i], matrix[i + 1], 1) }};
    let opposite{{ i }} = {{ sum(matrix[i], matrix[i + 1], -1) }};
    {% endfor %}
    return {{ to }}(
        {% for i in range(matrix | length) %}
        {% if i in pairs %}same{{ i }} + opposite{{ i }}{% elif (i - 1) in pairs %}same{{ i - 1 }} - opposite{{ i - 1 }}{% else %}{{ sum(matrix[i], matrix[i], 1) }}{% endif %},
        {% endfor %}
    );
}
{% endmacro %}
{% macro transposed_product(name, matrix, from, to) %}
fn {{ name }}(x: {{ from }}) -> {{ to }} {
    {% for j in pairs %}
    let sum{{ j }} = x.v{{ j }} + x.v{{ j + 1 }};
    let difference{{ j }} = x.v{{ j }} - x.v{{ j + 1 }};
    {% endfor %}
    return {{ to }}(
        {% for i in range(matrix[0] | length) %}
        {% for j in range(matrix | length) if matrix[j][i] != 0 and (j - 1) not in pairs -%}
        {% set of_pair = "sum" if j in pairs and matrix[j][i] == matrix[j + 1][i] else "difference" -%}
        {{ " + " if not loop.first }}{{ term(matrix[j][i], of_pair ~ j if j in pairs else "x.v" ~ j) }}
        {%- endfor %},
        {% endfor %}
    );
}
{% endmacro %}
{{ product("b_times", b, "Points", "Points") }}
{{ product("g_times", g, "Window", "Factors") }}
{{ transposed_product("a_transposed_times", a, "Points", "Outputs") }}
{{ product("a_times", a, "Outputs", "Points") }}
{{ transposed_product("g_transposed_times", g, "Points", "Gradients") }}

// A tile's sample, and its place in the map.
struct Tile { n: u32, h: u32, w: u32 }
fn tile_at(i: u32) -> Tile {
    let line = i / params.tiles.y;
    return Tile(line / params.tiles.x, line % params.tiles.x, i % params.tiles.y);
}

// A pixel's place in a map of `params.size`, and whether it is on it. Unsigned: what lies before the map wraps to over its size.
struct Place { at: u32, there: bool }
fn place(t: Tile, g: u32, h: u32, w: u32) -> Place {
    let there = h < params.size.x && w < params.size.y && t.n < params.samples;
    return Place(select(0u, ((t.n * params.size.x + h) * params.size.y + w) * params.groups + g, there), there);
}

// ---- input: V [matrices, stride, c] of x; one invocation LANES channels of a tile

@group(0) @binding(1) var<storage, read> x: array<S>;               // [n, h, w, c]
@group(0) @binding(2) var<storage, read_write> v: array<S>;         // [matrices, stride, c]

// 0 in the padding.
fn pixel(t: Tile, g: u32, r: u32, c: u32) -> F {
    let p = place(t, g, t.h * {{ side }}u + r - params.pad.x, t.w * {{ side }}u + c - params.pad.y);
    return select(F(), load(x[p.at]), p.there);
}

@compute @workgroup_size(64)
fn transform_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        {% for r in range(points) %}
        let x{{ r }} = Points({% for c in range(points) %}pixel(t, g, {{ r }}u, {{ c }}u), {% endfor %});
        let row{{ r }} = b_times(x{{ r }});
        {% endfor %}
        let step = params.stride * params.groups;
        {% if turned %}
        v[i + {{ points * points }}u * step] = stored(
            {%- for r in range(side) %}{% for c in range(side) %}
            {{- " + " if r + c > 0 }}x{{ turned[0] + r }}.v{{ turned[1] + c }}
            {%- endfor %}{% endfor %});
        {% endif %}
        {% for c in range(points) %}
        let column{{ c }} = b_times(Points({% for r in range(points) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(points) %}
        v[i + {{ r * points + c }}u * step] = stored(column{{ c }}.v{{ r }});
        {% endfor %}
        {% endfor %}
    }
}

// ---- weights: U [matrices, c_x, c_y] of w; one invocation a window

@group(0) @binding(1) var<storage, read> w: array<f32>;             // [taps, c_x, c_y], or [taps, c_y, c_x] if reversed
@group(0) @binding(2) var<storage, read_write> u: array<f32>;       // [matrices, c_x, c_y]

@compute @workgroup_size(64)
fn transform_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let c_x = params.groups;
        let c_y = params.stride;
        let x_channel = i / c_y;
        let y_channel = i % c_y;
        let flipped = params.reversed == 1u;
        let first = select(i, y_channel * c_x + x_channel, flipped);
        {% for t in range(window * window) %}
        let w{{ t }} = w[first + select({{ t }}u, {{ window * window - 1 - t }}u, flipped) * params.count];
        {% endfor %}
        {% for r in range(window) %}
        let row{{ r }} = g_times(Window({% for c in range(window) %}w{{ r * window + c }}, {% endfor %}));
        {% endfor %}
        {% for c in range(points) %}
        let column{{ c }} = g_times(Window({% for r in range(window) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(points) %}
        u[i + {{ r * points + c }}u * params.count] = column{{ c }}.v{{ r }};
        {% endfor %}
        {% endfor %}
    }
}

// ---- output: y of M [matrices, stride, c]; one invocation LANES channels of a tile

@group(0) @binding(1) var<storage, read> m: array<S>;               // [matrices, stride, c]
{% if bias or slope %}
@group(0) @binding(2) var<storage, read> extra: array<S>;           // the bias [c], or what the slope is taken at: y's shape
{% endif %}
@group(0) @binding({{ 3 if bias or slope else 2 }}) var<storage, read_write> y: array<S>;   // [n, h, w, c]

fn finish(t: Tile, g: u32, r: u32, c: u32, value: F) {
    let p = place(t, g, t.h * {{ side }}u + r, t.w * {{ side }}u + c);
    if p.there {
        {% if slope %}
        y[p.at] = stored(value * slope(load(extra[p.at])));
        {% else %}
        y[p.at] = stored(activate(value));
        {% endif %}
    }
}

@compute @workgroup_size(64)
fn transform_output(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        let step = params.stride * params.groups;
        {% for r in range(points) %}
        let row{{ r }} = a_transposed_times(Points({% for c in range(points) %}load(m[i + {{ r * points + c }}u * step]), {% endfor %}));
        {% endfor %}
        {% if bias %}
        let bias = load(extra[g]);
        {% else %}
        let bias = F();
        {% endif %}
        {% for c in range(side) %}
        let column{{ c }} = a_transposed_times(Points({% for r in range(points) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(side) %}
        finish(t, g, {{ r }}u, {{ c }}u, column{{ c }}.v{{ r }} + bias);
        {% endfor %}
        {% endfor %}
    }
}

// ---- output's gradient, or, where dy is transformed as an input, the input: as the input, Z for V, dy for x and no padding

@compute @workgroup_size(64)
fn transform_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        {% for r in range(side) %}
        let row{{ r }} = a_times(Outputs({% for c in range(side) %}pixel(t, g, {{ r }}u, {{ c }}u), {% endfor %}));
        {% endfor %}
        let step = params.stride * params.groups;
        {% for c in range(points) %}
        let column{{ c }} = a_times(Outputs({% for r in range(side) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(points) %}
        v[i + {{ r * points + c }}u * step] = stored(column{{ c }}.v{{ r }});
        {% endfor %}
        {% endfor %}
    }
}

// ---- weight gradient: dw, and db, of the products' partial sums; one invocation LANES columns of a row

@group(0) @binding(1) var<storage, read> partial: array<S>;         // [slices, matrices, rows, c_y], the row behind the weights' is the bias's
@group(0) @binding(2) var<storage, read_write> dw: array<S>;        // [taps, c_x, c_y]
{% if bias %}
@group(0) @binding(3) var<storage, read_write> db: array<S>;        // [c_y]
{% endif %}

fn sum(i: u32, k: u32) -> F {
    let matrix = params.stride * params.groups;
    var total = F();
    for (var s = 0u; s < params.slices; s++) {
        total += load(partial[(s * {{ matrices }}u + k) * matrix + i]);
    }
    return total;
}

@compute @workgroup_size(64)
fn sum_products(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        {% for r in range(points) %}
        let row{{ r }} = g_transposed_times(Points({% for c in range(points) %}sum(i, {{ r * points + c }}u), {% endfor %}));
        {% endfor %}
        {% for c in range(window) %}
        let column{{ c }} = g_transposed_times(Points({% for r in range(points) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(window) %}
        dw[i + {{ window * window - 1 - r * window - c if turned else r * window + c }}u * params.count] = stored(column{{ c }}.v{{ r }});
        {% endfor %}
        {% endfor %}
        {% if bias %}
        // The point 1 adds up a tile's gradients, so that its matrix has their sum in the bias's row; or a matrix of its own has.
        if i < params.groups { db[i] = stored(sum(params.count + i, {{ points * points if turned else points + 1 }}u)); }
        {% endif %}
    }
}
