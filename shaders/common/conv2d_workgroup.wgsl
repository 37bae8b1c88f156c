
// Tiles of x and of the weights, 8 channels of a tap at a time.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let first_row = tile_of_rows(group, groups) * {{ tile_rows }}u;
    let c_x = params.c_x;
    {% if split %}
    let tiles = (params.c_y + {{ quads * 32 - 1 }}u) / {{ quads * 32 }}u;
    let first_column = group.x % tiles * {{ quads * 32 }}u;
    let slice = group.x / tiles;
    let first_c = slice * params.slice_channels;
    let end_c = min(first_c + params.slice_channels, c_x);
    {% else %}
    let first_column = group.x * {{ quads * 32 }}u;
    let first_c = 0u;
    let end_c = c_x;
    {% endif %}
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
    let w_slot = local / 8u * {{ b_line }}u + local % 8u;
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

    // Steps of 8 channels of a tap. What the next one multiplies is loaded while this one's products are added up.
    var i = 0u;
    var j = 0u;
    var c = first_c;
    var first_weight = w_first * c_x;
    {% for p in range(parts) %}
    var base{{ p }} = input_base(load_row{{ p }}, load_corner{{ p }}, view, 0u, 0u);
    var a{{ p }} = vec4<f32>();
    {% endfor %}
    {% for q in range(quads) %}
    var weight{{ q }} = vec4<f32>();
    {% endfor %}
    {% macro load() %}
    let ca = c + load_c;
    {% for p in range(parts) %}
    a{{ p }} = vec4<f32>();
    {% if x4 %}
    if base{{ p }} >= 0 && ca < c_x { a{{ p }} = quad(x[(u32(base{{ p }}) + ca) / 4u]); }
    {% else %}
    if base{{ p }} >= 0 {
        let start = u32(base{{ p }}) + ca;
        if ca < c_x { a{{ p }}.x = x[start]; }
        if ca + 1u < c_x { a{{ p }}.y = x[start + 1u]; }
        if ca + 2u < c_x { a{{ p }}.z = x[start + 2u]; }
        if ca + 3u < c_x { a{{ p }}.w = x[start + 3u]; }
    }
    {% endif %}
    {% endfor %}
    let cw = c + local / 8u;
    {% for q in range(quads) %}
    weight{{ q }} = vec4<f32>();
    if cw < c_x { weight{{ q }} = weights(first_weight + cw, columns{{ q }}); }
    {% endfor %}
    {% endmacro %}
    let steps = taps_h * taps_w * ((end_c - first_c + 7u) / 8u);
    if steps > 0u {
        {{ load() }}
    }
    for (var step = 0u; step < steps; step++) {
        workgroupBarrier();
        {% for p in range(parts) %}
        a_tile[a_slot + {{ p * 32 }}u] = a{{ p }}.x;
        a_tile[a_slot + {{ a_line + p * 32 }}u] = a{{ p }}.y;
        a_tile[a_slot + {{ a_line * 2 + p * 32 }}u] = a{{ p }}.z;
        a_tile[a_slot + {{ a_line * 3 + p * 32 }}u] = a{{ p }}.w;
        {% endfor %}
        {% for q in range(quads) %}
        b_tile[w_slot + {{ q * 8 }}u] = weight{{ q }};
        {% endfor %}
        workgroupBarrier();
        c += 8u;
        if c >= end_c {
            c = first_c;
            j += 1u;
            if j == taps_w {
                j = 0u;
                i += 1u;
            }
            first_weight = (w_first + i * w_step_h + j * w_step_w) * c_x;
            {% for p in range(parts) %}
            base{{ p }} = input_base(load_row{{ p }}, load_corner{{ p }}, view, i, j);
            {% endfor %}
        }
        if step + 1u < steps {
            {{ load() }}
        }
        {{ products() }}
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
        {% elif split %}
        store(slice * params.slice_pixels + pixel, columns{{ q }}, acc{{ p }}_{{ r }}_{{ q }});
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
    if local < 8u { b_tile[{{ q * 64 }}u + local] = acc0_0_{{ q }}; }
    {% endfor %}
    workgroupBarrier();
    {% for q in range(quads) %}
    let shift{{ q }} = b_tile[{{ q * 64 }}u + four];
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
    b_tile[{{ q * 64 }}u + local] = {{ name }}{{ q }};
    {% endfor %}
    {% for half in [32, 16, 8] %}
    workgroupBarrier();
    if local < {{ half }}u {
        {% for q in range(quads) %}
        b_tile[{{ q * 64 }}u + local] += b_tile[{{ q * 64 + half }}u + local];
        {% endfor %}
    }
    {% endfor %}
    workgroupBarrier();
    {% for q in range(quads) %}
    {{ name }}{{ q }} = b_tile[{{ q * 64 }}u + four];
    {% endfor %}
    {% endfor %}
    if local < 8u {
        let rows = f32(min(first_row + {{ tile_rows }}u, params.rows) - min(first_row, params.rows));
        {% for q in range(quads) %}
        leave(tile_of_rows(group, groups), columns{{ q }}, rows, shift{{ q }}, sum{{ q }}, squares{{ q }});
        {% endfor %}
    }
    {% endif %}
}
