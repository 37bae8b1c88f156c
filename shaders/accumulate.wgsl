// accumulate: sums = from, sums += from, or either with share * from, as the step says: gradients of a tensor with several consumers,
// whose owner the plan adds them up in, and the mean gradient of several batches, a batch at a time. One invocation a vec4.

struct Params {
    count: u32,     // vec4s
    how: u32,       // 0 overwrites, 1 adds, 2 as the step's share and keep say
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<Quad>;
@group(0) @binding(2) var<storage, read_write> sums: array<Quad>;

@compute @workgroup_size(64)
fn accumulate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count {
        let stepped = params.how == 2u;
        let adds = params.how == 1u || (stepped && step.keep == 1u);
        let share = select(1.0, step.share, stepped);
        // Selected, not multiplied: what is overwritten may be NaN.
        sums[i] = quad_of(select(vec4<f32>(), quad(sums[i]), adds) + share * quad(source[i]));
    }
}
