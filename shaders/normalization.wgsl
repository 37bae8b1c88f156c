// normalization: y = (x - mean) / max(sqrt(variance), 1e-7), statistics a channel; dx = dy / max(sqrt(variance), 1e-7).
// One invocation LANES channels of a pixel; workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // invocations
    groups: u32,    // c / LANES
}
@group(0) @binding(0) var<uniform> params: Params;

// Keras's smallest deviation.
const FLOOR = F(1e-7);

@group(0) @binding(1) var<storage, read> x: array<S>;           // [n, ..., c]
@group(0) @binding(2) var<storage, read> mean: array<S>;        // [c]
@group(0) @binding(3) var<storage, read> variance: array<S>;    // [c]
@group(0) @binding(4) var<storage, read_write> y: array<S>;     // [n, ..., c]

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let g = i % params.groups;
        y[i] = stored((load(x[i]) - load(mean[g])) / max(sqrt(load(variance[g])), FLOOR));
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;          // [n, ..., c]
@group(0) @binding(2) var<storage, read> variance_in: array<S>; // [c]
@group(0) @binding(3) var<storage, read_write> dx: array<S>;    // [n, ..., c]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        dx[i] = stored(load(dy[i]) / max(sqrt(load(variance_in[i % params.groups])), FLOOR));
    }
}
