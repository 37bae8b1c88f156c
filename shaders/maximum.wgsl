// maximum: y = the larger of a and b, then of y and each further input. dx = dy where x is the first input that equals y, else 0.
// One invocation a vec4 (LANES = 4); workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // vec4s
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> a: array<S>;           // any shape
@group(0) @binding(2) var<storage, read> b: array<S>;           // a's
@group(0) @binding(3) var<storage, read_write> y: array<S>;     // a's

// The larger of two; a NaN if one is: max may drop it.
fn larger(first: F, second: F) -> F {
    return select(select(first, second, (second > first) | is_nan(second)), first, is_nan(first));
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        y[i] = stored(larger(load(a[i]), load(b[i])));
    }
}

@group(0) @binding(2) var<storage, read_write> most: array<S>;  // y, with the largest of the inputs before this one in it

@compute @workgroup_size(64)
fn forward_more(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        most[i] = stored(larger(load(most[i]), load(a[i])));
    }
}

@group(0) @binding(1) var<storage, read> x: array<S>;           // the input whose gradient it is
@group(0) @binding(2) var<storage, read> output: array<S>;      // y
@group(0) @binding(3) var<storage, read> dy: array<S>;
@group(0) @binding(4) var<storage, read_write> dx: array<S>;

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        dx[i] = stored(select(F(), load(dy[i]), load(x[i]) == load(output[i])));
    }
}

@group(0) @binding(1) var<storage, read> earlier: array<S>;             // an input before it
@group(0) @binding(3) var<storage, read_write> gradient: array<S>;      // dx, as backward left it

@compute @workgroup_size(64)
fn backward_tie(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        gradient[i] = stored(select(load(gradient[i]), F(), load(earlier[i]) == load(output[i])));
    }
}
