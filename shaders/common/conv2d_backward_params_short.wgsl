
// As conv2d_backward_params_subgroup.wgsl, for the few rows of a first layer, short = [taps_h, taps_w, channels]: all of them are one tile,
// so that no accumulator is for a row that is not there. `indices` are all triples below short. A lane loads the factors of one of the
// subgroup's next pixels, a load a row for {{ lanes }} pixels.

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    begin(params.lines);
    {{ columns_of_lane("group.y") }}
    {% for q in range(quads) %}
    var bias{{ q }} = vec4<f32>();
    {% for i, j, c in indices %}
    var acc{{ i }}_{{ j }}_{{ c }}_{{ q }} = vec4<f32>();
    {% endfor %}
    {% endfor %}
    let view = view_of_maps();
    let first_line = group.z * params.slice_lines;
    let end_line = min(first_line + params.slice_lines, params.lines);
    let y_w = params.y_w;
    let first_w = 0u - params.pad_w;
    for (var line = first_line; line < end_line; line++) {
        {% for i in range(short[0]) %}
        {% for c in range(short[2]) %}
        let row{{ i }}_{{ c }} = Row({{ i }}u, 0u, {{ c }}u, true);
        let base{{ i }}_{{ c }} = line_base(row{{ i }}_{{ c }}, view, line);
        {% endfor %}
        {% endfor %}
        for (var w = 0u; w < y_w; w += {{ lanes }}u) {
            let own = min(w + lane, y_w - 1u);
            {% for i, j, c in indices %}
            let a{{ i }}_{{ j }}_{{ c }} = input(row{{ i }}_{{ c }}, first_w + {{ j }}u, view, base{{ i }}_{{ c }}, own);
            {% endfor %}
            {% for r in range(lanes) %}
            {
                {{ take_gradients("g", r) }}
                {% for i, j, c in indices %}
                let r{{ i }}_{{ j }}_{{ c }} = subgroupBroadcast(a{{ i }}_{{ j }}_{{ c }}, {{ r }}u);
                {% for q in range(quads) %}
                acc{{ i }}_{{ j }}_{{ c }}_{{ q }} += r{{ i }}_{{ j }}_{{ c }} * g{{ q }};
                {% endfor %}
                {% endfor %}
            }
            {% endfor %}
        }
    }
    {{ store_quads("store_partial", "group.z, params.weight_rows", "bias") }}
    {% for i, j, c in indices %}
    {{ store_quads("store_partial", "group.z, " ~ ((i * short[1] + j) * short[2] + c) ~ "u", "acc" ~ i ~ "_" ~ j ~ "_" ~ c ~ "_") }}
    {% endfor %}
}
