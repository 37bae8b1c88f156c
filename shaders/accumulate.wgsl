// accumulate: into = from, or into += from. For a tensor with several consumers, whose gradients the plan adds up in one owner.
// One invocation a vec4.

struct Params {
    count: u32,     // vec4s
    keep: u32,      // 1 adds, 0 overwrites
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> other: array<Quad>;
@group(0) @binding(2) var<storage, read_write> into: array<vec4<f32>>;

@compute @workgroup_size(64)
fn accumulate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        // Selected, not multiplied: what is overwritten may be NaN.
        into[i] = select(vec4<f32>(), into[i], params.keep == 1u) + quad(other[i]);
    }
}
