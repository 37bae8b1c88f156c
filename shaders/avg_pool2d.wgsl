// avg_pool2d: y = mean of x over the taps of a window that lie on the map; dx gathers dy / taps of the windows over a pixel.
// One invocation LANES channels of an output (forward) or input (backward) pixel; workgroups are folded over x and y of the grid.
// Prelude: common/windows.wgsl.

struct Params {
    count: u32,             // invocations
    groups: u32,            // c / LANES
    in_size: vec2<u32>,     // h_in, w_in; pairs are height, width from here on
    out_size: vec2<u32>,
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // [n, h_in, w_in, c]
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // [n, h_out, w_out, c]

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let row = pixel / params.out_size.y;
        let sample = row / params.out_size.x;
        // Top left of the window, counted from the padding's corner.
        let corner = vec2(row % params.out_size.x, pixel % params.out_size.y) * STRIDE;
        let taps = taps_on_map(corner);

        var sum = F();
        for (var h = taps.first.x; h < taps.end.x; h++) {
            let line = (sample * params.in_size.x + corner.x + h - PAD.x) * params.in_size.y;
            for (var w = taps.first.y; w < taps.end.y; w++) {
                sum += load(x[(line + corner.y + w - PAD.y) * params.groups + i % params.groups]);
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
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let row = pixel / params.in_size.y;
        let sample = row / params.in_size.x;
        let over = windows_over(vec2(row % params.in_size.x, pixel % params.in_size.y) + PAD);

        var sum = F();
        for (var h = over.first.x; h < over.end.x; h++) {
            let line = (sample * params.out_size.x + h) * params.out_size.y;
            for (var w = over.first.y; w < over.end.y; w++) {
                let taps = taps_on_map(vec2(h, w) * STRIDE);
                let sides = taps.end - taps.first;
                sum += load(dy[(line + w) * params.groups + i % params.groups]) / f32(sides.x * sides.y);
            }
        }
        dx[i] = stored(sum);
    }
}
