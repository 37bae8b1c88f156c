// leaky_relu: y = x where x > 0, else slope * x; dx = dy where y > 0, else slope * dy.
// One invocation a vec4 (LANES = 4); workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // vec4s
    slope: f32,     // 0 or more
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // any shape
@group(0) @binding(2) var<storage, read_write> y: array<F>;     // x's

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let v = get(x[i]);
        y[i] = select(v * params.slope, v, v > F());
    }
}

@group(0) @binding(1) var<storage, read> y_out: array<S>;       // forward's output
@group(0) @binding(2) var<storage, read> dy: array<S>;
@group(0) @binding(3) var<storage, read_write> dx: array<F>;

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let d = get(dy[i]);
        dx[i] = select(d * params.slope, d, get(y_out[i]) > F());
    }
}
