
// Tiles of 8 steps of the contraction in workgroup memory: [step][row], padded by 4 rows to spread the banks; [step][quad of columns].
// Invocation `local` of 64 owns rows local / 8 * 4 .. + 3 of every 32 (a_row) and columns local % 8 * 4 .. + 3 of every 32 (four).
{% set parts = tile_rows // 32 %}
{% set a_line = tile_rows + 4 %}
{% set b_line = quads * 8 %}
var<workgroup> a_tile: array<f32, {{ 8 * a_line }}>;
var<workgroup> b_tile: array<vec4<f32>, {{ 8 * b_line }}>;
{% macro products() %}
    {% for k in range(8) %}
    {
        {% for q in range(quads) %}
        let b{{ q }} = b_tile[{{ k * b_line + q * 8 }}u + four];
        {% endfor %}
        {% for p in range(parts) %}
        {% for r in range(4) %}
        let a{{ p }}_{{ r }} = a_tile[{{ k * a_line + p * 32 + r }}u + a_row];
        {% for q in range(quads) %}
        acc{{ p }}_{{ r }}_{{ q }} += a{{ p }}_{{ r }} * b{{ q }};
        {% endfor %}
        {% endfor %}
        {% endfor %}
    }
    {% endfor %}
{% endmacro %}
