
// As conv2d_backward_params_subgroup.wgsl, for the few rows of a first layer, short = [taps_h, taps_w, channels]: all of them are one tile,
// so that no accumulator is for a row that is not there. A lane loads the factors of one of the subgroup's next pixels, a load a row for
// {{ lanes }} pixels; those past the end of a line count nothing.

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    {% for q in range(quads) %}
    let columns{{ q }} = columns_at(((group.y * {{ quads }}u + {{ q }}u) * {{ lanes }}u + lane) * 4u);
    var bias{{ q }} = vec4<f32>();
    {% for i in range(short[0]) %}
    {% for j in range(short[1]) %}
    {% for c in range(short[2]) %}
    var acc{{ i }}_{{ j }}_{{ c }}_{{ q }} = vec4<f32>();
    {% endfor %}
    {% endfor %}
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
            let one = select(0.0, 1.0, w + lane < y_w);
            {% for i in range(short[0]) %}
            {% for j in range(short[1]) %}
            {% for c in range(short[2]) %}
            let a{{ i }}_{{ j }}_{{ c }} = select(0.0, input(row{{ i }}_{{ c }}, first_w + {{ j }}u, view, base{{ i }}_{{ c }}, w + lane), one > 0.0);
            {% endfor %}
            {% endfor %}
            {% endfor %}
            {% for r in range(lanes) %}
            {
                let pixel = line * y_w + min(w + {{ r }}u, y_w - 1u);
                let counts = subgroupBroadcast(one, {{ r }}u);
                {% for q in range(quads) %}
                let g{{ q }} = gradients(pixel, columns{{ q }});
                bias{{ q }} += counts * g{{ q }};
                {% endfor %}
                {% for i in range(short[0]) %}
                {% for j in range(short[1]) %}
                {% for c in range(short[2]) %}
                let r{{ i }}_{{ j }}_{{ c }} = subgroupBroadcast(a{{ i }}_{{ j }}_{{ c }}, {{ r }}u);
                {% for q in range(quads) %}
                acc{{ i }}_{{ j }}_{{ c }}_{{ q }} += r{{ i }}_{{ j }}_{{ c }} * g{{ q }};
                {% endfor %}
                {% endfor %}
                {% endfor %}
                {% endfor %}
            }
            {% endfor %}
        }
    }
    {% for q in range(quads) %}
    store_partial(group.z, params.weight_rows, columns{{ q }}, bias{{ q }});
    {% for i in range(short[0]) %}
    {% for j in range(short[1]) %}
    {% for c in range(short[2]) %}
    store_partial(group.z, {{ (i * short[1] + j) * short[2] + c }}u, columns{{ q }}, acc{{ i }}_{{ j }}_{{ c }}_{{ q }});
    {% endfor %}
    {% endfor %}
    {% endfor %}
    {% endfor %}
}
