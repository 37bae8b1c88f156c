
// As conv2d_subgroup.wgsl, for contractions of a few indices, short = [taps_h, taps_w, channels], `indices` all triples below it: all of it is
// unrolled and a row's sums are stored at once. In a loop over taps llvmpipe would load, mask and store every sum of the tile again in each turn.

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    begin(params.rows);
    {{ begin_tile() }}
    let view = view_of_input();
    {% for i in range(short[0]) %}
    {% for j in range(short[1]) %}
    let weight{{ i }}_{{ j }} = (params.w_first + {{ i }}u * params.w_step_h + {{ j }}u * params.w_step_w) * {{ short[2] }}u;
    {% for c in range(short[2]) %}
    {{ load_quads("w" ~ i ~ "_" ~ j ~ "_" ~ c ~ "_", "weights", "weight" ~ i ~ "_" ~ j ~ " + " ~ c ~ "u") }}
    {% endfor %}
    {% endfor %}
    {% endfor %}
    {{ begin_rows() }}
    for (var first = 0u; first < {{ tile_rows }}u; first += {{ lanes }}u) {
        let row = row_at(first_row + first + lane);
        let top_left = corner(row);
        {% for i in range(short[0]) %}
        {% for j in range(short[1]) %}
        let base{{ i }}_{{ j }} = input_base(row, top_left, view, {{ i }}u, {{ j }}u);
        let start{{ i }}_{{ j }} = u32(max(base{{ i }}_{{ j }}, 0));
        {% for c in range(short[2]) %}
        let a{{ i }}_{{ j }}_{{ c }} = select(0.0, x[start{{ i }}_{{ j }} + {{ c }}u], base{{ i }}_{{ j }} >= 0);
        {% endfor %}
        {% endfor %}
        {% endfor %}
        let pixel = select(0xffffffffu, output_pixel(row), row.inside);
        {% for r in range(lanes) %}
        {
            let p = subgroupBroadcast(pixel, {{ r }}u);
            {% for q in range(quads) %}
            var product{{ q }} = vec4<f32>();
            {% endfor %}
            {% for i, j, c in indices %}
            let r{{ i }}_{{ j }}_{{ c }} = subgroupBroadcast(a{{ i }}_{{ j }}_{{ c }}, {{ r }}u);
            {% for q in range(quads) %}
            product{{ q }} += r{{ i }}_{{ j }}_{{ c }} * w{{ i }}_{{ j }}_{{ c }}_{{ q }};
            {% endfor %}
            {% endfor %}
            {{ end_row("p", "product") }}
        }
        {% endfor %}
    }
    {{ leave_rows() }}
}
