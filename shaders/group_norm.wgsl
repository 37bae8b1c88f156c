// group_norm and layer_norm over [rows, pixels, groups, width]: statistics over the pixels and the width of each (row, group) pair;
// y = (x - mean) * rstd * gamma + beta, with a gamma and a beta for each of the groups * width channels. F is one channel or four
// neighbours of one group; width, sizes and indices count LANES channels.
//
// `statistics` and `backward_sums`: a team of TEAM invocations (common/team.wgsl) a strip of a pair's elements; the `finish` passes
// merge a pair's strips in order. Means are kept as a value near them (shift) and a remainder (delta), and squares are summed around
// the mean in a second walk over the strip, so a large mean and a small spread cost no precision. `parameter_sums` sums
// strips of lines (a line is all channels of a pixel), 8 groups of LANES channels x 8 lines side by side.

struct Params {
    pairs: u32,         // (row, group) pairs of this dispatch: a slice of the batch
    strips: u32,        // of each pair
    strip: u32,         // elements of a strip
    first_pair: u32,    // place of the slice's first pair in stats
    pixels: u32,
    groups: u32,
    width: u32,
    epsilon: f32,
    count: u32,         // elements of the slice; finish_parameters: channels
    scaled: u32,        // 0 if gamma is 1, and what is bound in its place is not it
    centered: u32,      // 0 if beta is 0
    lines: u32,         // lines of the slice
    strip_lines: u32,
    first_strip: u32,   // place of the slice's first strip of lines
    line_strips: u32,   // strips of lines of the slice; finish_parameters: of all slices
}
@group(0) @binding(0) var<uniform> params: Params;

// Place of element e of a pair.
fn place(pair: u32, e: u32) -> u32 {
    let channels = params.groups * params.width;
    let first = pair / params.groups * params.pixels * channels + pair % params.groups * params.width;
    if params.groups == 1u { return first + e; }
    return first + e / params.width * channels + e % params.width;
}

// Channel of element e of a pair.
fn channel(pair: u32, e: u32) -> u32 { return pair % params.groups * params.width + e % params.width; }

// The strip of a team: its pair, and its first and last but one element; nothing for a team without a strip.
struct Strip { pair: u32, begin: u32, end: u32 }
fn strip_of(team: u32) -> Strip {
    let inside = team < params.pairs * params.strips;
    let begin = team % params.strips * params.strip;
    let end = min(begin + params.strip, params.pixels * params.width);
    return Strip(select(0u, team / params.strips, inside), begin, select(begin, end, inside));
}

// ---- statistics: partial [pairs, strips, 3] of shift, mean - shift, sum of squared differences from the mean

@group(0) @binding(1) var<storage, read> x: array<S>;                   // [rows, pixels, groups, width]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;     // [pairs, strips, 3]

@compute @workgroup_size(64)
fn statistics(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let team = team_of(group, groups, local);
    let strip = strip_of(team);
    let first = strip.begin + lane_of(local);
    let count = f32(max(strip.end - strip.begin, 1u) * LANES);
    let origin = element(load(x[place(strip.pair, strip.begin)]), 0u);
    var sums = F();
    for (var e = first; e < strip.end; e += TEAM) { sums += load(x[place(strip.pair, e)]) - origin; }
    let shift = origin + team_sum(local, vec2(sum_of(sums), 0.0)).x / count;
    var rest = F();
    var squares = F();
    for (var e = first; e < strip.end; e += TEAM) {
        let d = load(x[place(strip.pair, e)]) - shift;
        rest += d;
        squares += d * d;
    }
    let total = team_sum(local, vec2(sum_of(rest), sum_of(squares)));
    if strip.end > strip.begin && lane_of(local) == 0u {
        let delta = total.x / count;
        partial[team * 3u] = shift;
        partial[team * 3u + 1u] = delta;
        partial[team * 3u + 2u] = max(total.y - delta * total.x, 0.0);
    }
}

// ---- finish_statistics: merges the strips of a pair (Chan, Golub and LeVeque 1983)

@group(0) @binding(1) var<storage, read> strips: array<f32>;            // partial
@group(0) @binding(2) var<storage, read_write> stats_out: array<f32>;   // [all pairs, 3]: shift, delta, rstd

@compute @workgroup_size(64)
fn finish_statistics(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let pair = item(group, groups, local);
    if pair < params.pairs {
        let first = pair * params.strips * 3u;
        let size = params.pixels * params.width;
        let shift = strips[first];
        var delta = strips[first + 1u];
        var squares = strips[first + 2u];
        for (var s = 1u; s < params.strips; s++) {
            let at = first + s * 3u;
            let before = f32(s * params.strip * LANES);
            let added = f32(min(params.strip, size - s * params.strip) * LANES);
            let share = added / (before + added);
            let d = (strips[at] - shift) + (strips[at + 1u] - delta);
            squares += strips[at + 2u] + d * d * (before * share);
            delta += d * share;
        }
        let slot = (params.first_pair + pair) * 3u;
        stats_out[slot] = shift;
        stats_out[slot + 1u] = delta;
        stats_out[slot + 2u] = 1.0 / sqrt(squares / f32(size * LANES) + params.epsilon);
    }
}

// ---- apply: y

@group(0) @binding(2) var<storage, read> stats: array<f32>;             // [all pairs, 3]
@group(0) @binding(3) var<storage, read> beta: array<S>;                // [groups, width]
@group(0) @binding(4) var<storage, read> gamma: array<S>;               // [groups, width]
@group(0) @binding(5) var<storage, read_write> y: array<S>;             // [rows, pixels, groups, width]

struct Stats { shift: f32, delta: f32, rstd: f32 }
fn stats_of(pair: u32) -> Stats {
    let slot = (params.first_pair + pair) * 3u;
    return Stats(stats[slot], stats[slot + 1u], stats[slot + 2u]);
}
fn normalized(v: F, s: Stats) -> F { return ((v - s.shift) - s.delta) * s.rstd; }
fn gamma_of(c: u32) -> F { return select(F() + 1.0, load(gamma[c]), params.scaled == 1u); }

// Pair of the element at place i, whose channel is c.
fn pair_of_place(i: u32, c: u32) -> u32 {
    return i / (params.groups * params.width) / params.pixels * params.groups + c / params.width;
}

@compute @workgroup_size(64)
fn apply(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let c = i % (params.groups * params.width);
        let xhat = normalized(load(x[i]), stats_of(pair_of_place(i, c)));
        y[i] = stored(xhat * gamma_of(c) + select(F(), load(beta[c]), params.centered == 1u));
    }
}

// ---- backward_sums: partial [pairs, strips, 2] of the sums of dy gamma and dy gamma xhat

@group(0) @binding(3) var<storage, read> dy: array<S>;                  // [rows, pixels, groups, width]
@group(0) @binding(5) var<storage, read_write> partial_sums: array<f32>;    // [pairs, strips, 2]

@compute @workgroup_size(64)
fn backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let team = team_of(group, groups, local);
    let strip = strip_of(team);
    let s = stats_of(strip.pair);
    var sums = F();
    var products = F();
    for (var e = strip.begin + lane_of(local); e < strip.end; e += TEAM) {
        let i = place(strip.pair, e);
        let d = load(dy[i]) * gamma_of(channel(strip.pair, e));
        sums += d;
        products += d * normalized(load(x[i]), s);
    }
    let total = team_sum(local, vec2(sum_of(sums), sum_of(products)));
    if strip.end > strip.begin && lane_of(local) == 0u {
        partial_sums[team * 2u] = total.x;
        partial_sums[team * 2u + 1u] = total.y;
    }
}

// ---- finish_sums: the means of both over a pair

@group(0) @binding(2) var<storage, read_write> means_out: array<f32>;   // [pairs, 2]

@compute @workgroup_size(64)
fn finish_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) local: u32) {
    let pair = item(group, groups, local);
    if pair < params.pairs {
        var total = vec2<f32>();
        for (var s = 0u; s < params.strips; s++) {
            let at = (pair * params.strips + s) * 2u;
            total += vec2(strips[at], strips[at + 1u]);
        }
        let count = f32(params.pixels * params.width * LANES);
        means_out[pair * 2u] = total.x / count;
        means_out[pair * 2u + 1u] = total.y / count;
    }
}

// ---- backward_input: dx = rstd * (dy gamma - mean(dy gamma) - xhat mean(dy gamma xhat))

@group(0) @binding(5) var<storage, read> means: array<f32>;             // [pairs, 2]
@group(0) @binding(6) var<storage, read_write> dx: array<S>;            // [rows, pixels, groups, width]

@compute @workgroup_size(64)
fn backward_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let c = i % (params.groups * params.width);
        let pair = pair_of_place(i, c);
        let s = stats_of(pair);
        let xhat = normalized(load(x[i]), s);
        dx[i] = stored(s.rstd * (load(dy[i]) * gamma_of(c) - means[pair * 2u] - xhat * means[pair * 2u + 1u]));
    }
}

// ---- parameter_sums: partial [strips, 2, channels] of the sums of dy xhat and dy; workgroups: blocks of 8 channels, then strips

@group(0) @binding(4) var<storage, read_write> partial_parameters: array<S>;    // [strips, 2, channels]

var<workgroup> product_tile: array<F, 64>;
var<workgroup> sum_tile: array<F, 64>;

@compute @workgroup_size(8, 8)
fn parameter_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let channels = params.groups * params.width;
    let blocks = (channels + 7u) / 8u;
    let block = group.y * groups.x + group.x;
    let strip = block / blocks;
    let c = block % blocks * 8u + id.x;
    let inside = c < channels && strip < params.line_strips;
    let begin = strip * params.strip_lines;
    let end = select(begin, min(begin + params.strip_lines, params.lines), inside);
    var products = F();
    var sums = F();
    for (var line = begin + id.y; line < end; line += 8u) {
        let d = load(dy[line * channels + c]);
        let pair = line / params.pixels * params.groups + c / params.width;
        products += d * normalized(load(x[line * channels + c]), stats_of(pair));
        sums += d;
    }
    product_tile[local] = products;
    sum_tile[local] = sums;
    for (var half = 4u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if id.y < half {
            product_tile[local] += product_tile[local + half * 8u];
            sum_tile[local] += sum_tile[local + half * 8u];
        }
    }
    if inside && id.y == 0u {
        let slot = (params.first_strip + strip) * 2u * channels + c;
        partial_parameters[slot] = stored(product_tile[local]);
        partial_parameters[slot + channels] = stored(sum_tile[local]);
    }
}

// ---- finish_parameters: adds the strips in order

@group(0) @binding(1) var<storage, read> line_sums: array<S>;           // partial_parameters
@group(0) @binding(2) var<storage, read_write> dgamma: array<S>;        // [groups, width]
@group(0) @binding(3) var<storage, read_write> dbeta: array<S>;         // [groups, width]

@compute @workgroup_size(64)
fn finish_parameters(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let c = item(group, groups, local);
    if c < params.count {
        var products = F();
        var sums = F();
        for (var s = 0u; s < params.line_strips; s++) {
            products += load(line_sums[s * 2u * params.count + c]);
            sums += load(line_sums[(s * 2u + 1u) * params.count + c]);
        }
        dgamma[c] = stored(products);
        dbeta[c] = stored(sums);
    }
}
