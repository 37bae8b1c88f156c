
// One subgroup of {{ lanes }} lanes a workgroup: a lane loads the input pixels lane, lane + {{ lanes }}, ..., which are broadcast, and owns
// {{ quads }} times 4 columns of all {{ tile_rows }} rows. With a span, rows run over lines that are span - 1 pixels wider than the output: row r
// meets tap t in loaded pixel r + t, and the last span - 1 rows of a line are not stored.
{% set pixels = (tile_rows + span - 1 + lanes - 1) // lanes %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    begin(params.rows);
    {{ begin_tile() }}
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
                    {{ load_quads("w" ~ k ~ "_", "weights", "weight" ~ t ~ " + c + " ~ k ~ "u") }}
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

    {{ begin_rows() }}
    let stored_w = params.rows_w - {{ span - 1 }}u;
    {% for p in range(tile_rows // lanes) %}
    // Rows that are not stored carry the all-ones pixel.
    let pixel{{ p }} = select(0xffffffffu, output_pixel(row{{ p }}), row{{ p }}.inside && row{{ p }}.w < stored_w);
    {% endfor %}
    {% for r in range(tile_rows) %}
    let p{{ r }} = subgroupBroadcast(pixel{{ r // lanes }}, {{ r % lanes }}u);
    {{ end_row("p" ~ r, "acc" ~ r ~ "_") }}
    {% endfor %}
    {{ leave_rows() }}
}
