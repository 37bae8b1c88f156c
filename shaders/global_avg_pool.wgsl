// global_avg_pool: y[n, c] = mean over h, w of x[n, h, w, c]; dx[n, h, w, c] = dy[n, c] / (h w).
// One invocation LANES channels of a sample (forward) or of a pixel (backward); workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // invocations
    groups: u32,    // c / LANES
    pixels: u32,    // h * w
    scale: f32,     // 1 / pixels
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // [n, h, w, c]
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // [n, c]

// Four sums, added in pairs: a quarter of the trips, and a smaller rounding error than one long sum.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let stride = params.groups;
        let first = i / stride * params.pixels * stride + i % stride;
        let fours = params.pixels / 4u;
        var sum0 = F();
        var sum1 = F();
        var sum2 = F();
        var sum3 = F();
        for (var k = 0u; k < fours; k++) {
            let at = first + 4u * k * stride;
            sum0 += load(x[at]);
            sum1 += load(x[at + stride]);
            sum2 += load(x[at + 2u * stride]);
            sum3 += load(x[at + 3u * stride]);
        }
        for (var p = 4u * fours; p < params.pixels; p++) {
            sum0 += load(x[first + p * stride]);
        }
        y[i] = stored(((sum0 + sum1) + (sum2 + sum3)) * params.scale);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;          // [n, c]
@group(0) @binding(2) var<storage, read> at: array<S>;          // x, for the slope; otherwise not read
@group(0) @binding(3) var<storage, read_write> dx: array<S>;    // [n, h, w, c]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let sample = i / (params.pixels * params.groups);
        dx[i] = stored(load(dy[sample * params.groups + i % params.groups]) * params.scale * slope(load(at[i])));
    }
}
