// depthwise_conv2d: y[n, h, w, c*m + k] = b[c*m + k] + sum over taps (i, j) of x[n, h*sh + i - ph, w*sw + j - pw, c] *
// w[i, j, c, k], m being the multiplier. LANES is 4 only where m is 1 and c divides by 4; g below counts groups of LANES output
// channels.
// One invocation LANES channels of an output pixel (forward), an input pixel (backward_input), or of four neighbouring ones of a
// line (unit_stride: m and both strides 1); backward_params below.
// Workgroups are folded over x and y of the grid. Prelude: common/windows.wgsl.

struct Params {
    count: u32,             // invocations
    groups: u32,            // input channel groups: c / LANES
    in_size: vec2<u32>,     // h_in, w_in; pairs are height, width from here on
    out_size: vec2<u32>,
    multiplier: u32,        // filters of a channel
    pixels: u32,            // backward_params: output pixels of this dispatch, n * h_out * w_out
    slice_pixels: u32,      //   output pixels of one slice
    first_slice: u32,       //   partial index of this dispatch's slice 0
    rows: u32,              //   rows of a slice's partial sums: taps, plus 1 with a bias
    reversed: u32,          // unit_stride: 1 meets the last tap first
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;               // [n, h_in, w_in, c]
@group(0) @binding(2) var<storage, read> w: array<S>;               // [kh, kw, c, m]
@group(0) @binding(3) var<storage, read> b: array<S>;               // [c * m]
@group(0) @binding(4) var<storage, read_write> y: array<S>;         // [n, h_out, w_out, c * m]

// Element i of the output without its bias.
fn convolved(i: u32) -> F {
    // Read once: a uniform load inside a loop costs as much as any other on software drivers.
    let groups = params.groups;
    let in_size = params.in_size;
    let c_out = groups * params.multiplier;
    let g = i % c_out;
    let c = g / params.multiplier;
    let pixel = i / c_out;
    let row = pixel / params.out_size.y;
    let sample = row / params.out_size.x;
    // Top left of the window, counted from the padding's corner.
    let corner = vec2(row % params.out_size.x, pixel % params.out_size.y) * STRIDE;
    let on_map = taps_on_map(corner);
    var sum = F();
    for (var h = on_map.first.x; h < on_map.end.x; h++) {
        let line = (sample * in_size.x + corner.x + h - PAD.x) * in_size.y + corner.y - PAD.y;
        let taps = h * WINDOW.y;
        for (var j = on_map.first.y; j < on_map.end.y; j++) {
            sum += load(x[(line + j) * groups + c]) * load(w[(taps + j) * c_out + g]);
        }
    }
    return sum;
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        y[i] = stored(convolved(i) + load(b[i % (params.groups * params.multiplier)]));
    }
}

@group(0) @binding(3) var<storage, read_write> y_plain: array<S>;   // y

@compute @workgroup_size(64)
fn forward_without_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        y_plain[i] = stored(convolved(i));
    }
}

// x in channel group c at a column of a line, 0 in the padding (unsigned: what lies before the map wraps to over its width).
fn column_of(line: u32, column: u32, c: u32, groups: u32, width: u32) -> F {
    var value = F();
    if column < width {
        value = load(x[(line + column) * groups + c]);
    }
    return value;
}

// Four neighbouring outputs of a line.
struct Run { y0: F, y1: F, y2: F, y3: F }

// Run i of the output without its bias. Of the four inputs that the outputs meet under a tap, three are the next tap's too: a
// weight and one input are loaded for four products.
fn convolved_run(i: u32) -> Run {
    let groups = params.groups;
    let g = i % groups;
    let runs = (params.out_size.y + 3u) / 4u;
    let line_out = i / groups / runs;
    let sample = line_out / params.out_size.x;
    let first_h = line_out % params.out_size.x - PAD.x;
    let column = i / groups % runs * 4u - PAD.y;
    let in_size = params.in_size;
    let reversed = params.reversed == 1u;
    let last = WINDOW.x * WINDOW.y - 1u;
    var y0 = F();
    var y1 = F();
    var y2 = F();
    var y3 = F();
    for (var r = 0u; r < WINDOW.x; r++) {
        let h = first_h + r;
        if h < in_size.x {
            let line = (sample * in_size.x + h) * in_size.y;
            var x0 = column_of(line, column, g, groups, in_size.y);
            var x1 = column_of(line, column + 1u, g, groups, in_size.y);
            var x2 = column_of(line, column + 2u, g, groups, in_size.y);
            for (var j = 0u; j < WINDOW.y; j++) {
                let x3 = column_of(line, column + 3u + j, g, groups, in_size.y);
                let tap = r * WINDOW.y + j;
                let factor = load(w[select(tap, last - tap, reversed) * groups + g]);
                y0 += x0 * factor;
                y1 += x1 * factor;
                y2 += x2 * factor;
                y3 += x3 * factor;
                x0 = x1;
                x1 = x2;
                x2 = x3;
            }
        }
    }
    return Run(y0, y1, y2, y3);
}

// First element of run i in the output, and how many of its four pixels the line has.
struct Place { at: u32, pixels: u32 }
fn place(i: u32) -> Place {
    let runs = (params.out_size.y + 3u) / 4u;
    let column = i / params.groups % runs * 4u;
    let pixel = i / params.groups / runs * params.out_size.y + column;
    return Place(pixel * params.groups + i % params.groups, min(params.out_size.y - column, 4u));
}

@compute @workgroup_size(64)
fn unit_stride(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let run = convolved_run(i);
        let bias = load(b[i % params.groups]);
        let to = place(i);
        y[to.at] = stored(run.y0 + bias);
        if to.pixels > 1u { y[to.at + params.groups] = stored(run.y1 + bias); }
        if to.pixels > 2u { y[to.at + 2u * params.groups] = stored(run.y2 + bias); }
        if to.pixels > 3u { y[to.at + 3u * params.groups] = stored(run.y3 + bias); }
    }
}

// Also backward_input, with dy for x, dx for y and the taps reversed.
@compute @workgroup_size(64)
fn unit_stride_without_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let run = convolved_run(i);
        let to = place(i);
        y_plain[to.at] = stored(run.y0);
        if to.pixels > 1u { y_plain[to.at + params.groups] = stored(run.y1); }
        if to.pixels > 2u { y_plain[to.at + 2u * params.groups] = stored(run.y2); }
        if to.pixels > 3u { y_plain[to.at + 3u * params.groups] = stored(run.y3); }
    }
}

@group(0) @binding(1) var<storage, read> dy: array<S>;              // [n, h_out, w_out, c * m]
@group(0) @binding(3) var<storage, read_write> dx: array<S>;        // [n, h_in, w_in, c]

@compute @workgroup_size(64)
fn backward_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let multiplier = params.multiplier;
            let out_size = params.out_size;
        let c_out = params.groups * multiplier;
        let g = i % params.groups * multiplier;
        let pixel = i / params.groups;
        let row = pixel / params.in_size.y;
        let sample = row / params.in_size.x;
        // The pixel, counted from the padding's corner.
        let at = vec2(row % params.in_size.x, pixel % params.in_size.y) + PAD;
        let over = windows_over(at);

        var sum = F();
        for (var h = over.first.x; h < over.end.x; h++) {
            let line = (sample * out_size.x + h) * out_size.y;
            let taps = (at.x - h * STRIDE.x) * WINDOW.y + at.y;
            for (var j = over.first.y; j < over.end.y; j++) {
                let o = (line + j) * c_out + g;
                let tap = (taps - j * STRIDE.y) * c_out + g;
                for (var k = 0u; k < multiplier; k++) {
                    sum += load(dy[o + k]) * load(w[tap + k]);
                }
            }
        }
        dx[i] = stored(sum);
    }
}

@group(0) @binding(2) var<storage, read> gradients: array<S>;           // dy, [n, h_out, w_out, c * m]
@group(0) @binding(3) var<storage, read_write> partial: array<S>;       // [slices, rows, c * m]

// One invocation up to four neighbouring taps of a window's line, or the bias, in LANES channels and a slice of output pixels:
// dy is loaded once for the four, and with a horizontal step of 1 three of the four inputs are the next pixel's too. The order of
// the sums is that of the pixels.
@compute @workgroup_size(64)
fn backward_params(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let c_in = params.groups;
        let c_out = c_in * params.multiplier;
        let g = i % c_out;
        let c = g / params.multiplier;
            let fours = (WINDOW.y + 3u) / 4u;
        let taps = WINDOW.x * WINDOW.y;
        let items = WINDOW.x * fours + params.rows - taps;
        let item = i / c_out % items;
        let slice = i / c_out / items;
        let is_bias = item == WINDOW.x * fours;
        let tap_h = item / fours;
        let tap_w = item % fours * 4u;
        let width = select(min(WINDOW.y - tap_w, 4u), 1u, is_bias);

        let in_size = params.in_size;
        let out_size = params.out_size;
        let first_h = tap_h - PAD.x;
        let first_w = tap_w - PAD.y;
        // The widths of the line as the taps see it: of no use, so 0, for those past the window, unless the next pixel wants them.
        let slides = STRIDE.y == 1u;
        let widths = select(vec4(0u), vec4(in_size.y), (vec4(width) > vec4(0u, 1u, 2u, 3u)) | vec4(slides));
        let begin = slice * params.slice_pixels;
        let end = min(begin + params.slice_pixels, params.pixels);
        var w_out = begin % out_size.y;
        var h_out = begin / out_size.y % out_size.x;
        var sample = begin / out_size.y / out_size.x;
        var starts = true;
        var x0 = F();
        var x1 = F();
        var x2 = F();
        var x3 = F();
        var sum0 = F();
        var sum1 = F();
        var sum2 = F();
        var sum3 = F();
        for (var p = begin; p < end; p++) {
            let d = load(gradients[p * c_out + g]);
            let h = h_out * STRIDE.x + first_h;
            if is_bias {
                sum0 += d;
            } else if h < in_size.x {
                let line = (sample * in_size.x + h) * in_size.y;
                let column = w_out * STRIDE.y + first_w;
                if slides && !starts {
                    x0 = x1;
                    x1 = x2;
                    x2 = x3;
                } else {
                    x0 = column_of(line, column, c, c_in, widths.x);
                    x1 = column_of(line, column + 1u, c, c_in, widths.y);
                    x2 = column_of(line, column + 2u, c, c_in, widths.z);
                }
                x3 = column_of(line, column + 3u, c, c_in, widths.w);
                sum0 += d * x0;
                sum1 += d * x1;
                sum2 += d * x2;
                sum3 += d * x3;
            }
            w_out++;
            starts = w_out == out_size.y;
            if starts {
                w_out = 0u;
                h_out++;
            }
            if h_out == out_size.x {
                h_out = 0u;
                sample++;
            }
        }
        let first_row = (params.first_slice + slice) * params.rows + select(tap_h * WINDOW.y + tap_w, taps, is_bias);
        let at = first_row * c_out + g;
        partial[at] = stored(sum0);
        if width > 1u { partial[at + c_out] = stored(sum1); }
        if width > 2u { partial[at + 2u * c_out] = stored(sum2); }
        if width > 3u { partial[at + 3u * c_out] = stored(sum3); }
    }
}
