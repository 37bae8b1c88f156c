
{# A lane's quads of columns, side by side (in front of the kernels of a subgroup): where they are in a row of tiles, and how they are loaded and
   stored, with y8 both at once. #}
{% macro columns_of_lane(tile) %}
    {% for q in range(quads) %}
    let columns{{ q }} = columns_at((({{ tile }} * {{ lanes }}u + place_of(lane)) * {{ quads }}u + {{ q }}u) * 4u);
    {% endfor %}
{% endmacro %}
{# What `function` loads of a row, as `name`0 and so on. #}
{% macro load_quads(name, function, row) %}
    {% if y8 %}
    let {{ name }} = {{ function }}({{ row }}, columns0);
    let {{ name }}0 = first_of({{ name }});
    let {{ name }}1 = second_of({{ name }});
    {% else %}
    {% for q in range(quads) %}
    let {{ name }}{{ q }} = {{ function }}({{ row }}, columns{{ q }});
    {% endfor %}
    {% endif %}
{% endmacro %}
{% macro store_quads(function, row, name) %}
    {% if y8 %}
    {{ function }}({{ row }}, columns0, {{ name }}0, {{ name }}1);
    {% else %}
    {% for q in range(quads) %}
    {{ function }}({{ row }}, columns{{ q }}, {{ name }}{{ q }});
    {% endfor %}
    {% endif %}
{% endmacro %}
