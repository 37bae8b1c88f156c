
// Winograd's passes on eight lanes (behind winograd.wgsl): a workgroup is one subgroup and takes a tile, a lane one of the tile's columns,
// LANES channels at a time. A lane multiplies its own column by a matrix; the product from the other side adds up what lanes broadcast. So
// there are few places that load and store, which the lanes share, and the loop over channels has them in the instruction cache: on
// Mesa 25, whose loads and stores are unrolled over the lanes, a whole tile's are up to 100 KiB of code that a core waits for.

{# Which of a row's numbers a lane has; the others, and lanes past them, have 0. #}
{% macro of_lane(row) %}
    {%- set n = namespace(terms=[]) %}
    {%- for i in range(8) %}{% set n.terms = n.terms + [row[i] | float if i < row | length else 0.0] %}{% endfor %}
    {%- set t = n.terms -%}
    select(
        select(select({{ t[0] }}, {{ t[1] }}, odd), select({{ t[2] }}, {{ t[3] }}, odd), second),
        select(select({{ t[4] }}, {{ t[5] }}, odd), select({{ t[6] }}, {{ t[7] }}, odd), second),
        lane > 3u)
{%- endmacro %}
{# The factors of a matrix's row that is a lane's, or, transposed, of its column. #}
{% macro factors(matrix, transposed) %}
    let odd = (lane & 1u) == 1u;
    let second = (lane & 2u) == 2u;
    {% if transposed %}
    {% for row in matrix %}
    let f{{ loop.index0 }} = {{ of_lane(row) }};
    {% endfor %}
    {% else %}
    {% for c in range(matrix[0] | length) %}
    {% set column = namespace(rows=[]) %}
    {% for row in matrix %}{% set column.rows = column.rows + [row[c]] %}{% endfor %}
    let f{{ c }} = {{ of_lane(column.rows) }};
    {% endfor %}
    {% endif %}
{% endmacro %}
{# The sum over `count` lanes of what they have, times their factors. #}
{% macro across(value, count) %}
{% for c in range(count) %}{{ " + " if c }}f{{ c }} * subgroupBroadcast({{ value }}, {{ c }}u){% endfor %}
{% endmacro %}
{# Stores a tile's points in an array's matrices, of `count` columns that lanes have multiplied. #}
{% macro leave(array, at, count) %}
    {% for r in range(points) %}
    let point{{ r }} = {{ across("column.v" ~ r, count) }};
    {% endfor %}
    if lane < {{ points }}u {
        {% for r in range(points) %}
        {{ array }}[first + {{ r * points }}u * step + {{ at }}] = stored(point{{ r }});
        {% endfor %}
    }
{% endmacro %}
{# The places of a tile's pixels in a lane's column, of its first channels. #}
{% macro pixels(rows, padded) %}
    {% for r in range(rows) %}
    let p{{ r }} = place(t, 0u, t.h * {{ side }}u + {{ r }}u{{ " - params.pad.x" if padded }}, t.w * {{ side }}u + lane{{ " - params.pad.y" if padded }});
    {% endfor %}
{% endmacro %}

// Of a workgroup.
fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.y * groups.x + group.x; }

// Where a tile's matrices begin in a lane's column, of its first channels; lanes past the last column have that.
fn matrix_at(tile: u32, lane: u32) -> u32 {
    return (min(lane, {{ points - 1 }}u) * params.stride + tile) * params.groups;
}

@compute @workgroup_size({{ lanes }})
fn transform_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let tile = number(group, groups);
    if tile < params.count {
        let t = tile_at(tile);
        {{ pixels(points, true) }}
        {{ factors(b, false) }}
        let first = matrix_at(tile, lane);
        let step = params.stride * params.groups;
        for (var g = 0u; g < params.groups; g++) {
            {% for r in range(points) %}
            let x{{ r }} = select(F(), load(x[p{{ r }}.at + g]), p{{ r }}.there);
            {% endfor %}
            let column = b_times(Points({% for r in range(points) %}x{{ r }}, {% endfor %}));
            {{ leave("v", "g", points) }}
            {% if turned %}
            let own = {% for r in range(side) %}{{ " + " if r }}x{{ turned[0] + r }}{% endfor %};
            let all = {% for c in range(side) %}{{ " + " if c }}subgroupBroadcast(own, {{ turned[1] + c }}u){% endfor %};
            if lane == 0u { v[first + {{ points * points }}u * step + g] = stored(all); }
            {% endif %}
        }
    }
}

@compute @workgroup_size({{ lanes }})
fn transform_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) lane: u32) {
    let tile = number(group, groups);
    if tile < params.count {
        let t = tile_at(tile);
        {{ pixels(side, false) }}
        {{ factors(a, false) }}
        let first = matrix_at(tile, lane);
        let step = params.stride * params.groups;
        for (var g = 0u; g < params.groups; g++) {
            let column = a_times(Outputs({% for r in range(side) %}select(F(), load(x[p{{ r }}.at + g]), p{{ r }}.there), {% endfor %}));
            {{ leave("v", "g", side) }}
        }
    }
}

@compute @workgroup_size({{ lanes }})
fn transform_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) lane: u32) {
    let x_channel = number(group, groups);
    if x_channel < params.count {
        {{ factors(g, false) }}
        let tap = min(lane, {{ window - 1 }}u);
        let step = params.count * params.groups;
        let first = min(lane, {{ points - 1 }}u) * step + x_channel * params.groups;
        for (var i = 0u; i < params.groups; i++) {
            let column = g_times(Window({% for r in range(window) %}window_at(tap + {{ r * window }}u, x_channel, i), {% endfor %}));
            {{ leave("u", "i", window) }}
        }
    }
}

@compute @workgroup_size({{ lanes }})
fn transform_output(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
    let tile = number(group, groups);
    if tile < params.count {
        let t = tile_at(tile);
        {{ pixels(side, false) }}
        {{ factors(a, true) }}
        let first = matrix_at(tile, lane);
        let step = params.stride * params.groups;
        for (var g = 0u; g < params.groups; g++) {
            let bias = bias_of(g);
            let column = a_transposed_times(Points({% for r in range(points) %}load(m[first + {{ r * points }}u * step + g]), {% endfor %}));
            {% for r in range(side) %}
            let y{{ r }} = {{ across("column.v" ~ r, points) }};
            if p{{ r }}.there && lane < {{ side }}u { y[p{{ r }}.at + g] = stored(finished(p{{ r }}.at + g, y{{ r }} + bias)); }
            {% endfor %}
        }
    }
}

@compute @workgroup_size({{ lanes }})
fn sum_products(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let row = number(group, groups);
    if row < params.count {
        {{ factors(g, true) }}
        let matrix = min(lane, {{ points - 1 }}u);
        let tap = min(lane, {{ window - 1 }}u);
        for (var i = 0u; i < params.groups; i++) {
            let at = row * params.groups + i;
            let column = g_transposed_times(Points({% for r in range(points) %}sum(matrix + {{ r * points }}u, at), {% endfor %}));
            {% for r in range(window) %}
            let w{{ r }} = {{ across("column.v" ~ r, points) }};
            {% endfor %}
            if lane < {{ window }}u {
                {% for r in range(window) %}
                dw[({{ (window * window - 1 - r * window) ~ "u - tap" if turned else (r * window) ~ "u + tap" }}) * params.count * params.groups + at] = stored(w{{ r }});
                {% endfor %}
            }
            {% if bias %}
            if row == 0u && lane == 0u { db[i] = stored(sum_of_bias(i)); }
            {% endif %}
        }
    }
}
