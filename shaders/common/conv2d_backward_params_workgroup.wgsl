
// The view of x that a workgroup's loads need.
struct Maps { y_w: u32, y_h: u32, x_h: u32, x_w: u32, c_x: u32, stride: vec2<u32>, pad: vec2<u32> }
fn maps() -> Maps {
    return Maps(params.y_w, params.y_h, params.x_h, params.x_w, params.c_x, vec2(params.stride_h, params.stride_w),
                vec2(params.pad_h, params.pad_w));
}

// A row's factor at output pixel `pixel`, with x4 those of four rows; `otherwise` for a row that is no weight.
fn factor(r: Row, otherwise: {{ XF }}, maps: Maps, pixel: u32) -> {{ XF }} {
    let line = pixel / maps.y_w;
    // Unsigned arithmetic: a position before the map wraps to over every size.
    let h = (line % maps.y_h) * maps.stride.x + r.h - maps.pad.x;
    let w = (pixel % maps.y_w) * maps.stride.y + r.w - maps.pad.y;
    let there = r.is_weight && h < maps.x_h && w < maps.x_w;
    let at = select(0u, (((line / maps.y_h) * maps.x_h + h) * maps.x_w + w) * maps.c_x + r.c, there);
    {% if x4 %}
    return select(otherwise, quad(x[at / 4u]), there);
    {% else %}
    return select(otherwise, x[at], there);
    {% endif %}
}

// The row behind the weights' is the bias's: constant 1.
fn constant(row: u32) -> f32 {
    return select(0.0, 1.0, row == params.weight_rows);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_row = group.x * {{ tile_rows }}u;
    let maps = maps();
    let slice_pixels = params.slice_lines * params.y_w;
    let end = min((group.z + 1u) * slice_pixels, params.lines * params.y_w);
    // Loading: pixel local / 8; rows and columns (local % 8) * 4 .. + 3 of every 32. Computing: rows (local / 8) * 4 .. + 3 of every
    // 32, and the columns that it loads.
    let four = local % 8u;
    let a_row = local / 8u * 4u;
    {% for q in range(quads) %}
    let columns{{ q }} = columns_at((group.y * {{ quads }}u + {{ q }}u) * 32u + four * 4u);
    var g{{ q }} = vec4<f32>();
    {% endfor %}
    {% for p in range(parts) %}
    let load_row{{ p }} = first_row + four * 4u + {{ p * 32 }}u;
    {% if x4 %}
    let row{{ p }} = row_at(load_row{{ p }});
    let otherwise{{ p }} = vec4(constant(load_row{{ p }}), 0.0, 0.0, 0.0);
    {% else %}
    {% for r in range(4) %}
    let row{{ p }}_{{ r }} = row_at(load_row{{ p }} + {{ r }}u);
    let otherwise{{ p }}_{{ r }} = constant(load_row{{ p }} + {{ r }}u);
    {% endfor %}
    {% endif %}
    var a{{ p }} = vec4<f32>();
    {% for r in range(4) %}
    {% for q in range(quads) %}
    var acc{{ p }}_{{ r }}_{{ q }} = vec4<f32>();
    {% endfor %}
    {% endfor %}
    {% endfor %}

    {% macro load() %}
    let pixel = first_pixel + local / 8u;
    {% for p in range(parts) %}
    a{{ p }} = vec4<f32>();
    {% endfor %}
    {% for q in range(quads) %}
    g{{ q }} = vec4<f32>();
    {% endfor %}
    if pixel < end {
        {% for p in range(parts) %}
        {% if x4 %}
        a{{ p }} = factor(row{{ p }}, otherwise{{ p }}, maps, pixel);
        {% else %}
        a{{ p }} = vec4(
            {% for r in range(4) %}
            factor(row{{ p }}_{{ r }}, otherwise{{ p }}_{{ r }}, maps, pixel),
            {% endfor %}
        );
        {% endif %}
        {% endfor %}
        {% for q in range(quads) %}
        g{{ q }} = gradients(pixel, columns{{ q }});
        {% endfor %}
    }
    {% endmacro %}
    // Steps of 8 pixels. What the next one multiplies is loaded while this one's products are added up.
    let start = group.z * slice_pixels;
    let steps = (max(end, start) - start + 7u) / 8u;
    {
        let first_pixel = start;
        {{ load() }}
    }
    for (var step = 0u; step < steps; step++) {
        workgroupBarrier();
        {% for p in range(parts) %}
        {% for r in range(4) %}
        a_tile[local / 8u * {{ a_line }}u + four * 4u + {{ p * 32 + r }}u] = a{{ p }}.{{ "xyzw"[r] }};
        {% endfor %}
        {% endfor %}
        {% for q in range(quads) %}
        b_tile[local / 8u * {{ b_line }}u + {{ q * 8 }}u + four] = g{{ q }};
        {% endfor %}
        workgroupBarrier();
        if step + 1u < steps {
            let first_pixel = start + (step + 1u) * 8u;
            {{ load() }}
        }
        {{ products() }}
    }
    {% for p in range(parts) %}
    {% for r in range(4) %}
    {% for q in range(quads) %}
    store_partial(group.z, first_row + a_row + {{ p * 32 + r }}u, columns{{ q }}, acc{{ p }}_{{ r }}_{{ q }});
    {% endfor %}
    {% endfor %}
    {% endfor %}
}
