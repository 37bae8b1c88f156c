// gradient_norm: the factor of clipping by the global norm, min(1, limit / sqrt(sum of all squares)). First a partial sum a
// workgroup, over 64 x 64 vec4s; then one workgroup adds these up. The order is fixed.

struct Params {
    count: u32,     // squares: vec4s of the slice; scale: partial sums
    groups: u32,    // squares: partial sums of the slice
    first: u32,     // squares: the slice's first partial sum
    limit: f32,
}
@group(0) @binding(0) var<uniform> params: Params;

var<workgroup> tile: array<f32, 64>;

fn total(local: u32, own: f32) -> f32 {
    tile[local] = own;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            tile[local] += tile[local + half];
        }
    }
    return tile[0];
}

@group(0) @binding(1) var<storage, read> gradients: array<Quad>;
@group(0) @binding(2) var<storage, read_write> partials_out: array<f32>;

@compute @workgroup_size(64)
fn squares(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let group = workgroup.y * groups.x + workgroup.x;
    var sum = 0.0;
    for (var k = 0u; k < 64u; k++) {
        let i = group * 4096u + k * 64u + local;
        if i < params.count {
            let g = quad(gradients[i]);
            sum += dot(g, g);
        }
    }
    let all = total(local, sum);
    if local == 0u && group < params.groups {
        partials_out[params.first + group] = all;
    }
}

@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> factor: array<f32>;      // [1]
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;     // [8]

@compute @workgroup_size(64)
fn scale(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var i = local; i < params.count; i += 64u) {
        sum += partials[i];
    }
    let all = total(local, sum);
    if local == 0u {
        let norm = sqrt(all);
        factor[0] = select(params.limit / norm, 1.0, norm <= params.limit);
        // All exponent bits set: infinite or not a number, tested as bits as the loss's flag is. Then nothing moves.
        if (bitcast<u32>(all) & 0x7f800000u) == 0x7f800000u {
            metrics[4] = 1.0;
        }
    }
}
