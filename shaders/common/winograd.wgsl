// Winograd's F(4x4, 3x3) (Lavin and Gray 2016): a 3 x 3 convolution of stride 1 by tiles of 4 x 4 outputs, in 36 products a tile and
// channel pair instead of 144. Three passes around 36 matrix products: V = B^T d B of every 6 x 6 tile of the input, U = G w G^T of
// every window, M[k] = V[k] U[k] (the convolution's core), Y = A^T M A.
// Template (minijinja). Settings: bias; slope: whether the result is multiplied by the slope of an activation at `extra`. activate and
// slope stand in front, as do F and S.

struct Params {
    count: u32,             // invocations
    groups: u32,            // c / LANES; the weights' pass: c_x
    stride: u32,            // tiles from one of the 36 matrices to the next; the weights' pass: c_y
    reversed: u32,          // the weights' pass: 1 for backward_input, whose windows are reversed and transposed
    tiles: vec2<u32>,       // tiles of a map, height and width from here on
    size: vec2<u32>,        // the map that a pass reads or writes
    pad: vec2<u32>,         // before the first input
    padding: vec2<u32>,
}
@group(0) @binding(0) var<uniform> params: Params;

struct Six { v0: F, v1: F, v2: F, v3: F, v4: F, v5: F }
struct Four { v0: F, v1: F, v2: F, v3: F }

// A tile's sample, and its place in the map.
struct Tile { n: u32, h: u32, w: u32 }
fn tile_at(i: u32) -> Tile {
    let line = i / params.tiles.y;
    return Tile(line / params.tiles.x, line % params.tiles.x, i % params.tiles.y);
}

// ---- input: V [36, stride, c] of x; one invocation LANES channels of a tile

@group(0) @binding(1) var<storage, read> x: array<S>;               // [n, h, w, c]
@group(0) @binding(2) var<storage, read_write> v: array<F>;         // [36, stride, c]

// A pixel, 0 in the padding. Unsigned: what lies before the map wraps to over its size.
fn pixel(t: Tile, g: u32, r: u32, c: u32) -> F {
    let h = t.h * 4u + r - params.pad.x;
    let w = t.w * 4u + c - params.pad.y;
    let there = h < params.size.x && w < params.size.y;
    let at = ((t.n * params.size.x + h) * params.size.y + w) * params.groups + g;
    return select(F(), load(x[select(0u, at, there)]), there);
}

fn b_transposed(d: Six) -> Six {
    return Six(4.0 * d.v0 - 5.0 * d.v2 + d.v4,
               (d.v3 + d.v4) - 4.0 * (d.v1 + d.v2),
               (d.v4 - d.v3) + 4.0 * (d.v1 - d.v2),
               (d.v4 - d.v2) + 2.0 * (d.v3 - d.v1),
               (d.v4 - d.v2) + 2.0 * (d.v1 - d.v3),
               4.0 * d.v1 - 5.0 * d.v3 + d.v5);
}

@compute @workgroup_size(64)
fn transform_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        {% for r in range(6) %}
        let row{{ r }} = b_transposed(Six(pixel(t, g, {{ r }}u, 0u), pixel(t, g, {{ r }}u, 1u), pixel(t, g, {{ r }}u, 2u),
                                  pixel(t, g, {{ r }}u, 3u), pixel(t, g, {{ r }}u, 4u), pixel(t, g, {{ r }}u, 5u)));
        {% endfor %}
        let step = params.stride * params.groups;
        {% for c in range(6) %}
        let column{{ c }} = b_transposed(Six(row0.v{{ c }}, row1.v{{ c }}, row2.v{{ c }}, row3.v{{ c }}, row4.v{{ c }}, row5.v{{ c }}));
        {% for r in range(6) %}
        v[i + {{ r * 6 + c }}u * step] = column{{ c }}.v{{ r }};
        {% endfor %}
        {% endfor %}
    }
}

// ---- weights: U [36, c_x, c_y] of w; one invocation a window

@group(0) @binding(1) var<storage, read> w: array<f32>;             // [9, c_x, c_y], or [9, c_y, c_x] if reversed
@group(0) @binding(2) var<storage, read_write> u: array<f32>;       // [36, c_x, c_y]

struct Three { v0: f32, v1: f32, v2: f32 }
struct Factors { v0: f32, v1: f32, v2: f32, v3: f32, v4: f32, v5: f32 }

fn g_times(w: Three) -> Factors {
    let even = w.v0 + w.v2;
    let wide = w.v0 + 4.0 * w.v2;
    return Factors(0.25 * w.v0, (-1.0 / 6.0) * (even + w.v1), (-1.0 / 6.0) * (even - w.v1),
                   (1.0 / 24.0) * (wide + 2.0 * w.v1), (1.0 / 24.0) * (wide - 2.0 * w.v1), w.v2);
}

@compute @workgroup_size(64)
fn transform_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let c_x = params.groups;
        let c_y = params.stride;
        let x_channel = i / c_y;
        let y_channel = i % c_y;
        let flipped = params.reversed == 1u;
        let first = select(i, y_channel * c_x + x_channel, flipped);
        {% for t in range(9) %}
        let w{{ t }} = w[first + select({{ t }}u, {{ 8 - t }}u, flipped) * params.count];
        {% endfor %}
        {% for r in range(3) %}
        let row{{ r }} = g_times(Three(w{{ r * 3 }}, w{{ r * 3 + 1 }}, w{{ r * 3 + 2 }}));
        {% endfor %}
        {% for c in range(6) %}
        let column{{ c }} = g_times(Three(row0.v{{ c }}, row1.v{{ c }}, row2.v{{ c }}));
        {% for r in range(6) %}
        u[i + {{ r * 6 + c }}u * params.count] = column{{ c }}.v{{ r }};
        {% endfor %}
        {% endfor %}
    }
}

// ---- output: y of M [36, stride, c]; one invocation LANES channels of a tile

@group(0) @binding(1) var<storage, read> m: array<S>;               // [36, stride, c]
{% if bias or slope %}
@group(0) @binding(2) var<storage, read> extra: array<S>;           // the bias [c], or what the slope is taken at: y's shape
{% endif %}
@group(0) @binding({{ 3 if bias or slope else 2 }}) var<storage, read_write> y: array<F>;   // [n, h, w, c]

fn a_transposed(m: Six) -> Four {
    let sum1 = m.v1 + m.v2;
    let sum3 = m.v3 + m.v4;
    let difference1 = m.v1 - m.v2;
    let difference3 = m.v3 - m.v4;
    return Four((m.v0 + sum1) + sum3, difference1 + 2.0 * difference3, sum1 + 4.0 * sum3,
                (difference1 + 8.0 * difference3) + m.v5);
}

fn finish(t: Tile, g: u32, r: u32, c: u32, value: F) {
    let h = t.h * 4u + r;
    let w = t.w * 4u + c;
    if h < params.size.x && w < params.size.y {
        let at = ((t.n * params.size.x + h) * params.size.y + w) * params.groups + g;
        {% if slope %}
        y[at] = value * slope(load(extra[at]));
        {% else %}
        y[at] = activate(value);
        {% endif %}
    }
}

@compute @workgroup_size(64)
fn transform_output(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        let step = params.stride * params.groups;
        {% for r in range(6) %}
        let row{{ r }} = a_transposed(Six(load(m[i + {{ r * 6 }}u * step]), load(m[i + {{ r * 6 + 1 }}u * step]),
                                  load(m[i + {{ r * 6 + 2 }}u * step]), load(m[i + {{ r * 6 + 3 }}u * step]),
                                  load(m[i + {{ r * 6 + 4 }}u * step]), load(m[i + {{ r * 6 + 5 }}u * step])));
        {% endfor %}
        {% if bias %}
        let bias = load(extra[g]);
        {% else %}
        let bias = F();
        {% endif %}
        {% for c in range(4) %}
        let column{{ c }} = a_transposed(Six(row0.v{{ c }}, row1.v{{ c }}, row2.v{{ c }}, row3.v{{ c }}, row4.v{{ c }}, row5.v{{ c }}));
        {% for r in range(4) %}
        finish(t, g, {{ r }}u, {{ c }}u, column{{ c }}.v{{ r }} + bias);
        {% endfor %}
        {% endfor %}
    }
}
