// Winograd's F(6x6, 3x3), F(4x4, 3x3) and F(4x4, 2x2) (Lavin and Gray 2016): a convolution of stride 1 by tiles of 6 x 6 (4 x 4) outputs, in
// 64 (36, 25) products a tile and channel pair instead of 324 (144, 64). With matrices A, B and G, d a tile of the input and g a window:
// Y = A^T [(G g G^T) * (B^T d B)] A. Small passes transform every tile (V = B^T d B), window (U) and result; between them are as many matrix
// products M[k] = V[k] U[k], conv2d's kernel. As Y is linear in U, the weight gradient is G^T [V * (A dy A^T)] G, summed over tiles: the
// products that conv2d.backward_params computes.
// Template (minijinja). Settings: window, 3 or 2; side of a tile's outputs, 4, or 6 with windows of 3; bias; slope: whether the result is
// multiplied by the slope of an activation at `extra`; turned: in passes that share one transformed dy (src/ops/conv2d/winograd/backward.rs),
// the first pixel, down and across, of a tile's input that is no other tile's: these pixels' sums are one more matrix, and windows come out
// reversed; reversed: whether the weights' pass takes windows for backward_input, turned round and transposed; vector: LANES. activate and
// slope stand in front, as do F and S; behind it stand the passes, winograd_tiles.wgsl or winograd_columns.wgsl.

struct Params {
    count: u32,             // tiles; rows of c_y weights, in the passes over weights: c_x
    groups: u32,            // c / LANES; in the passes over weights c_y / LANES
    stride: u32,            // tiles from one matrix to the next; the weight gradient's: rows of a matrix
    padding: u32,
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
{% for name, size in [("Points", points), ("Outputs", side), ("Window", window)] %}
struct {{ name }} { {% for i in range(size) %}v{{ i }}: F, {% endfor %} }
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
{{ product("g_times", g, "Window", "Points") }}
{{ transposed_product("a_transposed_times", a, "Points", "Outputs") }}
{{ product("a_times", a, "Outputs", "Points") }}
{{ transposed_product("g_transposed_times", g, "Points", "Window") }}

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

// Of the passes: input, the output's gradient, or, where dy is transformed as an input, the input itself (Z for V, dy for x and no padding).
@group(0) @binding(1) var<storage, read> x: array<S>;               // [n, h, w, c]
@group(0) @binding(2) var<storage, read_write> v: array<S>;         // [matrices, stride, c]

// Weights.
@group(0) @binding(1) var<storage, read> w: array<{{ "f32" if reversed else "S" }}>;  // [taps, c_x, c_y], reversed [taps, c_y, c_x]
@group(0) @binding(2) var<storage, read_write> u: array<S>;         // [matrices, c_x, c_y]

// Output.
@group(0) @binding(1) var<storage, read> m: array<S>;               // [matrices, stride, c]
{% if bias or slope %}
@group(0) @binding(2) var<storage, read> extra: array<S>;           // the bias [c], or what the slope is taken at: y's shape
{% endif %}
@group(0) @binding({{ 3 if bias or slope else 2 }}) var<storage, read_write> y: array<S>;   // [n, h, w, c]

// Weight gradient.
@group(0) @binding(1) var<storage, read> partial: array<S>;         // [slices, matrices, rows, c_y], the row behind the weights' is the bias's
@group(0) @binding(2) var<storage, read_write> dw: array<S>;        // [taps, c_x, c_y]
{% if bias %}
@group(0) @binding(3) var<storage, read_write> db: array<S>;        // [c_y]
{% endif %}

// LANES weights of a tap, as the product has it: reversed ones are turned round and transposed.
fn window_at(tap: u32, x_channel: u32, g: u32) -> F {
    {% if reversed %}
    let first = ({{ window * window - 1 }}u - tap) * params.groups * LANES + g * LANES;
    return F({% for j in range(vector) %}{{ ", " if j }}w[(first + {{ j }}u) * params.count + x_channel]{% endfor %});
    {% else %}
    return load(w[(tap * params.count + x_channel) * params.groups + g]);
    {% endif %}
}

// What becomes of an output.
fn finished(at: u32, value: F) -> F {
    {% if slope %}
    return value * slope(load(extra[at]));
    {% else %}
    return activate(value);
    {% endif %}
}

fn bias_of(g: u32) -> F {
    {% if bias %}
    return load(extra[g]);
    {% else %}
    return F();
    {% endif %}
}

// The slices' sums of matrix k, in order: LANES columns, the i-th of the matrix.
fn sum(k: u32, i: u32) -> F {
    let matrix = params.stride * params.groups;
    var total = F();
    for (var s = 0u; s < params.slices; s++) {
        total += load(partial[(s * {{ matrices }}u + k) * matrix + i]);
    }
    return total;
}
{% if bias %}
// The point 1 adds up a tile's gradients, so that its matrix has their sum in the bias's row; or a matrix of its own has.
fn sum_of_bias(g: u32) -> F {
    return sum({{ points * points if turned else points + 1 }}u, params.count * params.groups + g);
}
{% endif %}
