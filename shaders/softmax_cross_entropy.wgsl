// softmax_cross_entropy: p = softmax(logits); s = t (1 - smoothing) + smoothing / classes; loss = -w sum_c s_c ln p_c;
// dlogits = w (p sum_c s_c - s) / n; correct = argmax p == argmax t (first of equals); mse = mean over classes of (t - p)^2.
// `forward`: one invocation a sample, LANES classes at a time. `accumulate`: one workgroup, a fixed tree.

struct Params {
    n: u32,
    classes: u32,
    smoothing: f32,
    padding: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> logits: array<S>;                  // [n, classes]
@group(0) @binding(2) var<storage, read> targets: array<S>;                 // [n, classes]
@group(0) @binding(3) var<storage, read> weights: array<f32>;               // [n]
@group(0) @binding(4) var<storage, read_write> probabilities: array<S>;     // [n, classes]
@group(0) @binding(5) var<storage, read_write> dlogits: array<S>;           // [n, classes]
@group(0) @binding(6) var<storage, read_write> samples_out: array<f32>;     // [n, 3]: loss, correct, mse

fn sum_of(v: F) -> f32 {
    var total = element(v, 0u);
    for (var k = 1u; k < LANES; k++) { total += element(v, k); }
    return total;
}

// The largest value of a row and its class, the first of equals, from those of every LANES-th and the groups they are in.
struct Largest { value: f32, index: u32 }
fn largest_of(values: F, groups: U) -> Largest {
    var found = Largest(element(values, 0u), element_u(groups, 0u) * LANES);
    for (var k = 1u; k < LANES; k++) {
        let other = Largest(element(values, k), element_u(groups, k) * LANES + k);
        if other.value > found.value || (other.value == found.value && other.index < found.index) { found = other; }
    }
    return found;
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n = group.x * 64u + local;
    if n < params.n {
        let groups = params.classes / LANES;
        let row = n * groups;
        let keep = 1.0 - params.smoothing;
        let share = params.smoothing / f32(params.classes);
        var values = load(logits[row]);
        var value_groups = U();
        for (var g = 1u; g < groups; g++) {
            let v = load(logits[row + g]);
            value_groups = select(value_groups, U(g), v > values);
            values = select(values, v, v > values);
        }
        let best = largest_of(values, value_groups);
        var target_values = load(targets[row]);
        var target_groups = U();
        var sums = F();     // of the exponentials
        var totals = F();   // of the targets that the loss sees
        var inners = F();   // of these times the logits above the largest
        for (var g = 0u; g < groups; g++) {
            let above = load(logits[row + g]) - best.value;
            let e = exp(above);
            probabilities[row + g] = stored(e);
            sums += e;
            let t = load(targets[row + g]);
            target_groups = select(target_groups, U(g), t > target_values);
            target_values = select(target_values, t, t > target_values);
            let s = t * keep + share;
            totals += s;
            // 0 times a logit that is minus infinity is 0 here: a class that nobody named costs nothing.
            inners += select(F(), s * above, s != F());
        }
        let sum = sum_of(sums);
        let total = sum_of(totals);
        let inner = sum_of(inners);
        var squares = F();
        let scale = weights[n] / f32(params.n);
        for (var g = 0u; g < groups; g++) {
            let p = load(probabilities[row + g]) / sum;
            let t = load(targets[row + g]);
            let difference = p * total - (t * keep + share);
            probabilities[row + g] = stored(p);
            dlogits[row + g] = stored(difference * scale);
            squares += (p - t) * (p - t);
        }
        samples_out[n * 3u] = weights[n] * (total * log(sum) - inner);
        samples_out[n * 3u + 1u] = select(0.0, 1.0, best.index == largest_of(target_values, target_groups).index);
        samples_out[n * 3u + 2u] = sum_of(squares) / f32(params.classes);
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
