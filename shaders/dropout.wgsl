// dropout: y = x * scale where the element's random number is at least the threshold, else 0; backward the same with dy.
// One invocation four neighbouring elements, which share one Philox block; workgroups are folded over x and y of the grid.
// Preludes: common/step.wgsl (seed and step), common/philox.wgsl.

struct Params {
    count: u32,     // vec4s of the slice
    first: u32,     // vec4s of the batch before the slice
    layer: u32,     // the layer's number in its graph: its own stream
    threshold: u32, // of 2^24: smaller numbers drop the element
    scale: f32,     // 1 / (1 - rate)
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> source: array<Quad>;                   // x or dy, any shape
@group(0) @binding(2) var<storage, read> at: array<Quad>;                       // x, for the slope in backward; otherwise not read
@group(0) @binding(3) var<storage, read_write> result: array<Quad>;             // y or dx, the same shape

@compute @workgroup_size(64)
fn drop_elements(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let words = philox4x32(vec4(params.first + i, params.layer, step.step), step.seed);
        let kept = (words >> vec4(8u)) >= vec4(params.threshold);
        result[i] = quad_of(select(vec4(0.0), quad(source[i]) * params.scale, kept) * slope(quad(at[i])));
    }
}

// Inference, and a rate of 0.
@compute @workgroup_size(64)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        result[i] = quad_of(quad(source[i]) * slope(quad(at[i])));
    }
}
