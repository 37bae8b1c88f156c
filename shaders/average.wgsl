// average: y = (a + b) * factor, then y = (y + each further input) * factor; the factor is 1 / inputs in the last of these passes
// and 1 before. dx = dy / inputs for every input.
// One invocation a vec4 (LANES = 4); workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // vec4s
    factor: f32,    // 1 or 1 / inputs
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> a: array<S>;           // any shape
@group(0) @binding(2) var<storage, read> b: array<S>;           // a's
@group(0) @binding(3) var<storage, read_write> y: array<S>;     // a's

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        y[i] = stored((load(a[i]) + load(b[i])) * params.factor);
    }
}

@group(0) @binding(2) var<storage, read_write> sum: array<S>;   // y, with the sum of the inputs before this one in it

@compute @workgroup_size(64)
fn forward_more(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        sum[i] = stored((load(sum[i]) + load(a[i])) * params.factor);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;
@group(0) @binding(2) var<storage, read_write> dx: array<S>;

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        dx[i] = stored(load(dy[i]) * params.factor);
    }
}
