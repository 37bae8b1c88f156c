// mul: y = a * b, element by element (equal) or an image by a factor a sample and channel (gated); the same kernels give the
// gradients that are products, dy * b. backward_gate: dgate[n, c] = sum over h, w of dy[n, h, w, c] * image[n, h, w, c].
// One invocation a vec4 (equal) or LANES channels of a pixel (gated), workgroups folded over x and y of the grid; backward_gate
// below.

struct Params {
    count: u32,     // invocations; backward_gate: samples
    groups: u32,    // c / LANES; from here on not for equal
    pixels: u32,    // h * w
    tiles: u32,     // tiles of 8 groups
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> a: array<S>;           // any shape; gated: [n, h, w, c]
@group(0) @binding(2) var<storage, read> b: array<S>;           // a's; gated: [n, c]
@group(0) @binding(3) var<storage, read_write> y: array<S>;     // a's

@compute @workgroup_size(64)
fn equal(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        y[i] = stored(load(a[i]) * load(b[i]));
    }
}

@compute @workgroup_size(64)
fn gated(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let sample = i / (params.pixels * params.groups);
        y[i] = stored(load(a[i]) * load(b[sample * params.groups + i % params.groups]));
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;              // [n, h, w, c]
@group(0) @binding(2) var<storage, read> image: array<S>;           // [n, h, w, c]
@group(0) @binding(3) var<storage, read_write> dgate: array<S>;     // [n, c]

var<workgroup> tile: array<F, 64>;

// One workgroup a sample and 8 channel groups: 8 invocations share the pixels of a group, a fixed tree adds them up.
@compute @workgroup_size(8, 8)
fn backward_gate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let number = group.y * groups.x + group.x;
    let sample = number / params.tiles;
    let g = number % params.tiles * 8u + id.x;
    let inside = sample < params.count && g < params.groups;
    var sum = F();
    if inside {
        for (var p = id.y; p < params.pixels; p += 8u) {
            let i = (sample * params.pixels + p) * params.groups + g;
            sum += load(dy[i]) * load(image[i]);
        }
    }
    tile[local] = sum;
    for (var half = 4u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if id.y < half {
            tile[local] += tile[local + half * 8u];
        }
    }
    if inside && id.y == 0u {
        dgate[sample * params.groups + g] = stored(tile[local]);
    }
}
