// conv2d.sum_slices: y = activate(sum + b) or sum * slope(at), where the sum is that of the slices of a contraction, in their order.
// One invocation LANES channels of a pixel. activate and slope stand in front.

struct Params {
    count: u32,     // y's invocations
    groups: u32,    // c / LANES
    slices: u32,
    padding0: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<S>;         // [slices, n, h, w, c]

fn sum(i: u32) -> F {
    var total = F();
    for (var s = 0u; s < params.slices; s++) { total += load(partial[s * params.count + i]); }
    return total;
}

@group(0) @binding(2) var<storage, read_write> y: array<S>;         // [n, h, w, c]

@compute @workgroup_size(64)
fn sum_slices(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count { y[i] = stored(activate(sum(i))); }
}

@group(0) @binding(2) var<storage, read> b: array<S>;               // [c]
@group(0) @binding(3) var<storage, read_write> y_behind: array<S>;  // [n, h, w, c]

@compute @workgroup_size(64)
fn sum_slices_and_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count { y_behind[i] = stored(activate(sum(i) + load(b[i % params.groups]))); }
}

@group(0) @binding(2) var<storage, read> at: array<S>;              // [n, h, w, c]

@compute @workgroup_size(64)
fn sum_slices_by_slope(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count { y_behind[i] = stored(sum(i) * slope(load(at[i]))); }
}
