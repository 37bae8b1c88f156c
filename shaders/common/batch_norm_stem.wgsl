// batch_norm.wgsl's passes behind a convolution of few channels and in front of a max pool that covers its map: what a convolution would
// write, they compute wherever they need it, a window of the pool at a time.
//
//   stem_statistics: partial [strips, 4, c], as batch_norm.statistics leaves them
//   stem_forward:    the pool's output
//   stem_sums:       partial sums [strips, 2, c], as batch_norm.backward_sums leaves them
//   stem_backward:   partial sums [strips, taps + 1, c] of the convolution's weight gradients and, behind them, of its bias's
//
// Template (minijinja): `pass` is which. A lane owns a channel group of LANES, all weights of it in registers, and walks a strip of lines
// of windows; a workgroup is `size` lanes. indices: a weight's row, column and channel. window, stride: of the pool, of the convolution.
// patch: the pixels that a window of the pool needs, (row, column), and the tap j of the window's column s that has it.
// With `shared` a workgroup is a subgroup: each lane loads the pixels for one of the next columns (`loads`: row, tap j), and what a window
// needs is broadcast, `turn` windows a load; else each lane loads them itself, with `apart` from addresses of which
// compilers cannot know that they are every lane's. whole: a line's windows are whole turns.
//
// A window's maximum is where the convolution's output is largest, or least where gamma is negative, and the first pixel where it is 0: what
// follows, a scale and an activation, may make values equal, but never changes their order. Backward finds it as forward did, so that nothing
// is kept for it.
//
// Preludes: the activation behind the convolution, named front_activate and front_slope; that behind the batch norm, activate.

struct Params {
    groups: u32,            // channel groups: c / LANES
    lines: u32,             // lines of windows of this dispatch: n * out_h
    strip_lines: u32,       // of one strip
    first_strip: u32,       // partial index of this dispatch's strip 0
    out_h: u32,             // lines and columns of windows
    out_w: u32,
    in_h: u32,              // of the image
    in_w: u32,
    pad_h: u32,
    pad_w: u32,
    batch_rows: f32,        // pixels of the convolution's output, the whole batch's
    nothing: u32,           // 0
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                 // [n, in_h, in_w, {{ channels }}]
@group(0) @binding(2) var<storage, read> weights: array<S>;             // [taps, c]
@group(0) @binding(3) var<storage, read> biases: array<S>;              // [c]; without biases anything
{% if pass == "statistics" %}
@group(0) @binding(4) var<storage, read_write> partial: array<S>;
{% else %}
@group(0) @binding(4) var<storage, read> stats: array<S>;               // [5, c]: shift, delta, rstd, gamma, beta
{% endif %}
{% if pass == "forward" %}
@group(0) @binding(5) var<storage, read_write> y: array<S>;             // [n, out_h, out_w, c]
{% endif %}
{% if pass == "sums" %}
@group(0) @binding(5) var<storage, read> dy: array<S>;                  // [n, out_h, out_w, c]
@group(0) @binding(6) var<storage, read_write> partial: array<S>;
{% endif %}
{% if pass == "backward" %}
@group(0) @binding(5) var<storage, read> sums: array<S>;                // [2, c]: dbeta, dgamma
@group(0) @binding(6) var<storage, read> dy: array<S>;                  // [n, out_h, out_w, c]
@group(0) @binding(7) var<storage, read_write> partial: array<S>;
{% endif %}

// First pixel of line `h` of a sample's image; -1 in the padding.
fn line_base(sample: u32, h: u32) -> i32 {
    // Unsigned arithmetic: a line above the image wraps to over every size.
    return select(-1, i32((sample * params.in_h + h) * params.in_w), h < params.in_h);
}

fn pixel(base: i32, w: u32, c: u32) -> f32 {
    let there = base >= 0 && w < params.in_w;
    let at = select(0u, (u32(base) + w) * {{ channels }}u + c, there);
    return select(0.0, x[at], there);
}

{# A window: its pixels, and the convolution's outputs v in it. #}
{% macro outputs(k) %}
    {% for row, column, j, s in patch %}
    {% for c in range(channels) %}
    {% if shared %}
    let p{{ row }}_{{ column }}_{{ c }} = subgroupBroadcast(a{{ row }}_{{ j }}_{{ c }}, {{ k * window[1] + s }}u);
    {% else %}
    let p{{ row }}_{{ column }}_{{ c }} = pixel(base{{ row }}, first * {{ window[1] * stride[1] }}u + {{ column }}u - pad_w, {{ c }}u);
    {% endif %}
    {% endfor %}
    {% endfor %}
    {% for r, s in pixels %}
    let v{{ r }}_{{ s }} = front_activate(
        {% for i, j, c in indices %}
        p{{ r * stride[0] + i }}_{{ s * stride[1] + j }}_{{ c }} * w{{ i }}_{{ j }}_{{ c }} +
        {% endfor %}
        bias);
    {% endfor %}
{% endmacro %}

@compute @workgroup_size({{ size }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    begin(params.lines);
    let inside = group.x * {{ size }}u + lane < params.groups;
    // Lanes past the last channel follow the others, for their pixels are broadcast, and store nothing.
    let g = min(group.x * {{ size }}u + lane, params.groups - 1u);
    {% for i, j, c in indices %}
    let w{{ i }}_{{ j }}_{{ c }} = load(weights[{{ loop.index0 }}u * params.groups + g]);
    {% endfor %}
    let bias = {% if bias %}load(biases[g]){% else %}F(){% endif %};
    {% if pass == "statistics" %}
    var rows = 0.0;
    var shift = F();
    var sum = F();
    var squares = F();
    {% else %}
    let shift = load(stats[g]);
    let delta = load(stats[params.groups + g]);
    let rstd = load(stats[2u * params.groups + g]);
    let scale = rstd * load(stats[3u * params.groups + g]);
    let offset = load(stats[4u * params.groups + g]);
    let direction = sign(scale);
    {% endif %}
    {% if pass == "sums" %}
    var sum = F();
    var products = F();
    {% endif %}
    {% if pass == "backward" %}
    let of_mean = scale * (load(sums[g]) / params.batch_rows);
    let of_product = scale * rstd * (load(sums[params.groups + g]) / params.batch_rows);
    var dbias = F();
    {% for i, j, c in indices %}
    var dw{{ i }}_{{ j }}_{{ c }} = F();
    {% endfor %}
    {% endif %}
    let pad_w = params.pad_w{% if apart %} + (lane & params.nothing){% endif %};
    let out_w = params.out_w;
    let begin_line = group.y * params.strip_lines;
    let end_line = min(begin_line + params.strip_lines, params.lines);
    for (var line = begin_line; line < end_line; line++) {
        let sample = line / params.out_h;
        let first_h = line % params.out_h * {{ window[0] * stride[0] }}u - params.pad_h;
        {% for row in rows %}
        let base{{ row }} = line_base(sample, first_h + {{ row }}u);
        {% endfor %}
        for (var first = 0u; first < out_w; first += {{ turn }}u) {
            {% if shared %}
            let own = (first * {{ window[1] }}u + lane) * {{ stride[1] }}u - pad_w;
            {% for row, j in loads %}
            {% for c in range(channels) %}
            let a{{ row }}_{{ j }}_{{ c }} = pixel(base{{ row }}, own + {{ j }}u, {{ c }}u);
            {% endfor %}
            {% endfor %}
            {% endif %}
            {% for k in range(turn) %}
            {
                {{ outputs(k) }}
                {% if not whole %}
                if first + {{ k }}u < out_w {
                {% endif %}
                {% if pass != "statistics" %}
                let o = (line * out_w + first + {{ k }}u) * params.groups + g;
                {% endif %}
                {% if pass == "statistics" %}
                shift = select(shift, v0_0, rows == 0.0);
                {% for r, s in pixels %}
                let d{{ r }}_{{ s }} = v{{ r }}_{{ s }} - shift;
                sum += d{{ r }}_{{ s }};
                squares += d{{ r }}_{{ s }} * d{{ r }}_{{ s }};
                {% endfor %}
                rows += {{ pixels | length }}.0;
                {% else %}
                // The first of the largest.
                var best = v0_0 * direction;
                {% for r, s in pixels[1:] %}
                let over{{ r }}_{{ s }} = v{{ r }}_{{ s }} * direction > best;
                best = select(best, v{{ r }}_{{ s }} * direction, over{{ r }}_{{ s }});
                {% endfor %}
                {% endif %}
                {% if pass == "forward" or pass == "sums" %}
                var of_best = v0_0;
                {% for r, s in pixels[1:] %}
                of_best = select(of_best, v{{ r }}_{{ s }}, over{{ r }}_{{ s }});
                {% endfor %}
                {% endif %}
                {% if pass == "forward" %}
                let nan = {% for r, s in pixels %}is_nan(v{{ r }}_{{ s }}){% if not loop.last %} | {% endif %}{% endfor %};
                // A NaN anywhere in the window makes one, as a pool does.
                of_best = select(of_best, {% for r, s in pixels %}v{{ r }}_{{ s }}{% if not loop.last %} + {% endif %}{% endfor %}, nan);
                if inside {
                    y[o] = stored(activate(((of_best - shift) - delta) * scale + offset));
                }
                {% elif pass == "sums" %}
                let d = load(dy[o]);
                sum += d;
                products += d * (((of_best - shift) - delta) * rstd);
                {% elif pass == "backward" %}
                let d = scale * load(dy[o]);
                // From the last one back: what was over all before it is the maximum, unless one behind it is over it.
                var beaten = B();
                {% for r, s in pixels | reverse %}
                {
                    let v = v{{ r }}_{{ s }};
                    {% if loop.last %}
                    let won = !beaten;
                    {% else %}
                    let won = over{{ r }}_{{ s }} & !beaten;
                    beaten = beaten | won;
                    {% endif %}
                    let gradient = (select(F(), d, won) - of_mean - ((v - shift) - delta) * of_product) * front_slope(v);
                    dbias += gradient;
                    {% for i, j, c in indices %}
                    dw{{ i }}_{{ j }}_{{ c }} += p{{ r * stride[0] + i }}_{{ s * stride[1] + j }}_{{ c }} * gradient;
                    {% endfor %}
                }
                {% endfor %}
                {% endif %}
                {% if not whole %}
                }
                {% endif %}
            }
            {% endfor %}
        }
    }
    {% if pass == "statistics" %}
    if inside {
        let slot = (params.first_strip + group.y) * 4u * params.groups + g;
        let from_shift = sum / rows;
        partial[slot] = stored(F() + rows);
        partial[slot + params.groups] = stored(shift);
        partial[slot + 2u * params.groups] = stored(from_shift);
        partial[slot + 3u * params.groups] = stored(max(squares - from_shift * sum, F()));
    }
    {% elif pass == "sums" %}
    if inside {
        let slot = (params.first_strip + group.y) * 2u * params.groups + g;
        partial[slot] = stored(sum);
        partial[slot + params.groups] = stored(products);
    }
    {% elif pass == "backward" %}
    if inside {
        let slot = (params.first_strip + group.y) * {{ (indices | length) + 1 }}u * params.groups + g;
        {% for i, j, c in indices %}
        partial[slot + {{ loop.index0 }}u * params.groups] = stored(dw{{ i }}_{{ j }}_{{ c }});
        {% endfor %}
        partial[slot + {{ indices | length }}u * params.groups] = stored(dbias);
    }
    {% endif %}
}
