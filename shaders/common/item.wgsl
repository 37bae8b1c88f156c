// The number of an invocation of a grid of workgroups of 64 that is folded over x and y (gpu/grid.rs).
fn item(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 { return (group.y * groups.x + group.x) * 64u + place_of(local); }
