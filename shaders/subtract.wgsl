// subtract: y = a - b; da = dy, db = -dy.
// One invocation a vec4 (LANES = 4); workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // vec4s
    factor: f32,    // backward: 1 for a, -1 for b
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
        y[i] = stored(load(a[i]) - load(b[i]));
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
