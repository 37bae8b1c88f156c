// concat: y[.., first + c] = x[.., c] for one of the inputs a dispatch; dx[.., c] = dy[.., first + c].
// One invocation LANES channels of a pixel of that input; workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // invocations
    groups: u32,    // the input's channels / LANES
    total: u32,     // the output's channels / LANES
    first: u32,     // channels of the inputs before this one / LANES
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // [pixels, c]
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // [pixels, sum of c]

// Where element i of the input is in the output.
fn joined(i: u32) -> u32 {
    return i / params.groups * params.total + params.first + i % params.groups;
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        y[joined(i)] = stored(load(x[i]));
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;          // [pixels, sum of c]
@group(0) @binding(2) var<storage, read_write> dx: array<S>;    // [pixels, c]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        dx[i] = stored(load(dy[joined(i)]));
    }
}
