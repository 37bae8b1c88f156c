// Maps as their phases and back: pixel (h, w), counted from the padding's corner, is pixel (h / dh, w / dw) of phase (h % dh, w % dw).
// One invocation LANES channels of a pixel of what is written. Workgroups are folded over x and y of the grid.

struct Params {
    count: u32,             // invocations
    units: u32,             // c / LANES
    map: vec2<u32>,         // height and width of the map; pairs are in this order
    phase: vec2<u32>,       // of a phase
    dilation: vec2<u32>,    // phases of an axis
    pad: vec2<u32>,         // of the map, before its first row and column
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> source: array<S>;
@group(0) @binding(2) var<storage, read_write> result: array<S>;

// source [n, h, w, c], result [n, dh, dw, phase h, phase w, c]: 0 where the map has no such pixel.
@compute @workgroup_size(64)
fn to_phases(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.units;
        let line = pixel / params.phase.y;
        let phase = line / params.phase.x;
        let of_phase = vec2(line % params.phase.x, pixel % params.phase.y);
        let row = phase / params.dilation.y;
        let at = of_phase * params.dilation + vec2(row % params.dilation.x, phase % params.dilation.y) - params.pad;
        let sample = row / params.dilation.x;
        // What lies before the map has wrapped to over its size.
        var value = F();
        if all(at < params.map) {
            value = load(source[((sample * params.map.x + at.x) * params.map.y + at.y) * params.units + i % params.units]);
        }
        result[i] = stored(value);
    }
}

// source [n, dh, dw, phase h, phase w, c], result [n, h, w, c].
@compute @workgroup_size(64)
fn from_phases(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.units;
        let line = pixel / params.map.y;
        let at = vec2(line % params.map.x, pixel % params.map.y) + params.pad;
        let of_phase = at / params.dilation;
        let phase = at % params.dilation;
        let sample = line / params.map.x;
        let map = (sample * params.dilation.x + phase.x) * params.dilation.y + phase.y;
        let pixel_there = (map * params.phase.x + of_phase.x) * params.phase.y + of_phase.y;
        result[i] = stored(load(source[pixel_there * params.units + i % params.units]));
    }
}
