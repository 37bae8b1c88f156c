// global_max_pool: y[n, c] = max over h, w of x[n, h, w, c], ties[n, c] the number of pixels that hold it, a NaN being over
// everything; dx[n, h, w, c] = dy[n, c] / ties[n, c] where x is the maximum, else 0.
// forward: one workgroup a sample and 8 channel groups; 8 invocations share the pixels of a group and merge in a fixed tree.
// backward: one invocation LANES channels of a pixel. Workgroups are folded over x and y of the grid.

struct Params {
    count: u32,     // samples (forward), invocations (backward)
    groups: u32,    // c / LANES
    pixels: u32,    // h * w
    tiles: u32,     // tiles of 8 groups
    lowest: f32,    // minus infinity, which WGSL cannot write
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;               // [n, h, w, c]
@group(0) @binding(2) var<storage, read_write> y: array<S>;         // [n, c]
@group(0) @binding(3) var<storage, read_write> ties: array<SU>;     // [n, c]

// The maximum of some pixels, and how many of them hold it.
struct Peak { top: F, ties: U }
fn merge(p: Peak, q: Peak) -> Peak {
    let p_nan = is_nan(p.top);
    let q_nan = is_nan(q.top);
    let higher = !p_nan & (q_nan | (q.top > p.top));
    let level = (p_nan & q_nan) | (!p_nan & !q_nan & (p.top == q.top));
    return Peak(select(p.top, q.top, higher), select(p.ties + select(U(), q.ties, level), q.ties, higher));
}

var<workgroup> tops: array<F, 64>;
var<workgroup> counts: array<U, 64>;

@compute @workgroup_size(8, 8)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let number = group.y * groups.x + group.x;
    let sample = number / params.tiles;
    let g = number % params.tiles * 8u + id.x;
    let inside = sample < params.count && g < params.groups;
    var peak = Peak(F(params.lowest), U());
    if inside {
        for (var p = id.y; p < params.pixels; p += 8u) {
            peak = merge(peak, Peak(load(x[(sample * params.pixels + p) * params.groups + g]), U(1u)));
        }
    }
    tops[local] = peak.top;
    counts[local] = peak.ties;
    for (var half = 4u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if id.y < half {
            peak = merge(peak, Peak(tops[local + half * 8u], counts[local + half * 8u]));
            tops[local] = peak.top;
            counts[local] = peak.ties;
        }
    }
    if inside && id.y == 0u {
        y[sample * params.groups + g] = stored(peak.top);
        ties[sample * params.groups + g] = stored_u(peak.ties);
    }
}

@group(0) @binding(2) var<storage, read> y_out: array<S>;           // forward's output, [n, c]
@group(0) @binding(3) var<storage, read> shares: array<SU>;         // forward's ties, [n, c]
@group(0) @binding(4) var<storage, read> dy: array<S>;              // [n, c]
@group(0) @binding(5) var<storage, read_write> dx: array<S>;        // [n, h, w, c]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let slot = i / (params.pixels * params.groups) * params.groups + i % params.groups;
        let v = load(x[i]);
        let top = load(y_out[slot]);
        let is_top = is_nan(v) | (!is_nan(top) & (v == top));
        dx[i] = stored(select(F(), load(dy[slot]) / F(load_u(shares[slot])), is_top));
    }
}
