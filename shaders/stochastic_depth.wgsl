// stochastic_depth: y = x * scale in samples whose random number is at least the threshold, else 0; backward the same with dy.
// One invocation LANES neighbouring elements of a sample; workgroups are folded over x and y of the grid.
// Preludes: common/step.wgsl (seed and step), common/philox.wgsl.

struct Params {
    count: u32,     // invocations
    groups: u32,    // of a sample: its elements / LANES
    first: u32,     // samples of the batch before the slice
    layer: u32,     // the layer's number in its graph: its own stream
    threshold: u32, // of 2^24: smaller numbers drop the sample; 0 in inference
    scale: f32,     // 1 / (1 - rate); 1 in inference
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> source: array<S>;              // x or dy, [n, ...]
@group(0) @binding(2) var<storage, read_write> result: array<S>;        // y or dx, the same shape

// Whether sample n of the batch stays: four samples share a Philox block.
fn keeps(n: u32) -> bool {
    if params.threshold == 0u {
        return true;
    }
    let words = philox4x32(vec4(n / 4u, params.layer, step.step), step.seed);
    return (words[n % 4u] >> 8u) >= params.threshold;
}

@compute @workgroup_size(64)
fn drop_samples(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        var kept = F();
        if keeps(params.first + i / params.groups) {
            kept = load(source[i]) * params.scale;
        }
        result[i] = stored(kept);
    }
}
