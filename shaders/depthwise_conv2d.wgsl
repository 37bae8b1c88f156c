// depthwise_conv2d: y[n, h, w, c*m + k] = b[c*m + k] + sum over taps (i, j) of x[n, h*sh + i - ph, w*sw + j - pw, c] * w[i, j, c, k],
// m being the multiplier. LANES is 4 only where m is 1 and c divides by 4; g below counts groups of LANES output channels.
// One invocation LANES channels of an output pixel (forward) or an input pixel (backward_input); backward_params below.
// Workgroups are folded over x and y of the grid.

struct Params {
    count: u32,             // invocations
    groups: u32,            // input channel groups: c / LANES
    in_size: vec2<u32>,     // h_in, w_in; pairs are height, width from here on
    out_size: vec2<u32>,
    window: vec2<u32>,
    stride: vec2<u32>,
    pad: vec2<u32>,         // before the first row and column
    multiplier: u32,        // filters of a channel
    pixels: u32,            // backward_params: output pixels of this dispatch, n * h_out * w_out
    slice_pixels: u32,      //   output pixels of one slice
    first_slice: u32,       //   partial index of this dispatch's slice 0
    rows: u32,              //   rows of a slice's partial sums: taps, plus 1 with a bias
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<F>;               // [n, h_in, w_in, c]
@group(0) @binding(2) var<storage, read> w: array<F>;               // [kh, kw, c, m]
@group(0) @binding(3) var<storage, read> b: array<F>;               // [c * m]
@group(0) @binding(4) var<storage, read_write> y: array<F>;         // [n, h_out, w_out, c * m]

// Element i of the output without its bias.
fn convolved(i: u32) -> F {
    let c_out = params.groups * params.multiplier;
    let g = i % c_out;
    let c = g / params.multiplier;
    let pixel = i / c_out;
    let row = pixel / params.out_size.y;
    let sample = row / params.out_size.x;
    // Top left of the window, counted from the padding's corner, and the taps that lie on the map.
    let corner = vec2(row % params.out_size.x, pixel % params.out_size.y) * params.stride;
    let first = max(params.pad, corner) - corner;
    let end = min(params.window, params.in_size + params.pad - corner);
    let groups = params.groups;
    var sum = F();
    for (var h = first.x; h < end.x; h++) {
        let line = (sample * params.in_size.x + corner.x + h - params.pad.x) * params.in_size.y + corner.y - params.pad.y;
        let taps = h * params.window.y;
        for (var j = first.y; j < end.y; j++) {
            sum += x[(line + j) * groups + c] * w[(taps + j) * c_out + g];
        }
    }
    return sum;
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        y[i] = convolved(i) + b[i % (params.groups * params.multiplier)];
    }
}

@group(0) @binding(3) var<storage, read_write> y_plain: array<F>;   // y

@compute @workgroup_size(64)
fn forward_without_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        y_plain[i] = convolved(i);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<F>;              // [n, h_out, w_out, c * m]
@group(0) @binding(3) var<storage, read_write> dx: array<F>;        // [n, h_in, w_in, c]

@compute @workgroup_size(64)
fn backward_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let multiplier = params.multiplier;
        let c_out = params.groups * multiplier;
        let g = i % params.groups * multiplier;
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
            let taps = (at.x - h * params.stride.x) * params.window.y + at.y;
            for (var j = first.y; j < end.y; j++) {
                let o = (line + j) * c_out + g;
                let tap = (taps - j * params.stride.y) * c_out + g;
                for (var k = 0u; k < multiplier; k++) {
                    sum += dy[o + k] * w[tap + k];
                }
            }
        }
        dx[i] = sum;
    }
}

@group(0) @binding(2) var<storage, read> gradients: array<F>;           // dy, [n, h_out, w_out, c * m]
@group(0) @binding(3) var<storage, read_write> partial: array<F>;       // [slices, rows, c * m]

// x at column `column` of a line, 0 in the padding (unsigned: what lies before the map wraps to over its size).
fn factor(line: u32, column: u32, c: u32, wanted: bool) -> F {
    var value = F();
    if wanted && column < params.in_size.y {
        value = x[(line + column) * params.groups + c];
    }
    return value;
}

// One invocation up to four neighbouring taps of a window's line, or the bias, in LANES channels and a slice of output pixels:
// dy is loaded once for the four. The order of the sums is that of the pixels.
@compute @workgroup_size(64)
fn backward_params(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i < params.count {
        let c_out = params.groups * params.multiplier;
        let g = i % c_out;
        let c = g / params.multiplier;
        let fours = (params.window.y + 3u) / 4u;
        let taps = params.window.x * params.window.y;
        let items = params.window.x * fours + params.rows - taps;
        let item = i / c_out % items;
        let slice = i / c_out / items;
        let is_bias = item == params.window.x * fours;
        let tap_h = item / fours;
        let tap_w = item % fours * 4u;
        let width = select(min(params.window.y - tap_w, 4u), 1u, is_bias);

        let begin = slice * params.slice_pixels;
        let end = min(begin + params.slice_pixels, params.pixels);
        var w_out = begin % params.out_size.y;
        var h_out = begin / params.out_size.y % params.out_size.x;
        var sample = begin / params.out_size.y / params.out_size.x;
        var sum0 = F();
        var sum1 = F();
        var sum2 = F();
        var sum3 = F();
        for (var p = begin; p < end; p++) {
            let d = gradients[p * c_out + g];
            let h = h_out * params.stride.x + tap_h - params.pad.x;
            if is_bias {
                sum0 += d;
            } else if h < params.in_size.x {
                let line = (sample * params.in_size.x + h) * params.in_size.y;
                let column = w_out * params.stride.y + tap_w - params.pad.y;
                sum0 += d * factor(line, column, c, true);
                sum1 += d * factor(line, column + 1u, c, width > 1u);
                sum2 += d * factor(line, column + 2u, c, width > 2u);
                sum3 += d * factor(line, column + 3u, c, width > 3u);
            }
            w_out++;
            if w_out == params.out_size.y {
                w_out = 0u;
                h_out++;
            }
            if h_out == params.out_size.x {
                h_out = 0u;
                sample++;
            }
        }
        let first_row = (params.first_slice + slice) * params.rows + select(tap_h * params.window.y + tap_w, taps, is_bias);
        let at = first_row * c_out + g;
        partial[at] = sum0;
        if width > 1u { partial[at + c_out] = sum1; }
        if width > 2u { partial[at + 2u * c_out] = sum2; }
        if width > 3u { partial[at + 3u * c_out] = sum3; }
    }
}
