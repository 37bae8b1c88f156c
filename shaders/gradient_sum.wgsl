// gradient_sum: sums = share * gradients, or sums += share * gradients: the mean gradient of several batches, a batch at a time.
// Flat over a slice of the arenas, one invocation a vec4.

struct Params {
    count: u32,     // vec4s
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradients: array<Quad>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec4<f32>>;

@compute @workgroup_size(64)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
       @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        // Selected, not multiplied: what an update before this one left may be NaN.
        sums[i] = select(vec4<f32>(), sums[i], step.keep == 1u) + step.share * quad(gradients[i]);
    }
}
