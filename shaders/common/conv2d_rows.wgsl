
{# A subgroup's tile (behind conv2d.wgsl, in front of the kernels of a subgroup): where it is, and what becomes of a row's sums: they are
   finished and stored, and, with statistics, counted in. #}
{% macro begin_tile() %}
    let first_row = tile_of_rows(group, groups) * {{ tile_rows }}u;
    {{ columns_of_lane("group.x") }}
{% endmacro %}
{% macro begin_rows() %}
    {% for q in range(quads) %}
    let bias{{ q }} = biases(columns{{ q }});
    {% endfor %}
    {% if statistics %}
    var rows = 0.0;
    {% for q in range(quads) %}
    var shift{{ q }} = vec4<f32>();
    var sum{{ q }} = vec4<f32>();
    var squares{{ q }} = vec4<f32>();
    {% endfor %}
    {% endif %}
{% endmacro %}
{# The all-ones pixel stands for none. #}
{% macro end_row(pixel, product) %}
    if {{ pixel }} != 0xffffffffu {
        {% for q in range(quads) %}
        let y{{ q }} = finish({{ pixel }}, columns{{ q }}, {{ product }}{{ q }} + bias{{ q }});
        {% endfor %}
        {{ store_quads("store", pixel, "y") }}
        {% if statistics %}
        {% for q in range(quads) %}
        shift{{ q }} = select(shift{{ q }}, y{{ q }}, rows == 0.0);
        let d{{ q }} = y{{ q }} - shift{{ q }};
        sum{{ q }} += d{{ q }};
        squares{{ q }} += d{{ q }} * d{{ q }};
        {% endfor %}
        rows += 1.0;
        {% endif %}
    }
{% endmacro %}
{% macro leave_rows() %}
    {% if statistics %}
    {% for q in range(quads) %}
    leave(tile_of_rows(group, groups), columns{{ q }}, rows, shift{{ q }}, sum{{ q }}, squares{{ q }});
    {% endfor %}
    {% endif %}
{% endmacro %}
