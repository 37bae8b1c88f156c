// softmax_cross_entropy: p = softmax(logits); s = t (1 - smoothing) + smoothing / classes; loss = -w sum_c s_c ln p_c;
// dlogits = w (p sum_c s_c - s) / n; correct = argmax p == argmax t (first of equals); mse = mean over classes of (t - p)^2.
// `forward`: one invocation a sample. `accumulate`: one workgroup, a fixed tree.

struct Params {
    n: u32,
    classes: u32,
    smoothing: f32,
    padding: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> logits: array<f32>;                // [n, classes]
@group(0) @binding(2) var<storage, read> targets: array<f32>;               // [n, classes]
@group(0) @binding(3) var<storage, read> weights: array<f32>;               // [n]
@group(0) @binding(4) var<storage, read_write> probabilities: array<f32>;   // [n, classes]
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;         // [n, classes]
@group(0) @binding(6) var<storage, read_write> samples_out: array<f32>;     // [n, 3]: loss, correct, mse

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n = group.x * 64u + local;
    if n < params.n {
        let row = n * params.classes;
        let keep = 1.0 - params.smoothing;
        let share = params.smoothing / f32(params.classes);
        var largest = logits[row];
        var best = 0u;
        var target_largest = targets[row];
        var target_best = 0u;
        for (var c = 1u; c < params.classes; c++) {
            let v = logits[row + c];
            if v > largest {
                largest = v;
                best = c;
            }
            let t = targets[row + c];
            if t > target_largest {
                target_largest = t;
                target_best = c;
            }
        }
        var sum = 0.0;      // of the exponentials
        var total = 0.0;    // of the targets that the loss sees
        var inner = 0.0;    // of these times the logits above the largest
        for (var c = 0u; c < params.classes; c++) {
            let above = logits[row + c] - largest;
            let e = exp(above);
            probabilities[row + c] = e;
            sum += e;
            let s = targets[row + c] * keep + share;
            total += s;
            // 0 times a logit that is minus infinity is 0 here: a class that nobody named costs nothing.
            if s != 0.0 {
                inner += s * above;
            }
        }
        var squares = 0.0;
        let scale = weights[n] / f32(params.n);
        for (var c = 0u; c < params.classes; c++) {
            let p = probabilities[row + c] / sum;
            let t = targets[row + c];
            let difference = p * total - (t * keep + share);
            probabilities[row + c] = p;
            dlogits[row + c] = difference * scale;
            squares += (p - t) * (p - t);
        }
        samples_out[n * 3u] = weights[n] * (total * log(sum) - inner);
        samples_out[n * 3u + 1u] = select(0.0, 1.0, best == target_best);
        samples_out[n * 3u + 2u] = squares / f32(params.classes);
    }
}

@group(0) @binding(1) var<storage, read> samples: array<f32>;               // [n, 3]
@group(0) @binding(2) var<storage, read_write> metrics: array<f32>;         // [8]: sums of loss, correct, mse; count; bad

var<workgroup> tile: array<vec3<f32>, 64>;

@compute @workgroup_size(64)
fn accumulate(@builtin(local_invocation_index) local: u32) {
    var sum = vec3<f32>();
    for (var n = local; n < params.n; n += 64u) {
        sum += vec3(samples[n * 3u], samples[n * 3u + 1u], samples[n * 3u + 2u]);
    }
    tile[local] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            tile[local] += tile[local + half];
        }
    }
    if local == 0u {
        let total = tile[0];
        metrics[0] += total.x;
        metrics[1] += total.y;
        metrics[2] += total.z;
        metrics[3] += f32(params.n);
        // All exponent bits set: infinite or not a number. Tested as bits, which no fast-math rule may assume away. It stays
        // set until the host clears it, and the optimizer does not move while it is.
        if (bitcast<u32>(total.x) & 0x7f800000u) == 0x7f800000u {
            metrics[4] = 1.0;
        }
    }
}
