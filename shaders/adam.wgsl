// adam, behind common/update.wgsl: m += (g - m)(1 - beta1); v += (g^2 - v)(1 - beta2); p -= step_size * m / (sqrt(v) + epsilon).
// params.constants: 1 - beta1 and 1 - beta2, both computed in f64 (1 - 0.999 in f32 is 1.3e-5 of itself off), epsilon.

@group(0) @binding(5) var<storage, read_write> m: array<Quad>;
@group(0) @binding(6) var<storage, read_write> v: array<Quad>;

@compute @workgroup_size(64)
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if moves(i) {
        let g = clipped(i);
        let m_old = quad(m[i]);
        let v_old = quad(v[i]);
        let m_new = m_old + (g - m_old) * params.constants.x;
        let v_new = v_old + (g * g - v_old) * params.constants.y;
        m[i] = quad_of(m_new);
        v[i] = quad_of(v_new);
        weights[i] = quad_of(decayed(i) - step.step_size * m_new / (sqrt(v_new) + params.constants.z));
    }
}
