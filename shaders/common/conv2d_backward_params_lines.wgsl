
{# Walking the lines of the maps, as both kernels of a subgroup do (behind conv2d_backward_params.wgsl and conv2d_quads.wgsl). #}
{# dy as `name`0 and so on, `u` columns behind column w of an output line, summed up for the bias; past the line's end 0. What a kernel that
   takes several pixels a turn multiplies it with there are the factors of the line's last pixel: if they are not finite, neither is the sum. #}
{% macro take_gradients(name, u) %}
    {% if u == 0 %}
    {{ load_quads(name, "gradients", "line * y_w + w") }}
    {% else %}
    let w{{ u }} = w + {{ u }}u;
    {{ load_quads("loaded" ~ u ~ "_", "gradients", "line * y_w + min(w" ~ u ~ ", y_w - 1u)") }}
    {% endif %}
    {% for q in range(quads) %}
    {% if u > 0 %}
    let {{ name }}{{ q }} = select(vec4<f32>(), loaded{{ u }}_{{ q }}, w{{ u }} < y_w);
    {% endif %}
    bias{{ q }} += {{ name }}{{ q }};
    {% endfor %}
{% endmacro %}
// The maps as the loops over pixels see them.
struct View { y_h: u32, x_h: u32, x_w: u32, c_x: u32, stride_h: u32, stride_w: u32, pad_h: u32 }
fn view_of_maps() -> View {
    return View(params.y_h, params.x_h, params.x_w, params.c_x, params.stride_h, params.stride_w, params.pad_h);
}

// First input element of a row's channel on the input line under output line `line`; -1 in the padding.
fn line_base(r: Row, view: View, line: u32) -> i32 {
    // Unsigned arithmetic: a line above the map wraps to over every size.
    let h = (line % view.y_h) * view.stride_h + r.h - view.pad_h;
    let base = i32(((line / view.y_h) * view.x_h + h) * view.x_w * view.c_x + r.c);
    return select(-1, base, r.is_weight && h < view.x_h);
}

// A row's factor at output column `w_out`; `first_w` is its tap's column less the padding, wrapped if negative. With
// x4 those of four rows.
fn input(r: Row, first_w: u32, view: View, base: i32, w_out: u32) -> {{ XF }} {
    let w = w_out * view.stride_w + first_w;
    let there = base >= 0 && w < view.x_w;
    let at = select(0u, u32(base) + w * view.c_x, there);
    {% if x4 %}
    return select(vec4<f32>(), quad(x[at / 4u]), there);
    {% else %}
    return select(0.0, x[at], there);
    {% endif %}
}
