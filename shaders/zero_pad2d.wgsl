// zero_pad2d: y[n, h, w, c] = x[n, h - top, w - left, c] on the map, else 0; dx[n, h, w, c] = dy[n, h + top, w + left, c].
// One invocation LANES channels of an output (forward) or input (backward) pixel; workgroups are folded over x and y of the grid.

struct Params {
    count: u32,             // invocations
    groups: u32,            // c / LANES
    in_size: vec2<u32>,     // h, w; pairs are height, width from here on
    out_size: vec2<u32>,
    before: vec2<u32>,      // top, left
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // [n, h, w, c]
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // [n, top + h + bottom, left + w + right, c]

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let row = pixel / params.out_size.y;
        // Unsigned: what lies before the map wraps to over its size.
        let at = vec2(row % params.out_size.x, pixel % params.out_size.y) - params.before;
        var value = F();
        if all(at < params.in_size) {
            let line = row / params.out_size.x * params.in_size.x + at.x;
            value = load(x[(line * params.in_size.y + at.y) * params.groups + i % params.groups]);
        }
        y[i] = stored(value);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;          // [n, top + h + bottom, left + w + right, c]
@group(0) @binding(2) var<storage, read_write> dx: array<S>;    // [n, h, w, c]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let row = pixel / params.in_size.y;
        let line = row / params.in_size.x * params.out_size.x + row % params.in_size.x + params.before.x;
        let column = pixel % params.in_size.y + params.before.y;
        dx[i] = stored(load(dy[(line * params.out_size.y + column) * params.groups + i % params.groups]));
    }
}
