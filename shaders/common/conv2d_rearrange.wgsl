// Two small passes around the convolution kernels.

struct Params {
    count: u32,         // transpose: weights; reduce: dw's elements
    c_in: u32,          // transpose
    c_out: u32,         // transpose
    slices: u32,        // reduce: partial sums to add, in order
    stride: u32,        // reduce: elements of one slice
    bias: u32,          // reduce: elements of db, behind dw's in each slice
    padding0: u32,
    padding1: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> w: array<f32>;                 // [taps, c_in, c_out]
@group(0) @binding(2) var<storage, read_write> transposed: array<f32>;  // [taps, c_out, c_in]

// One invocation an element of the result.
@compute @workgroup_size(64)
fn transpose_scalars(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let matrix = params.c_in * params.c_out;
        let c = i % params.c_in;
        let o = (i % matrix) / params.c_in;
        transposed[i] = w[i - i % matrix + c * params.c_out + o];
    }
}

@group(0) @binding(1) var<storage, read> w_quads: array<Quad>;                  // as w
@group(0) @binding(2) var<storage, read_write> transposed_quads: array<Quad>;   // as transposed

// The same where both channel counts divide by 4: one invocation a block of 4 x 4, neighbours' blocks side by side in w.
@compute @workgroup_size(64)
fn transpose_quads(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count / 16u {
        let rows = params.c_in / 4u;
        let columns = params.c_out / 4u;
        let block = i / columns;
        let tap = block / rows * rows * columns * 4u;
        let first = tap + block % rows * 4u * columns + i % columns;
        let result = tap + i % columns * 4u * rows + block % rows;
        let lines = transpose(mat4x4(quad(w_quads[first]), quad(w_quads[first + columns]),
                                     quad(w_quads[first + 2u * columns]), quad(w_quads[first + 3u * columns])));
        transposed_quads[result] = quad_of(lines[0]);
        transposed_quads[result + rows] = quad_of(lines[1]);
        transposed_quads[result + 2u * rows] = quad_of(lines[2]);
        transposed_quads[result + 3u * rows] = quad_of(lines[3]);
    }
}

@group(0) @binding(1) var<storage, read> partial: array<f32>;           // [slices, rows, c_out]
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;          // [taps, c_in, c_out]
@group(0) @binding(3) var<storage, read_write> db: array<f32>;          // [c_out]; unused without a bias

fn sum(i: u32, first: u32, step: u32) -> f32 {
    var total = 0.0;
    for (var s = first; s < params.slices; s += step) {
        total += partial[s * params.stride + i];
    }
    return total;
}

fn hand_out(i: u32, total: f32) {
    if i < params.count {
        dw[i] = total;
    } else if i < params.count + params.bias {
        db[i - params.count] = total;
    }
}

// One invocation an element of dw, then of db.
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
    if i < params.count { dw[i] = sum(i, 0u, 1u); }
}

// Many slices of few elements: 16 invocations share an element, each its slices in order, then a fixed tree.
var<workgroup> sums: array<f32, 64>;
fn shared_sum(i: u32, local: u32) -> f32 {
    var own = 0.0;
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
    if local < 4u && i < params.count { dw[i] = total; }
}
