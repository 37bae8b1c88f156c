
// Winograd's passes, an invocation LANES channels of a tile (behind winograd.wgsl).

// 0 in the padding.
fn pixel(t: Tile, g: u32, r: u32, c: u32) -> F {
    let p = place(t, g, t.h * {{ side }}u + r - params.pad.x, t.w * {{ side }}u + c - params.pad.y);
    return select(F(), load(x[p.at]), p.there);
}

@compute @workgroup_size(64)
fn transform_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count * params.groups {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        {% for r in range(points) %}
        let x{{ r }} = Points({% for c in range(points) %}pixel(t, g, {{ r }}u, {{ c }}u), {% endfor %});
        let row{{ r }} = b_times(x{{ r }});
        {% endfor %}
        let step = params.stride * params.groups;
        {% if turned %}
        v[i + {{ points * points }}u * step] = stored(
            {%- for r in range(side) %}{% for c in range(side) %}
            {{- " + " if r + c > 0 }}x{{ turned[0] + r }}.v{{ turned[1] + c }}
            {%- endfor %}{% endfor %});
        {% endif %}
        {% for c in range(points) %}
        let column{{ c }} = b_times(Points({% for r in range(points) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(points) %}
        v[i + {{ r * points + c }}u * step] = stored(column{{ c }}.v{{ r }});
        {% endfor %}
        {% endfor %}
    }
}

@compute @workgroup_size(64)
fn transform_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    let step = params.count * params.groups;
    if i < step {
        let x_channel = i / params.groups;
        let g = i % params.groups;
        {% for r in range(window) %}
        let row{{ r }} = g_times(Window({% for c in range(window) %}window_at({{ r * window + c }}u, x_channel, g), {% endfor %}));
        {% endfor %}
        {% for c in range(points) %}
        let column{{ c }} = g_times(Window({% for r in range(window) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(points) %}
        u[i + {{ r * points + c }}u * step] = stored(column{{ c }}.v{{ r }});
        {% endfor %}
        {% endfor %}
    }
}

fn finish(t: Tile, g: u32, r: u32, c: u32, value: F) {
    let p = place(t, g, t.h * {{ side }}u + r, t.w * {{ side }}u + c);
    if p.there { y[p.at] = stored(finished(p.at, value)); }
}

@compute @workgroup_size(64)
fn transform_output(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count * params.groups {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        let step = params.stride * params.groups;
        {% for r in range(points) %}
        let row{{ r }} = a_transposed_times(Points({% for c in range(points) %}load(m[i + {{ r * points + c }}u * step]), {% endfor %}));
        {% endfor %}
        let bias = bias_of(g);
        {% for c in range(side) %}
        let column{{ c }} = a_transposed_times(Points({% for r in range(points) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(side) %}
        finish(t, g, {{ r }}u, {{ c }}u, column{{ c }}.v{{ r }} + bias);
        {% endfor %}
        {% endfor %}
    }
}

@compute @workgroup_size(64)
fn transform_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count * params.groups {
        let g = i % params.groups;
        let t = tile_at(i / params.groups);
        {% for r in range(side) %}
        let row{{ r }} = a_times(Outputs({% for c in range(side) %}pixel(t, g, {{ r }}u, {{ c }}u), {% endfor %}));
        {% endfor %}
        let step = params.stride * params.groups;
        {% for c in range(points) %}
        let column{{ c }} = a_times(Outputs({% for r in range(side) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(points) %}
        v[i + {{ r * points + c }}u * step] = stored(column{{ c }}.v{{ r }});
        {% endfor %}
        {% endfor %}
    }
}

@compute @workgroup_size(64)
fn sum_products(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count * params.groups {
        {% for r in range(points) %}
        let row{{ r }} = g_transposed_times(Points({% for c in range(points) %}sum({{ r * points + c }}u, i), {% endfor %}));
        {% endfor %}
        // The distance of two taps is not a name: with one, Mesa 22.3 takes seven times as long for the pass.
        {% for c in range(window) %}
        let column{{ c }} = g_transposed_times(Points({% for r in range(points) %}row{{ r }}.v{{ c }}, {% endfor %}));
        {% for r in range(window) %}
        dw[i + {{ window * window - 1 - r * window - c if turned else r * window + c }}u * params.count * params.groups] = stored(column{{ c }}.v{{ r }});
        {% endfor %}
        {% endfor %}
        {% if bias %}
        if i < params.groups { db[i] = stored(sum_of_bias(i)); }
        {% endif %}
    }
}
