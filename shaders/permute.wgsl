// permute: result[n, i, j, k] = source[n, ...] at the element that lies i * strides.x + j * strides.y + k * strides.z into the sample.
// Forward and backward (the inverse order) are the same kernel. One invocation an element; workgroups are folded over x and y of the
// grid.

struct Params {
    sizes: vec3<u32>,       // of a sample of the result; axes that it lacks are 1
    count: u32,             // elements
    strides: vec3<u32>,     // elements of the source between neighbours along each axis of the result
    sample: u32,            // elements of a sample
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> source: array<S>;
@group(0) @binding(2) var<storage, read_write> result: array<S>;

@compute @workgroup_size(64)
fn permute(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let within = i % params.sample;
        let k = within % params.sizes.z;
        let line = within / params.sizes.z;
        let at = vec3(line / params.sizes.y, line % params.sizes.y, k) * params.strides;
        result[i] = stored(load(source[i - within + at.x + at.y + at.z]));
    }
}
