// softmax over rows of the last axis: y = exp(x - max) / sum exp(x - max); dx = y * (dy - sum y dy).
// A team of TEAM invocations (common/team.wgsl) a row, LANES elements at a time.

struct Params {
    rows: u32,
    width: u32,     // of a row, in LANES
}
@group(0) @binding(0) var<uniform> params: Params;

// Where a team's row begins and ends; nothing for a team without a row.
struct Span { begin: u32, end: u32 }
fn span(row: u32) -> Span {
    let inside = row < params.rows;
    return Span(select(0u, row * params.width, inside), select(0u, (row + 1u) * params.width, inside));
}

@group(0) @binding(1) var<storage, read> x: array<S>;           // [rows, width]
@group(0) @binding(2) var<storage, read_write> y: array<S>;     // [rows, width]

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) local: u32) {
    let row = span(team_of(group, groups, local));
    let first = row.begin + lane_of(local);
    var largest = load(x[row.begin]);
    for (var i = first; i < row.end; i += TEAM) { largest = max(largest, load(x[i])); }
    let top = team_max(local, max_of(largest));
    var sums = F();
    for (var i = first; i < row.end; i += TEAM) { sums += exp(load(x[i]) - top); }
    let total = team_sum(local, vec2(sum_of(sums), 0.0)).x;
    for (var i = first; i < row.end; i += TEAM) { y[i] = stored(exp(load(x[i]) - top) / total); }
}

@group(0) @binding(1) var<storage, read> result: array<S>;      // y
@group(0) @binding(2) var<storage, read> dy: array<S>;          // [rows, width]
@group(0) @binding(3) var<storage, read_write> dx: array<S>;    // [rows, width]

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let row = span(team_of(group, groups, local));
    let first = row.begin + lane_of(local);
    var products = F();
    for (var i = first; i < row.end; i += TEAM) { products += load(result[i]) * load(dy[i]); }
    let total = team_sum(local, vec2(sum_of(products), 0.0)).x;
    for (var i = first; i < row.end; i += TEAM) { dx[i] = stored(load(result[i]) * (load(dy[i]) - total)); }
}
