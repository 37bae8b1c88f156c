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
fn transpose(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let matrix = params.c_in * params.c_out;
        let c = i % params.c_in;
        let o = (i % matrix) / params.c_in;
        transposed[i] = w[i - i % matrix + c * params.c_out + o];
    }
}

@group(0) @binding(1) var<storage, read> partial: array<f32>;           // [slices, rows, c_out]
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;          // [taps, c_in, c_out]
@group(0) @binding(3) var<storage, read_write> db: array<f32>;          // [c_out]; unused without a bias

fn sum(i: u32) -> f32 {
    var total = 0.0;
    for (var s = 0u; s < params.slices; s++) {
        total += partial[s * params.stride + i];
    }
    return total;
}

// One invocation an element of dw, then of db.
@compute @workgroup_size(64)
fn reduce(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        dw[i] = sum(i);
    } else if i < params.count + params.bias {
        db[i - params.count] = sum(i);
    }
}

@compute @workgroup_size(64)
fn reduce_without_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        dw[i] = sum(i);
    }
}
