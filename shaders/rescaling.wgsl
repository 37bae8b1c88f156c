// rescaling: y = x * scale + offset; dx = dy * scale, with values that repeat every c elements.
// One invocation a vec4 (LANES = 4); workgroups are folded over x and y of the grid.

struct Params {
    count: u32,                     // vec4s
    period: u32,                    // vec4s after which the values repeat: lcm(c, 4) / 4, at most 7
    scale: array<vec4<f32>, 7>,     // of the elements of a period
    offset: array<vec4<f32>, 7>,
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // any shape, c last
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // x's

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let k = i % params.period;
        y[i] = stored(load(x[i]) * params.scale[k] + params.offset[k]);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;          // x's shape
@group(0) @binding(2) var<storage, read_write> dx: array<S>;    // x's shape

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        dx[i] = stored(load(dy[i]) * params.scale[i % params.period]);
    }
}
