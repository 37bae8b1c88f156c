// The ordered sum of a weight gradient's partial sums.

struct Params {
    count: u32,         // dw's elements; all counts are of LANES elements
    stride: u32,        // elements of one slice
    bias: u32,          // elements of db, behind dw's in each slice
    slices: u32,        // partial sums to add, in order
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> partial: array<S>;         // [slices, rows, c_out]
@group(0) @binding(2) var<storage, read_write> dw: array<S>;        // [taps, c_in, c_out]
@group(0) @binding(3) var<storage, read_write> db: array<S>;        // [c_out]; unused without a bias

fn sum(i: u32, first: u32, step: u32) -> F {
    var total = F();
    for (var s = first; s < params.slices; s += step) {
        total += load(partial[s * params.stride + i]);
    }
    return total;
}

fn hand_out(i: u32, total: F) {
    if i < params.count {
        dw[i] = stored(total);
    } else if i < params.count + params.bias {
        db[i - params.count] = stored(total);
    }
}

// One invocation LANES elements of dw, then of db.
@compute @workgroup_size(64)
fn reduce(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count + params.bias { hand_out(i, sum(i, 0u, 1u)); }
}

@compute @workgroup_size(64)
fn reduce_without_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count { dw[i] = stored(sum(i, 0u, 1u)); }
}

// Many slices of few elements: 16 invocations share them, each its slices in order, then a fixed tree.
var<workgroup> sums: array<F, 64>;
fn shared_sum(i: u32, local: u32) -> F {
    var own = F();
    if i < params.count + params.bias { own = sum(i, local / 4u, 16u); }
    sums[local] = own;
    for (var half = 32u; half >= 4u; half /= 2u) {
        workgroupBarrier();
        if local < half { sums[local] += sums[local + half]; }
    }
    return sums[local];
}

@compute @workgroup_size(64)
fn reduce_shared(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 4u + local % 4u;
    let total = shared_sum(i, local);
    if local < 4u { hand_out(i, total); }
}

@compute @workgroup_size(64)
fn reduce_shared_without_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                              @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 4u + local % 4u;
    let total = shared_sum(i, local);
    if local < 4u && i < params.count { dw[i] = stored(total); }
}
