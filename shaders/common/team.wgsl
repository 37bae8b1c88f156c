// Reductions over teams: TEAM neighbours (a power of two, at most 64) of a workgroup of 64, by a fixed tree. All invocations of the
// workgroup must come here, and all of a team get the result. In front: TEAM.
var<workgroup> team_tile: array<vec2<f32>, 64>;

// The number of an invocation's team in a grid that is folded over x and y (gpu/grid.rs), and its place in the team.
fn team_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * (64u / TEAM) + local / TEAM;
}
fn lane_of(local: u32) -> u32 { return local % TEAM; }

// What the first of the team has; the tile is free again afterwards.
fn team_result(local: u32) -> vec2<f32> {
    workgroupBarrier();
    let result = team_tile[local - lane_of(local)];
    workgroupBarrier();
    return result;
}

fn team_sum(local: u32, value: vec2<f32>) -> vec2<f32> {
    team_tile[local] = value;
    for (var half = TEAM / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane_of(local) < half { team_tile[local] += team_tile[local + half]; }
    }
    return team_result(local);
}

fn team_max(local: u32, value: f32) -> f32 {
    team_tile[local].x = value;
    for (var half = TEAM / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane_of(local) < half { team_tile[local].x = max(team_tile[local].x, team_tile[local + half].x); }
    }
    return team_result(local).x;
}

fn sum_of(v: F) -> f32 {
    var total = element(v, 0u);
    for (var k = 1u; k < LANES; k++) { total += element(v, k); }
    return total;
}

fn max_of(v: F) -> f32 {
    var largest = element(v, 0u);
    for (var k = 1u; k < LANES; k++) { largest = max(largest, element(v, k)); }
    return largest;
}
