// general_conv2d: y[n, h, w, o] = b[o] + sum over taps (i, j) and the channels c of o's group of
// x[n, h*sh + i*dh - ph, w*sw + j*dw - pw, c] * w[i, j, c, o].
// Channels are counted in units: LANES of y, and of x as many as X holds. Prelude: common/general_conv2d_quads.wgsl, where X is four
// channels and every filter of the group meets all four, or common/general_conv2d_single.wgsl, where X meets as many filters as LANES.
// Workgroups are folded over x and y of the grid.

struct Params {
    count: u32,             // invocations
    depth: u32,             // units of x that a filter meets: those of a group
    x_units: u32,           // units of a pixel of x
    y_units: u32,           // units of a pixel of y
    x_size: vec2<u32>,      // height and width of x; pairs are in this order
    y_size: vec2<u32>,      // of y
    window: vec2<u32>,      // taps
    step: vec2<u32>,        // between pixels of y, seen from x
    tap_step: vec2<u32>,    // between taps; backwards (wrapped) for backward_input
    first: vec2<u32>,       // where the first pixel of y meets its first tap (wrapped if before the map)
    divisor: vec2<u32>,     // positions are in units of 1/divisor pixels of x: those between pixels meet none
    group_units: u32,       // units of y in a group
    c_group: u32,           // transpose, backward_params: input channels of a group
    pixels: u32,            // backward_params: pixels of y of this dispatch, n * h * w
    slice_pixels: u32,      //   pixels of a slice
    first_slice: u32,       //   partial index of this dispatch's slice 0
    rows: u32,              //   rows of a slice's partial sums: those of the weights, plus 1 with a bias
    taps: u32,              //   neighbouring taps of an invocation
    row_step: u32,          //   from each of an invocation's rows to the next
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<XS>;              // [n, h, w, c_in]
@group(0) @binding(2) var<storage, read> w: array<S>;               // [taps, c_in of a group, c_out]
@group(0) @binding(3) var<storage, read> b: array<S>;               // [c_out]
@group(0) @binding(4) var<storage, read_write> y: array<S>;         // [n, h, w, c_out]

// The pixel of an axis at a position: `size` or more if there is none. (What lies before the map has wrapped to over any size.)
fn pixel_at(position: u32, divisor: u32, size: u32) -> u32 {
    if DIVIDES {
        return select(size, position / divisor, position % divisor == 0u);
    }
    return position;
}

// A unit of x, or 0 in the padding: `at` must be in x all the same.
fn inside_or_zero(at: u32, inside: bool) -> X { return select(X(), load_x(x[at]), inside); }

// A pixel of x in one unit of channels, 0 in the padding.
fn value(line: u32, column: u32, unit: u32) -> X {
    let inside = column < params.x_size.y;
    return inside_or_zero(select(0u, (line + column) * params.x_units + unit, inside), inside);
}

// Four neighbouring pixels of a line of y.
struct Run { y0: F, y1: F, y2: F, y3: F }

// Run i of the output without its bias: each weight is loaded for four products.
fn convolved_run(i: u32) -> Run {
    // Read once: a uniform load inside a loop costs as much as any other on software drivers.
    let units = params.y_units;
    let x_units = params.x_units;
    let depth = params.depth;
    let x_size = params.x_size;
    let divisor = params.divisor.y;
    let step = params.step.y;
    let tap_step = params.tap_step;
    let window = params.window;
    let g = i % units;
    let runs = (params.y_size.y + 3u) / 4u;
    let line_y = i / units / runs;
    let sample = line_y / params.y_size.x;
    let first_h = line_y % params.y_size.x * params.step.x + params.first.x;
    let first_w = i / units % runs * 4u * step + params.first.y;
    let of_group = g / params.group_units * depth;
    let over_map = vec4(x_size.y);
    var y0 = F();
    var y1 = F();
    var y2 = F();
    var y3 = F();
    for (var r = 0u; r < window.x; r++) {
        let h = pixel_at(first_h + r * tap_step.x, params.divisor.x, x_size.x);
        if h < x_size.x {
            let line = (sample * x_size.x + h) * x_size.y;
            for (var j = 0u; j < window.y; j++) {
                let position = first_w + j * tap_step.y;
                let columns = vec4(
                    pixel_at(position, divisor, x_size.y),
                    pixel_at(position + step, divisor, x_size.y),
                    pixel_at(position + 2u * step, divisor, x_size.y),
                    pixel_at(position + 3u * step, divisor, x_size.y),
                );
                let first_row = (r * window.y + j) * depth * DEPTH * units + g;
                // A tap that none of the four pixels meets on the map: most of them where the dilation is as large as the map.
                let inside = columns < over_map;
                let trips = select(0u, depth, any(inside));
                let pixels = select(vec4(0u), (line + columns) * x_units + of_group, inside);
                for (var c = 0u; c < trips; c++) {
                    let factors = factors_at(first_row + c * DEPTH * units, units);
                    let at = pixels + c;
                    y0 += product(inside_or_zero(at.x, inside.x), factors);
                    y1 += product(inside_or_zero(at.y, inside.y), factors);
                    y2 += product(inside_or_zero(at.z, inside.z), factors);
                    y3 += product(inside_or_zero(at.w, inside.w), factors);
                }
            }
        }
    }
    return Run(y0, y1, y2, y3);
}

// First unit of run i in the output, and how many of its four pixels the line has.
struct Place { at: u32, pixels: u32 }
fn place(i: u32) -> Place {
    let units = params.y_units;
    let runs = (params.y_size.y + 3u) / 4u;
    let column = i / units % runs * 4u;
    let pixel = i / units / runs * params.y_size.y + column;
    return Place(pixel * units + i % units, min(params.y_size.y - column, 4u));
}

// One invocation LANES channels of four neighbouring pixels of y.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let run = convolved_run(i);
        let bias = load(b[i % params.y_units]);
        let to = place(i);
        y[to.at] = stored(run.y0 + bias);
        if to.pixels > 1u { y[to.at + params.y_units] = stored(run.y1 + bias); }
        if to.pixels > 2u { y[to.at + 2u * params.y_units] = stored(run.y2 + bias); }
        if to.pixels > 3u { y[to.at + 3u * params.y_units] = stored(run.y3 + bias); }
    }
}

@group(0) @binding(3) var<storage, read_write> y_plain: array<S>;   // y

// Also backward_input: dy for x, dx for y, transposed weights, and steps that go back from a pixel to the windows over it.
@compute @workgroup_size(64)
fn forward_without_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let run = convolved_run(i);
        let to = place(i);
        y_plain[to.at] = stored(run.y0);
        if to.pixels > 1u { y_plain[to.at + params.y_units] = stored(run.y1); }
        if to.pixels > 2u { y_plain[to.at + 2u * params.y_units] = stored(run.y2); }
        if to.pixels > 3u { y_plain[to.at + 3u * params.y_units] = stored(run.y3); }
    }
}

@group(0) @binding(1) var<storage, read> weights: array<f32>;               // [taps, c_in of a group, groups, filters of a group]
@group(0) @binding(2) var<storage, read_write> transposed: array<f32>;      // [taps, filters of a group, groups, c_in of a group]

// One invocation one weight. Of y's sizes: y_units is the input channels, x_units the filters, depth those of a group.
@compute @workgroup_size(64)
fn transpose(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let c_in = i % params.y_units;
        let row = i / params.y_units;
        let filter_of_group = row % params.depth;
        let tap = row / params.depth;
        let c_out = c_in / params.c_group * params.depth + filter_of_group;
        transposed[i] = weights[(tap * params.c_group + c_in % params.c_group) * params.x_units + c_out];
    }
}

@group(0) @binding(2) var<storage, read> dy: array<S>;                      // [n, h, w, c_out]
@group(0) @binding(3) var<storage, read_write> partial: array<S>;           // [slices, rows, c_out]

// One invocation up to four rows of the weight gradient, or the bias's, in LANES filters and a slice of the pixels of y: the four
// channels of a tap that X holds, or four neighbouring taps. dy is loaded once for the four. The order of the sums is that of the pixels.
@compute @workgroup_size(64)
fn backward_params(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let units = params.y_units;
        let depth = params.depth;
        let x_size = params.x_size;
        let y_size = params.y_size;
        let step = params.step;
        let g = i % units;
        let lots = (params.window.y + params.taps - 1u) / params.taps;
        let of_weights = params.window.x * lots * depth;
        let weight_rows = params.window.x * params.window.y * params.c_group;
        let items = of_weights + params.rows - weight_rows;
        let item = i / units % items;
        let slice = i / units / items;
        let is_bias = item == of_weights;
        let c = item % depth;
        let unit = g / params.group_units * depth + c;
        let tap_h = item / depth / lots;
        let tap_w = item / depth % lots * params.taps;
        let first_h = tap_h * params.tap_step.x + params.first.x;
        let first_w = tap_w * params.tap_step.y + params.first.y;

        let begin = slice * params.slice_pixels;
        let end = min(begin + params.slice_pixels, params.pixels);
        var w_out = begin % y_size.y;
        var h_out = begin / y_size.y % y_size.x;
        var sample = begin / y_size.y / y_size.x;
        var sum0 = F();
        var sum1 = F();
        var sum2 = F();
        var sum3 = F();
        for (var p = begin; p < end; p++) {
            let d = load(dy[p * units + g]);
            let h = h_out * step.x + first_h;
            if is_bias {
                sum0 += d;
            } else if h < x_size.x {
                let line = (sample * x_size.x + h) * x_size.y;
                let v = values(line, w_out * step.y + first_w, unit);
                sum0 += d * v.v0;
                sum1 += d * v.v1;
                sum2 += d * v.v2;
                sum3 += d * v.v3;
            }
            w_out++;
            if w_out == y_size.y {
                w_out = 0u;
                h_out++;
            }
            if h_out == y_size.x {
                h_out = 0u;
                sample++;
            }
        }
        let row = select((tap_h * params.window.y + tap_w) * params.c_group + c * DEPTH, weight_rows, is_bias);
        let width = select(select(params.window.y - tap_w, 4u, DEPTH == 4u), 1u, is_bias);
        let at = ((params.first_slice + slice) * params.rows + row) * units + g;
        let next = params.row_step * units;
        partial[at] = stored(sum0);
        if width > 1u { partial[at + next] = stored(sum1); }
        if width > 2u { partial[at + 2u * next] = stored(sum2); }
        if width > 3u { partial[at + 3u * next] = stored(sum3); }
    }
}
