// max_pool2d: y[n, h, w, c] = max over the taps (i, j) on the map of x[n, h sh + i - ph, w sw + j - pw, c], the first of equals;
// dx gathers the dy of the windows over a pixel whose maximum it was.
// One invocation LANES channels of a run of output pixels (forward), of an input pixel or of a block of four (backward); workgroups are
// folded over x and y of the grid.
// Preludes: common/windows.wgsl; an activation or common/identity.wgsl; VALUES: whether a forward pass keeps x where the maxima are, for a
// backward that finds them by it (common/batch_norm_pooled.wgsl), instead of their taps.

struct Params {
    count: u32,             // invocations
    groups: u32,            // c / LANES
    in_size: vec2<u32>,     // h_in, w_in; pairs are height, width from here on
    out_size: vec2<u32>,
    lowest: f32,            // minus infinity, which WGSL cannot write
    pixels: u32,            // forward: of the output, all samples'
    run: u32,               // forward: neighbouring pixels of an invocation
}
@group(0) @binding(0) var<uniform> params: Params;

@group(0) @binding(1) var<storage, read> x: array<S>;               // [n, h_in, w_in, c]

// What happens to values between memory and windows: an affine map (a batch norm's) and `activate`, which may be nothing.
struct Map { shift: F, delta: F, scale: F, offset: F }

struct Winner { value: F, tap: U, x: F }
fn winner(pixel: u32, g: u32, map: Map) -> Winner {
    let row = pixel / params.out_size.y;
    let sample = row / params.out_size.x;
    // Top left of the window, counted from the padding's corner.
    let corner = vec2(row % params.out_size.x, pixel % params.out_size.y) * STRIDE;
    let on_map = taps_on_map(corner);

    var best = F(params.lowest);
    var tap = U(on_map.first.x * WINDOW.y + on_map.first.y);
    var of_best = F();
    var nan_found = B();
    for (var h = on_map.first.x; h < on_map.end.x; h++) {
        let line = (sample * params.in_size.x + corner.x + h - PAD.x) * params.in_size.y;
        for (var w = on_map.first.y; w < on_map.end.y; w++) {
            let value = load(x[(line + corner.y + w - PAD.y) * params.groups + g]);
            let v = activate(((value - map.shift) - map.delta) * map.scale + map.offset);
            let nan = is_nan(v);
            let taken = (nan | (v > best)) & !nan_found;
            best = select(best, v, taken);
            tap = select(tap, U(h * WINDOW.y + w), taken);
            of_best = select(of_best, value, taken);
            nan_found = nan_found | nan;
        }
    }
    return Winner(best, tap, of_best);
}

fn kept(found: Winner) -> SU {
    if VALUES {
        return stored_u(bitcast<U>(found.x));
    }
    return stored_u(found.tap);
}

@group(0) @binding(2) var<storage, read_write> y: array<S>;         // [n, h_out, w_out, c]
@group(0) @binding(3) var<storage, read_write> argmax: array<SU>;   // y's: i * window_w + j

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let g = i % params.groups;
        let first = i / params.groups * params.run;
        for (var pixel = first; pixel < min(first + params.run, params.pixels); pixel++) {
            let found = winner(pixel, g, Map(F(), F(), F() + 1.0, F()));
            y[pixel * params.groups + g] = stored(found.value);
            argmax[pixel * params.groups + g] = kept(found);
        }
    }
}

// ---- forward_normalized: the same of batch_norm's output, which is written nowhere

@group(0) @binding(2) var<storage, read> stats: array<S>;           // [5, c]: shift, delta, rstd, gamma, beta
@group(0) @binding(3) var<storage, read_write> y_normalized: array<S>;
@group(0) @binding(4) var<storage, read_write> kept_normalized: array<SU>;

@compute @workgroup_size(64)
fn forward_normalized(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let g = i % params.groups;
        let scale = load(stats[2u * params.groups + g]) * load(stats[3u * params.groups + g]);
        let map = Map(load(stats[g]), load(stats[params.groups + g]), scale, load(stats[4u * params.groups + g]));
        let first = i / params.groups * params.run;
        for (var pixel = first; pixel < min(first + params.run, params.pixels); pixel++) {
            let found = winner(pixel, g, map);
            y_normalized[pixel * params.groups + g] = stored(found.value);
            kept_normalized[pixel * params.groups + g] = kept(found);
        }
    }
}

// ---- backward

@group(0) @binding(1) var<storage, read> taps: array<SU>;            // forward's argmax, [n, h_out, w_out, c]
@group(0) @binding(2) var<storage, read> dy: array<S>;              // [n, h_out, w_out, c]
@group(0) @binding(3) var<storage, read> y_out: array<S>;           // forward's output, for the slope; otherwise not read
@group(0) @binding(4) var<storage, read_write> dx: array<S>;        // [n, h_in, w_in, c]

// dy through the activation that x came from: where the maximum was, x is y.
fn gradient_at(o: u32) -> F {
    return load(dy[o]) * slope(load(y_out[o]));
}

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let pixel = i / params.groups;
        let row = pixel / params.in_size.y;
        let sample = row / params.in_size.x;
        // The pixel, counted from the padding's corner.
        let at = vec2(row % params.in_size.x, pixel % params.in_size.y) + PAD;
        let over = windows_over(at);

        var sum = F();
        for (var h = over.first.x; h < over.end.x; h++) {
            let line = (sample * params.out_size.x + h) * params.out_size.y;
            for (var w = over.first.y; w < over.end.y; w++) {
                let o = (line + w) * params.groups + i % params.groups;
                let tap = at - vec2(h, w) * STRIDE;
                sum += select(F(), gradient_at(o), load_u(taps[o]) == U(tap.x * WINDOW.y + tap.y));
            }
        }
        dx[i] = stored(sum);
    }
}

const REACH = (WINDOW - 1u) / 2u;

// The same for strides of 2: an invocation owns a 2 x 2 block of input pixels, which the same windows cover, so that each
// window's tap and gradient are loaded once for the four. Blocks are counted from the padding's corner.
@compute @workgroup_size(64)
fn backward_stride2(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let channels = params.groups;
        let in_size = params.in_size;
        let out_size = params.out_size;
        let blocks = (in_size + PAD + 1u) / 2u;
        let g = i % channels;
        let block_w = i / channels % blocks.y;
        let block_h = i / channels / blocks.y % blocks.x;
        let sample = i / channels / blocks.y / blocks.x;
        let block = vec2(block_h, block_w);

        var sum00 = F();
        var sum01 = F();
        var sum10 = F();
        var sum11 = F();
        // The windows over any pixel of the block, from the first on: 2 (block - back) + WINDOW > 2 block.
        for (var h = 0u; h <= REACH.x; h++) {
            let back_h = REACH.x - h;
            let line = (sample * out_size.x + block.x - back_h) * out_size.y + block.y;
            for (var w = 0u; w <= REACH.y; w++) {
                let back_w = REACH.y - w;
                // Unsigned: what lies before the first window wraps to over their number.
                if block.x - back_h < out_size.x && block.y - back_w < out_size.y {
                    let o = (line - back_w) * channels + g;
                    let gradient = gradient_at(o);
                    let taken = load_u(taps[o]);
                    let tap = 2u * (back_h * WINDOW.y + back_w);
                    sum00 += select(F(), gradient, taken == U(tap));
                    sum10 += select(F(), gradient, taken == U(tap + WINDOW.y));
                    // One column past the window would be the next line's first tap.
                    if 2u * back_w + 1u < WINDOW.y {
                        sum01 += select(F(), gradient, taken == U(tap + 1u));
                        sum11 += select(F(), gradient, taken == U(tap + WINDOW.y + 1u));
                    }
                }
            }
        }
        // Unsigned: what lies in the padding before the map wraps to over its size.
        let at = block * 2u - PAD;
        let row = sample * in_size.x;
        for (var r = 0u; r < 2u; r++) {
            let h = at.x + r;
            let pixel = (row + h) * in_size.y;
            if h < in_size.x && at.y < in_size.y {
                dx[(pixel + at.y) * channels + g] = stored(select(sum10, sum00, r == 0u));
            }
            if h < in_size.x && at.y + 1u < in_size.y {
                dx[(pixel + at.y + 1u) * channels + g] = stored(select(sum11, sum01, r == 0u));
            }
        }
    }
}
