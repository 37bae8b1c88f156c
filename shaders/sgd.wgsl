// sgd, behind common/update.wgsl: p -= lr g; with momentum: velocity = momentum * velocity - lr g, and p += velocity, or Nesterov's
// p += momentum * velocity - lr g with the new velocity. step.step_size is lr; params.constants: momentum, 1 for Nesterov's.

@group(0) @binding(5) var<storage, read_write> velocity: array<Quad>;

@compute @workgroup_size(64)
fn plain(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if moves(i) {
        weights[i] = quad_of(decayed(i) - step.step_size * clipped(i));
    }
}

@compute @workgroup_size(64)
fn momentum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if moves(i) {
        let moved = step.step_size * clipped(i);
        let v = params.constants.x * quad(velocity[i]) - moved;
        velocity[i] = quad_of(v);
        let ahead = params.constants.x * v - moved;
        weights[i] = quad_of(decayed(i) + select(v, ahead, params.constants.y != 0.0));
    }
}
