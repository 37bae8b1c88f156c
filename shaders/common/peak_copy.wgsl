// peak_copy: how many bytes a second the adapter moves. y = x, one invocation a vec4.

struct Params { count: u32, padding0: u32, padding1: u32, padding2: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Quad>;                    // [count]
@group(0) @binding(2) var<storage, read_write> y: array<Quad>;              // [count]

@compute @workgroup_size(64)
fn peak_copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count { y[i] = quad_of(quad(x[i])); }
}
