// upsample2d: y = x enlarged by whole factors. Nearest: y[n, h, w, c] = x[n, h / factor.x, w / factor.y, c]. Bilinear: an output's
// place in the input is s = (h + 1/2) / factor - 1/2 on each axis; it is the mean of the pixels floor(s) and floor(s) + 1, clamped to
// the map, weighted by nearness. dx: each pixel gathers dy from the outputs that read it, from the first to the last.
// One invocation LANES channels of an output (forward) or input (backward) pixel; workgroups are folded over x and y of the grid.

struct Params {
    size: vec2<u32>,        // h, w of the input; pairs are height, width
    factor: vec2<u32>,
    count: u32,             // invocations
    groups: u32,            // c / LANES
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;           // [n, h, w, c]
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // [n, h * factor.x, w * factor.y, c]

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let width = params.size.y * params.factor.y;
        // Samples follow one another, so a line of the batch divides as a line of a map does.
        let line = pixel / width / params.factor.x;
        let column = pixel % width / params.factor.y;
        y[i] = stored(load(x[(line * params.size.y + column) * params.groups + i % params.groups]));
    }
}

// Where an output of an axis lies between two pixels of the input.
struct Taps {
    low: i32,       // floor(s): -1 before the first pixel
    share: f32,     // weight of the pixel behind it
}

// s = (2 at + 1 - factor) / (2 factor), in whole numbers, so that floor is exact.
fn taps(at: u32, factor: u32) -> Taps {
    let twice = i32(2u * factor);
    // One factor more keeps the numerator from being negative.
    let numerator = i32(2u * at + 1u + factor);
    return Taps(numerator / twice - 1, f32(numerator % twice) / f32(twice));
}

fn clamped(pixel: i32, size: u32) -> u32 {
    return u32(clamp(pixel, 0, i32(size) - 1));
}

@compute @workgroup_size(64)
fn forward_bilinear(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let width = params.size.y * params.factor.y;
        let line = pixel / width;
        let height = params.size.x * params.factor.x;
        let rows = taps(line % height, params.factor.x);
        let columns = taps(pixel % width, params.factor.y);
        let top = line / height * params.size.x;
        let channel = i % params.groups;
        var value = F();
        for (var k = 0u; k < 4u; k += 1u) {
            let row = top + clamped(rows.low + i32(k / 2u), params.size.x);
            let column = clamped(columns.low + i32(k % 2u), params.size.y);
            let weight = select(1.0 - rows.share, rows.share, k >= 2u) * select(1.0 - columns.share, columns.share, k % 2u == 1u);
            value += load(x[(row * params.size.y + column) * params.groups + channel]) * weight;
        }
        y[i] = stored(value);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;          // [n, h * factor.x, w * factor.y, c]
@group(0) @binding(2) var<storage, read_write> dx: array<S>;    // [n, h, w, c]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let width = params.size.y * params.factor.y;
        let first = pixel / params.size.y * params.factor.x * width + pixel % params.size.y * params.factor.y;
        var sum = F();
        for (var row = 0u; row < params.factor.x; row += 1u) {
            for (var column = 0u; column < params.factor.y; column += 1u) {
                sum += load(dy[(first + row * width + column) * params.groups + i % params.groups]);
            }
        }
        dx[i] = stored(sum);
    }
}

// The weight with which an output of an axis reads a pixel.
fn weight_of(pixel: u32, at: u32, factor: u32, size: u32) -> f32 {
    let t = taps(at, factor);
    return select(0.0, 1.0 - t.share, clamped(t.low, size) == pixel) + select(0.0, t.share, clamped(t.low + 1, size) == pixel);
}

@compute @workgroup_size(64)
fn backward_bilinear(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let line = pixel / params.size.y;
        let row = line % params.size.x;
        let column = pixel % params.size.y;
        let height = params.size.x * params.factor.x;
        let width = params.size.y * params.factor.y;
        let sample = line / params.size.x * height;
        // A pixel is read by outputs of its own block and of the two beside it.
        let rows = vec2(max(row, 1u) - 1u, min(row + 2u, params.size.x)) * params.factor.x;
        let columns = vec2(max(column, 1u) - 1u, min(column + 2u, params.size.y)) * params.factor.y;
        var sum = F();
        for (var h = rows.x; h < rows.y; h += 1u) {
            let down = weight_of(row, h, params.factor.x, params.size.x);
            for (var w = columns.x; w < columns.y; w += 1u) {
                let weight = down * weight_of(column, w, params.factor.y, params.size.y);
                sum += load(dy[((sample + h) * width + w) * params.groups + i % params.groups]) * weight;
            }
        }
        dx[i] = stored(sum);
    }
}
