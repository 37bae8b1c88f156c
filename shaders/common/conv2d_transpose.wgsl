// Weights with their channels exchanged.

struct Params {
    count: u32,         // weights
    c_in: u32,
    c_out: u32,
    padding: u32,
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
