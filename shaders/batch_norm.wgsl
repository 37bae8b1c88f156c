// batch_norm over [rows, c] (rows = n * h * w): y = (x - mean) * rstd * gamma + beta, statistics a channel.
// F is one channel or four neighbours; g below counts groups of LANES channels.
//
// Sums run in two passes: `statistics` and `backward_sums` reduce a strip of rows in a workgroup (8 channel groups x 8 row
// lanes, a fixed tree), the `finish` passes merge the strips in order. Values are taken relative to the first of their strip and channel,
// so a large mean costs no precision; the mean is kept as that value (shift) and a remainder (delta). The op that produces x may have
// left such strips already (conv2d.wgsl), shorter ones and many: then `statistics` need not read x again.
//
// In front: MERGERS, how many invocations merge the strips of a channel group: those of a GPU wait for memory, and wait less the more
// they are; a software driver's take turns, and it copies its code for each halving of them. NEIGHBOURS: whether a row lane's rows follow
// one another, as a software driver wants them: it runs row lanes one after another, and a CPU fetches ahead what is read in order. A GPU
// runs them side by side.
//
// Behind a batch norm may stand a max pool, which then normalizes what it reads (max_pool2d.wgsl): y is written nowhere. Backward,
// common/batch_norm_pooled.wgsl reads the pool's gradient.
//
// activate and slope (common/identity.wgsl or an activation's own): `apply` ends in an activation, `backward_input` begins in the
// one whose output x is.

struct Params {
    groups: u32,        // channel groups: c / LANES
    rows: u32,          // rows of this dispatch: a slice of the batch
    strip_rows: u32,    // rows of one strip
    first_strip: u32,   // partial index of this dispatch's strip 0
    strips: u32,        // strips to merge
    batch_rows: f32,    // rows of the whole batch
    momentum: f32,
    epsilon: f32,
    scaled: u32,        // finish_statistics, use_moving: 0 if gamma is 1, and what is bound in its place is not it
    in_size: vec2<u32>,     // behind a pool: height and width of the map, and of the pool's
    out_size: vec2<u32>,
}
@group(0) @binding(0) var<uniform> params: Params;

// The rows of a strip that a row lane takes: every eighth, or, with NEIGHBOURS, some that follow one another.
struct Rows { first: u32, end: u32, step: u32 }
fn rows_of(strip: u32, lane: u32) -> Rows {
    let begin = strip * params.strip_rows;
    let end = min(begin + params.strip_rows, params.rows);
    if NEIGHBOURS {
        let count = (params.strip_rows + 7u) / 8u;
        let first = begin + lane * count;
        return Rows(first, min(first + count, end), 1u);
    }
    return Rows(begin + lane, end, 8u);
}

// Of mergers or of the 8 x 8 invocations that sum; at most what WebGPU guarantees, 16 KiB, in all: the passes share them.
const SHARERS = max(MERGERS, 64u);
var<workgroup> first_tile: array<F, SHARERS>;
var<workgroup> second_tile: array<F, SHARERS>;

// Sums the 8 row lanes of each channel group into row lane 0. All invocations must come here.
fn add_row_lanes(local: u32, lane: u32) {
    for (var half = 4u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            first_tile[local] += first_tile[local + half * 8u];
            second_tile[local] += second_tile[local + half * 8u];
        }
    }
    workgroupBarrier();
}

// ---- statistics: partial [strips, 4, c] of (rows, shift, mean - shift, sum of squared differences from that mean)

@group(0) @binding(1) var<storage, read> x: array<S>;                   // [rows, c]
@group(0) @binding(2) var<storage, read_write> partial: array<S>;       // [strips, 4, c]

@compute @workgroup_size(8, 8)
fn statistics(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let g = group.x * 8u + place_of(id.x);
    let inside = g < params.groups;
    let rows = rows_of(group.y, id.y);
    var shift = F();
    var sum = F();
    var squares = F();
    if inside {
        shift = load(x[group.y * params.strip_rows * params.groups + g]);
        for (var row = rows.first; row < rows.end; row += rows.step) {
            let d = load(x[row * params.groups + g]) - shift;
            sum += d;
            squares += d * d;
        }
    }
    first_tile[local] = sum;
    second_tile[local] = squares;
    add_row_lanes(local, id.y);
    if inside && id.y == 0u {
        let count = f32(min(params.strip_rows, params.rows - group.y * params.strip_rows));
        let delta = first_tile[local] / count;
        let slot = (params.first_strip + group.y) * 4u * params.groups + g;
        partial[slot] = stored(F() + count);
        partial[slot + params.groups] = stored(shift);
        partial[slot + 2u * params.groups] = stored(delta);
        partial[slot + 3u * params.groups] = stored(max(second_tile[local] - delta * first_tile[local], F()));
    }
}

// ---- finish_statistics: merges strips (Chan, Golub and LeVeque 1983), a workgroup a channel group: MERGERS lanes take the strips in turns,
//      then a fixed tree

@group(0) @binding(1) var<storage, read> strips: array<S>;              // partial
@group(0) @binding(2) var<storage, read> gamma: array<S>;               // [c]
@group(0) @binding(3) var<storage, read> beta: array<S>;                // [c]
@group(0) @binding(4) var<storage, read_write> moving_mean: array<S>;   // [c]
@group(0) @binding(5) var<storage, read_write> saved: array<S>;         // [5, c]: shift, delta, rstd, gamma, beta
@group(0) @binding(6) var<storage, read_write> moving_variance: array<S>;   // [c]

// What a channel group's passes need to know of it, so that they need not bind the parameters.
fn save(g: u32, shift: F, delta: F, variance: F) {
    saved[g] = stored(shift);
    saved[params.groups + g] = stored(delta);
    saved[2u * params.groups + g] = stored(F() + 1.0 / sqrt(variance + params.epsilon));
    saved[3u * params.groups + g] = stored(select(F() + 1.0, load(gamma[g]), params.scaled == 1u));
    saved[4u * params.groups + g] = stored(load(beta[g]));
}

var<workgroup> rows_tile: array<F, MERGERS>;
var<workgroup> shift_tile: array<F, MERGERS>;

// Of rows of which there may be none.
struct Moments { rows: F, shift: F, delta: F, squares: F }
fn merged(a: Moments, b: Moments) -> Moments {
    let rows = a.rows + b.rows;
    let share = b.rows / max(rows, F() + 1.0);
    let d = (b.shift - a.shift) + (b.delta - a.delta);
    let squares = a.squares + b.squares + d * d * (a.rows * share);
    // Where a has no rows its shift is no value of the channel.
    let first = a.rows == F();
    return Moments(rows, select(a.shift, b.shift, first), select(a.delta + d * share, b.delta, first), squares);
}

@compute @workgroup_size(MERGERS)
fn finish_statistics(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x;
    var all = Moments();
    for (var s = lane; s < params.strips; s += MERGERS) {
        let slot = s * 4u * params.groups + g;
        let step = params.groups;
        let rows = load(strips[slot]);
        let strip = Moments(rows, load(strips[slot + step]), load(strips[slot + 2u * step]), load(strips[slot + 3u * step]));
        all = merged(all, strip);
    }
    for (var half = MERGERS / 2u; half > 0u; half /= 2u) {
        rows_tile[lane] = all.rows;
        shift_tile[lane] = all.shift;
        first_tile[lane] = all.delta;
        second_tile[lane] = all.squares;
        workgroupBarrier();
        let other = (lane + half) % MERGERS;
        all = merged(all, Moments(rows_tile[other], shift_tile[other], first_tile[other], second_tile[other]));
        workgroupBarrier();
    }
    if lane == 0u {
        let variance = all.squares / all.rows;
        save(g, all.shift, all.delta, variance);
        // Keras: moving = moving * momentum + batch * (1 - momentum), with the biased variance.
        let rate = 1.0 - params.momentum;
        moving_mean[g] = stored(load(moving_mean[g]) * params.momentum + (all.shift + all.delta) * rate);
        moving_variance[g] = stored(load(moving_variance[g]) * params.momentum + variance * rate);
    }
}

// ---- use_moving: inference's statistics, in the same form

@group(0) @binding(1) var<storage, read> mean_in: array<S>;             // [c]
@group(0) @binding(4) var<storage, read> variance_in: array<S>;         // [c]

@compute @workgroup_size(8)
fn use_moving(@builtin(global_invocation_id) id: vec3<u32>) {
    let g = id.x;
    if g < params.groups {
        save(g, load(mean_in[g]), F(), load(variance_in[g]));
    }
}

// ---- apply: y; the grid is that of statistics

@group(0) @binding(2) var<storage, read> stats: array<S>;               // saved
@group(0) @binding(3) var<storage, read_write> y: array<S>;             // [rows, c]

@compute @workgroup_size(8, 8)
fn apply(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let g = group.x * 8u + place_of(id.x);
    if g < params.groups {
        let shift = load(stats[g]);
        let delta = load(stats[params.groups + g]);
        let scale = load(stats[2u * params.groups + g]) * load(stats[3u * params.groups + g]);
        let offset = load(stats[4u * params.groups + g]);
        let rows = rows_of(group.y, id.y);
        for (var row = rows.first; row < rows.end; row += rows.step) {
            let i = row * params.groups + g;
            y[i] = stored(activate(((load(x[i]) - shift) - delta) * scale + offset));
        }
    }
}

// ---- backward_sums: partial [strips, 2, c] of (sum dy, sum dy * xhat)

@group(0) @binding(3) var<storage, read> dy: array<S>;                  // [rows, c]
@group(0) @binding(4) var<storage, read_write> partial_sums: array<S>;  // [strips, 2, c]

@compute @workgroup_size(8, 8)
fn backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let g = group.x * 8u + place_of(id.x);
    let inside = g < params.groups;
    var sum = F();
    var products = F();
    if inside {
        let shift = load(stats[g]);
        let delta = load(stats[params.groups + g]);
        let rstd = load(stats[2u * params.groups + g]);
        let rows = rows_of(group.y, id.y);
        for (var row = rows.first; row < rows.end; row += rows.step) {
            let i = row * params.groups + g;
            let d = load(dy[i]);
            sum += d;
            products += d * (((load(x[i]) - shift) - delta) * rstd);
        }
    }
    first_tile[local] = sum;
    second_tile[local] = products;
    add_row_lanes(local, id.y);
    if inside && id.y == 0u {
        let slot = (params.first_strip + group.y) * 2u * params.groups + g;
        partial_sums[slot] = stored(first_tile[local]);
        partial_sums[slot + params.groups] = stored(second_tile[local]);
    }
}

// ---- finish_sums: [2, c] of dbeta and dgamma, and the same for the parameters; a workgroup a channel group, as finish_statistics

@group(0) @binding(2) var<storage, read_write> sums_out: array<S>;      // [2, c]
@group(0) @binding(3) var<storage, read_write> dgamma: array<S>;        // [c]
@group(0) @binding(4) var<storage, read_write> dbeta: array<S>;         // [c]

@compute @workgroup_size(MERGERS)
fn finish_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let g = group.x;
    var sum = F();
    var products = F();
    for (var s = lane; s < params.strips; s += MERGERS) {
        sum += load(strips[s * 2u * params.groups + g]);
        products += load(strips[(s * 2u + 1u) * params.groups + g]);
    }
    first_tile[lane] = sum;
    second_tile[lane] = products;
    for (var half = MERGERS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            first_tile[lane] += first_tile[lane + half];
            second_tile[lane] += second_tile[lane + half];
        }
    }
    if lane == 0u {
        let total = stored(first_tile[0]);
        let of_products = stored(second_tile[0]);
        sums_out[g] = total;
        sums_out[params.groups + g] = of_products;
        dbeta[g] = total;
        dgamma[g] = of_products;
    }
}

// ---- backward_input, training: dx = gamma * rstd * (dy - (dbeta + xhat * dgamma) / rows);
//      inference: dx = gamma * rstd * dy. The grid is apply's.

// What a channel group's gradients have in common.
struct Channel { shift: F, delta: F, rstd: F, scale: F, mean_dy: F, mean_product: F }
fn channel_of(g: u32) -> Channel {
    let rstd = load(stats[2u * params.groups + g]);
    return Channel(
        load(stats[g]),
        load(stats[params.groups + g]),
        rstd,
        load(stats[3u * params.groups + g]) * rstd,
        load(sums[g]) / params.batch_rows,
        load(sums[params.groups + g]) / params.batch_rows,
    );
}

// dx where x is v and dy is d.
fn input_gradient(channel: Channel, v: F, d: F) -> F {
    let xhat = ((v - channel.shift) - channel.delta) * channel.rstd;
    return channel.scale * (d - channel.mean_dy - xhat * channel.mean_product) * slope(v);
}

@group(0) @binding(4) var<storage, read> sums: array<S>;                // [2, c]: dbeta, dgamma
@group(0) @binding(5) var<storage, read_write> dx: array<S>;            // [rows, c]

@compute @workgroup_size(8, 8)
fn backward_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let g = group.x * 8u + place_of(id.x);
    if g < params.groups {
        let channel = channel_of(g);
        let rows = rows_of(group.y, id.y);
        for (var row = rows.first; row < rows.end; row += rows.step) {
            let i = row * params.groups + g;
            dx[i] = stored(input_gradient(channel, load(x[i]), load(dy[i])));
        }
    }
}

@group(0) @binding(4) var<storage, read_write> dx_out: array<S>;        // [rows, c]

@compute @workgroup_size(8, 8)
fn backward_input_inference(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let g = group.x * 8u + place_of(id.x);
    if g < params.groups {
        let scale = load(stats[3u * params.groups + g]) * load(stats[2u * params.groups + g]);
        let rows = rows_of(group.y, id.y);
        for (var row = rows.first; row < rows.end; row += rows.step) {
            let i = row * params.groups + g;
            dx_out[i] = stored(scale * load(dy[i]) * slope(load(x[i])));
        }
    }
}
