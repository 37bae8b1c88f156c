// mean_squared_error: a sample's loss is its weight w times the mean over k of (prediction - target)^2;
// dpredictions = 2 w (prediction - target) / (n k).
// One invocation a sample; softmax_cross_entropy's `accumulate` adds the samples up.

struct Params {
    n: u32,
    k: u32,         // numbers a sample
    scale: f32,     // 2 / (n k)
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> predictions: array<f32>;           // [n, k]
@group(0) @binding(2) var<storage, read> targets: array<f32>;               // [n, k]
@group(0) @binding(3) var<storage, read> weights: array<f32>;               // [n]
@group(0) @binding(4) var<storage, read_write> dpredictions: array<f32>;    // [n, k]
@group(0) @binding(5) var<storage, read_write> samples: array<f32>;         // [n, 3]: loss, correct (none), mse

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let n = item(group, groups, local);
    if n < params.n {
        let scale = weights[n] * params.scale;
        var squares = 0.0;
        for (var i = n * params.k; i < (n + 1u) * params.k; i++) {
            let difference = predictions[i] - targets[i];
            dpredictions[i] = difference * scale;
            squares += difference * difference;
        }
        let mse = squares / f32(params.k);
        samples[n * 3u] = weights[n] * mse;
        samples[n * 3u + 1u] = 0.0;
        samples[n * 3u + 2u] = mse;
    }
}
