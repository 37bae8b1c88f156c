// batch_norm.wgsl's passes behind a convolution of few channels and in front of a max pool that covers its map: what a convolution would
// write, they compute wherever they need it, a block of pixels at a time.
//
//   stem_statistics: partial [strips, 4, c], as batch_norm.statistics leaves them
//   stem_forward:    the pool's output, and with `keeps` the taps of its maxima
//   stem_sums:       partial sums [strips, 2, c], as batch_norm.backward_sums leaves them
//   stem_backward:   partial sums [strips, taps + 1, c] of the convolution's weight gradients and, behind them, of its bias's
//
// Template (minijinja): `pass` is which. A lane owns a channel group of LANES, all weights of it in registers, and walks a strip of lines
// of blocks; a workgroup is `size` lanes. indices: a weight's row, column and channel. stride: the convolution's; window, step: the pool's.
// block: height and width of a block, which is as wide as a step. patch: the image's pixels that it needs, (row, column), and the tap j of
// the block's column s that has it. With `shared` a workgroup is a subgroup: each lane loads the pixels for one of the next columns (`loads`:
// row, tap j), and what a block needs is broadcast, `turn` blocks a load; else each lane loads them itself, with `apart` from addresses of
// which compilers cannot know that they are every lane's. whole: a line's blocks are whole turns.
//
// A window's maximum is where the convolution's output is largest, or least where gamma is negative, and the first pixel where it is 0: what
// follows, a scale and an activation, may make values equal, but never changes their order. A block is a window where these lie side by side;
// backward finds its maximum as forward did, so that nothing is kept for it. Where a window is twice a step, down or across (`overlap`: 1),
// forward and sums join the halves of a window, blocks next to each other, and backward's blocks are a step high: of each window over them
// it looks whether what forward kept is the pixel's tap.
//
// Preludes: the activation behind the convolution, named front_activate and front_slope; that behind the batch norm, activate.

struct Params {
    groups: u32,            // channel groups: c / LANES
    lines: u32,             // lines of blocks of this dispatch: n * map_lines
    strip_lines: u32,       // of one strip
    first_strip: u32,       // partial index of this dispatch's strip 0
    map_lines: u32,         // lines of blocks of a sample, and blocks of a line
    columns: u32,
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
{% if keeps %}
@group(0) @binding(6) var<storage, read_write> kept: array<SU>;         // y's shape: i * window_w + j
{% endif %}
{% endif %}
{% if pass == "sums" %}
@group(0) @binding(5) var<storage, read> dy: array<S>;                  // [n, out_h, out_w, c]
@group(0) @binding(6) var<storage, read_write> partial: array<S>;
{% endif %}
{% if pass == "backward" %}
@group(0) @binding(5) var<storage, read> sums: array<S>;                // [2, c]: dbeta, dgamma
@group(0) @binding(6) var<storage, read> dy: array<S>;                  // [n, out_h, out_w, c]
{% if keeps %}
@group(0) @binding(7) var<storage, read> kept: array<SU>;               // dy's shape
{% endif %}
@group(0) @binding({{ 8 if keeps else 7 }}) var<storage, read_write> partial: array<S>;
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

{# A block: its pixels, and the convolution's outputs v in it. #}
{% macro outputs(k) %}
    {% for row, column, j, s in patch %}
    {% for c in range(channels) %}
    {% if shared %}
    let p{{ row }}_{{ column }}_{{ c }} = subgroupBroadcast(a{{ row }}_{{ j }}_{{ c }}, {{ k * step[1] + s }}u);
    {% else %}
    let p{{ row }}_{{ column }}_{{ c }} = pixel(base{{ row }}, first * {{ step[1] * stride[1] }}u + {{ column }}u - pad_w, {{ c }}u);
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
    let inside = group.x * {{ size }}u + place_of(lane) < params.groups;
    // Lanes past the last channel follow the others, for their pixels are broadcast, and store nothing.
    let g = min(group.x * {{ size }}u + place_of(lane), params.groups - 1u);
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
    let columns = params.columns;
    {% if pass != "statistics" %}
    let out_w = columns{% if overlap[1] %} - 1u{% endif %};
    {% endif %}
    let begin_line = group.y * params.strip_lines;
    let end_line = min(begin_line + params.strip_lines, params.lines);
    for (var line = begin_line; line < end_line; line++) {
        let sample = line / params.map_lines;
        let map_line = line % params.map_lines;
        let first_h = map_line * {{ step[0] * stride[0] }}u - params.pad_h;
        {% for row in rows %}
        let base{{ row }} = line_base(sample, first_h + {{ row }}u);
        {% endfor %}
        {% if joins %}
        // The maximum of the block before, and its tap.
        var left = F();
        var left_tap = U();
        {% endif %}
        {% if gathers and overlap[1] %}
        // Of the windows that begin a block before.
        {% for a in range(overlap[0] + 1) %}
        var d{{ a }}_1 = F();
        var tap{{ a }}_1 = U();
        {% endfor %}
        {% endif %}
        for (var first = 0u; first < columns; first += {{ turn }}u) {
            {% if shared %}
            let own = (first * {{ step[1] }}u + lane) * {{ stride[1] }}u - pad_w;
            {% for row, j in loads %}
            {% for c in range(channels) %}
            let a{{ row }}_{{ j }}_{{ c }} = pixel(base{{ row }}, own + {{ j }}u, {{ c }}u);
            {% endfor %}
            {% endfor %}
            {% endif %}
            {% for k in range(turn) %}
            {
                {{ outputs(k) }}
                let column = first + {{ k }}u;
                {% if not whole %}
                if column < columns {
                {% endif %}
                {% if pass == "statistics" %}
                shift = select(shift, v0_0, rows == 0.0);
                {% for r, s in pixels %}
                let d{{ r }}_{{ s }} = v{{ r }}_{{ s }} - shift;
                sum += d{{ r }}_{{ s }};
                squares += d{{ r }}_{{ s }} * d{{ r }}_{{ s }};
                {% endfor %}
                rows += {{ pixels | length }}.0;
                {% elif not gathers %}
                // The first of the largest.
                var best = v0_0 * direction;
                {% for r, s in pixels[1:] %}
                let over{{ r }}_{{ s }} = v{{ r }}_{{ s }} * direction > best;
                best = select(best, v{{ r }}_{{ s }} * direction, over{{ r }}_{{ s }});
                {% endfor %}
                {% endif %}
                {% if pass == "forward" or pass == "sums" %}
                var of_best = v0_0;
                {% if joins or keeps %}
                var tap = U();
                {% endif %}
                {% for r, s in pixels[1:] %}
                of_best = select(of_best, v{{ r }}_{{ s }}, over{{ r }}_{{ s }});
                {% if joins or keeps %}
                tap = select(tap, U() + {{ r * window[1] + s }}u, over{{ r }}_{{ s }});
                {% endif %}
                {% endfor %}
                {% if pass == "forward" %}
                let nan = {% for r, s in pixels %}is_nan(v{{ r }}_{{ s }}){% if not loop.last %} | {% endif %}{% endfor %};
                // A NaN anywhere in the window makes one, as a pool does.
                of_best = select(of_best, {% for r, s in pixels %}v{{ r }}_{{ s }}{% if not loop.last %} + {% endif %}{% endfor %}, nan);
                {% endif %}
                {% if joins %}
                let right = of_best;
                let right_tap = tap + {{ step[1] }}u;
                let equal = (right * direction == left * direction) & (right_tap < left_tap);
                let over = (right * direction > left * direction) | equal{% if pass == "forward" %} | is_nan(right){% endif %};
                of_best = select(left, right, over{% if pass == "forward" %} & !is_nan(left){% endif %});
                {% if keeps %}
                let winner = select(left_tap, right_tap, over);
                {% endif %}
                left = right;
                left_tap = tap;
                if column > 0u {
                {% elif keeps %}
                let winner = tap;
                {% endif %}
                let o = (line * out_w + column{% if joins %} - 1u{% endif %}) * params.groups + g;
                {% if pass == "forward" %}
                if inside {
                    y[o] = stored(activate(((of_best - shift) - delta) * scale + offset));
                    {% if keeps %}
                    kept[o] = stored_u(winner);
                    {% endif %}
                }
                {% else %}
                let d = load(dy[o]);
                sum += d;
                products += d * (((of_best - shift) - delta) * rstd);
                {% endif %}
                {% if joins %}
                }
                {% endif %}
                {% endif %}
                {% if pass == "backward" %}
                {% if gathers %}
                {% for a in range(overlap[0] + 1) %}
                // Unsigned: a line before the first wraps to over every size.
                let there{{ a }} = map_line - {{ a }}u < params.map_lines - {{ overlap[0] }}u && column < out_w;
                let window{{ a }} = (sample * (params.map_lines - {{ overlap[0] }}u) + map_line - {{ a }}u) * out_w + column;
                let o{{ a }} = select(0u, window{{ a }} * params.groups + g, there{{ a }});
                let d{{ a }}_0 = select(F(), scale * load(dy[o{{ a }}]), there{{ a }});
                let tap{{ a }}_0 = load_u(kept[o{{ a }}]);
                {% endfor %}
                {% else %}
                let d = scale * load(dy[(line * out_w + column) * params.groups + g]);
                // From the last one back: what was over all before it is the maximum, unless one behind it is over it.
                var beaten = B();
                {% endif %}
                {% for r, s in pixels | reverse %}
                {
                    let v = v{{ r }}_{{ s }};
                    {% if gathers %}
                    var d = F();
                    {% for a in range(overlap[0] + 1) %}
                    {% for b in range(overlap[1] + 1) %}
                    d += select(F(), d{{ a }}_{{ b }}, tap{{ a }}_{{ b }} == U() + {{ (a * step[0] + r) * window[1] + b * step[1] + s }}u);
                    {% endfor %}
                    {% endfor %}
                    {% elif loop.last %}
                    let won = !beaten;
                    {% else %}
                    let won = over{{ r }}_{{ s }} & !beaten;
                    beaten = beaten | won;
                    {% endif %}
                    let gradient = ({{ "d" if gathers else "select(F(), d, won)" }} - of_mean - ((v - shift) - delta) * of_product) * front_slope(v);
                    dbias += gradient;
                    {% for i, j, c in indices %}
                    dw{{ i }}_{{ j }}_{{ c }} += p{{ r * stride[0] + i }}_{{ s * stride[1] + j }}_{{ c }} * gradient;
                    {% endfor %}
                }
                {% endfor %}
                {% if gathers and overlap[1] %}
                {% for a in range(overlap[0] + 1) %}
                d{{ a }}_1 = d{{ a }}_0;
                tap{{ a }}_1 = tap{{ a }}_0;
                {% endfor %}
                {% endif %}
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
