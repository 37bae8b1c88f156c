
// The columns of the tiled kernels (behind conv2d.wgsl and its main, and conv2d_backward_params.wgsl, whose settings it shares; stores:
// functions and the arrays that they write, [rows, c_y], of vec4s if the columns divide by 4). The sizes that inner loops use are read once and
// handed on: on software drivers a uniform load inside a loop costs as much as any other.

// Where an invocation's four columns are: their first, the row length in the arrays' elements, and where to load them, held
// inside the matrix.
struct Columns { first: u32, count: u32, at: vec4<u32> }
fn columns_at(first: u32) -> Columns {
    let count = params.c_y;
    {% if y4 %}
    return Columns(first, count / 4u, vec4(min(first, count - 4u) / 4u));
    {% else %}
    return Columns(first, count, min(first + vec4(0u, 1u, 2u, 3u), vec4(count - 1u)));
    {% endif %}
}

{% for name, target in stores %}
{% if y8 and loop.first %}
fn {{ name }}(row: u32, columns: Columns, first: vec4<f32>, second: vec4<f32>) {
    if columns.first < columns.count * 4u { {{ target }}[(row * columns.count + columns.first / 4u) / 2u] = eight_of(first, second); }
}
{% else %}
fn {{ name }}(row: u32, columns: Columns, value: vec4<f32>) {
    let start = row * columns.count;
    {% if y4 %}
    if columns.first < columns.count * 4u { {{ target }}[start + columns.first / 4u] = quad_of(value); }
    {% else %}
    let i = start + columns.first;
    if columns.first < columns.count { {{ target }}[i] = value.x; }
    if columns.first + 1u < columns.count { {{ target }}[i + 1u] = value.y; }
    if columns.first + 2u < columns.count { {{ target }}[i + 2u] = value.z; }
    if columns.first + 3u < columns.count { {{ target }}[i + 3u] = value.w; }
    {% endif %}
}
{% endif %}
{% endfor %}
