// avg_pool2d: y = mean of x over the taps of a window that lie on the map; dx gathers dy / taps of the windows over a pixel.
// One invocation LANES channels of an output (forward) or input (backward) pixel; workgroups are folded over x and y of the grid.

struct Params {
    count: u32,             // invocations
    groups: u32,            // c / LANES
    in_size: vec2<u32>,     // h_in, w_in; pairs are height, width from here on
    out_size: vec2<u32>,
    window: vec2<u32>,
    stride: vec2<u32>,
    pad: vec2<u32>,         // before the first row and column
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // [n, h_in, w_in, c]
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // [n, h_out, w_out, c]

// The taps of an output pixel's window that lie on the map: from first, before end.
struct Taps { first: vec2<u32>, end: vec2<u32> }
fn taps_on_map(corner: vec2<u32>) -> Taps {
    return Taps(max(params.pad, corner) - corner, min(params.window, params.in_size + params.pad - corner));
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let pixel = i / params.groups;
        let row = pixel / params.out_size.y;
        let sample = row / params.out_size.x;
        // Top left of the window, counted from the padding's corner.
        let corner = vec2(row % params.out_size.x, pixel % params.out_size.y) * params.stride;
        let taps = taps_on_map(corner);

        var sum = F();
        for (var h = taps.first.x; h < taps.end.x; h++) {
            let line = (sample * params.in_size.x + corner.x + h - params.pad.x) * params.in_size.y;
            for (var w = taps.first.y; w < taps.end.y; w++) {
                sum += load(x[(line + corner.y + w - params.pad.y) * params.groups + i % params.groups]);
            }
        }
        let sides = taps.end - taps.first;
        y[i] = stored(sum / f32(sides.x * sides.y));
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;          // [n, h_out, w_out, c]
@group(0) @binding(2) var<storage, read_write> dx: array<S>;    // [n, h_in, w_in, c]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let pixel = i / params.groups;
        let row = pixel / params.in_size.y;
        let sample = row / params.in_size.x;
        // The pixel, counted from the padding's corner, and the windows over it: o stride <= at < o stride + window.
        let at = vec2(row % params.in_size.x, pixel % params.in_size.y) + params.pad;
        let first = select(vec2(0u), (at - params.window) / params.stride + 1u, at >= params.window);
        let end = min(at / params.stride + 1u, params.out_size);

        var sum = F();
        for (var h = first.x; h < end.x; h++) {
            let line = (sample * params.out_size.x + h) * params.out_size.y;
            for (var w = first.y; w < end.y; w++) {
                let taps = taps_on_map(vec2(h, w) * params.stride);
                let sides = taps.end - taps.first;
                sum += load(dy[(line + w) * params.groups + i % params.groups]) / f32(sides.x * sides.y);
            }
        }
        dx[i] = stored(sum);
    }
}
