
{% if span > 1 %}
// The first tap of tile row `row`: a (tap line, channel) pair.
fn span_row_at(row: u32) -> Row {
    return Row(row / params.c_x, 0u, row % params.c_x, row < params.weight_rows / {{ span }}u);
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
{% set per_lane = tile_rows // lanes // width %}
{% set turn = 2 %}

// Tile rows are (tap line, channel) pairs; each stands for the `span` taps of its line (all of them, or 1, in which case rows are
// taps and channels). The bias has no row: the first tile of rows adds dy up beside its own work. The factors of the taps but the last
// are those that the pixel to the left had one tap further, so a pixel costs one load a tile row. `turn` pixels are taken at a time: no
// registers hold the sums, and each is fetched and put back once for all of them.
@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    begin(params.lines);
    let first_row = group.x * {{ tile_rows }}u;
    {{ columns_of_lane("group.y") }}
    let view = view_of_maps();
    let first_line = group.z * params.slice_lines;
    let end_line = min(first_line + params.slice_lines, params.lines);
    let y_w = params.y_w;
    {% for j in range(per_lane) %}
    let row{{ j }} = span_row_at(first_row + ({{ j * lanes }}u + place_of(lane)) * {{ width }}u);
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
        for (var w = 0u; w < y_w; w += {{ turn }}u) {
            {% for u in range(turn) %}
            {{ take_gradients("g" ~ u ~ "_", u) }}
            {% endfor %}
            {% for j in range(per_lane) %}
            {% for u in range(turn) %}
            let a{{ j }}_{{ span - 1 + u }} = input(row{{ j }}, first_w{{ j }} + {{ span - 1 }}u, view, base{{ j }}, min(w + {{ u }}u, y_w - 1u));
            {% endfor %}
            {% endfor %}
            {% for r in range(tile_rows) %}
            {% set part = "." ~ "xyzw"[r % 4] if x4 else "" %}
            {% set place = r // width % lanes %}
            {% set holder = place // 8 * 8 + place % 4 * 2 + place // 4 % 2 if by_halves else place %}
            {% for t in range(span - 1 + turn) %}
            let r{{ r }}_{{ t }} = subgroupBroadcast(a{{ r // width // lanes }}_{{ t }}{{ part }}, {{ holder }}u);
            {% endfor %}
            {% for t in range(span) %}
            {% for q in range(quads) %}
            {% for u in range(turn) %}
            acc{{ r }}_{{ t }}_{{ q }} += r{{ r }}_{{ t + u }} * g{{ u }}_{{ q }};
            {% endfor %}
            {% endfor %}
            {% endfor %}
            {% endfor %}
            {% for j in range(per_lane) %}
            {% for t in range(span - 1) %}
            a{{ j }}_{{ t }} = a{{ j }}_{{ t + turn }};
            {% endfor %}
            {% endfor %}
        }
    }
    if group.x == 0u {
        {{ store_quads("store_partial", "group.z, params.weight_rows", "bias") }}
    }
    {% for r in range(tile_rows) %}
    {
        let at = weight_row(first_row + {{ r }}u);
        {% for t in range(span) %}
        {{ store_quads("store_partial", "group.z, at + " ~ t ~ "u * params.c_x", "acc" ~ r ~ "_" ~ t ~ "_") }}
        {% endfor %}
    }
    {% endfor %}
}
