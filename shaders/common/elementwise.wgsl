// Element-wise activations: y = activate(x), dx = dy * slope(v), where v is x or y, as the op's own shader says. That shader
// gives the two functions on F.
// One invocation a vec4 (LANES = 4); workgroups are folded over x and y of the grid.

struct Params { count: u32 }    // vec4s
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // any shape
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // x's

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        y[i] = stored(activate(load(x[i])));
    }
}

@group(0) @binding(1) var<storage, read> v: array<S>;           // forward's input or output
@group(0) @binding(2) var<storage, read> dy: array<S>;
@group(0) @binding(3) var<storage, read_write> dx: array<S>;

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        dx[i] = stored(load(dy[i]) * slope(load(v[i])));
    }
}
