// adam: p -= decay * p; m += (g - m)(1 - beta1); v += (g^2 - v)(1 - beta2); p -= step_size * m / (sqrt(v) + epsilon), where g is
// the gradient after clipping. Flat over a slice of the arenas, one invocation a vec4. Nothing moves while metrics[4] (a loss, or a
// norm of gradients, that was not finite) is set.

struct Params {
    count: u32,         // vec4s
    one_minus_beta1: f32,   // both computed in f64: 1 - 0.999 in f32 is 1.3e-5 of itself off
    one_minus_beta2: f32,
    epsilon: f32,
    clip: u32,          // 0 nothing, 1 by the factor, 2 by value
    limit: f32,         // of values
    decayed: u32,       // the first so many vec4s decay
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradients: array<Quad>;
@group(0) @binding(2) var<storage, read> metrics: array<f32>;               // [8]
@group(0) @binding(3) var<storage, read> factor: array<f32>;                // [1]; anything where nothing is clipped by it
@group(0) @binding(4) var<storage, read_write> weights: array<Quad>;
@group(0) @binding(5) var<storage, read_write> m: array<Quad>;
@group(0) @binding(6) var<storage, read_write> v: array<Quad>;

@compute @workgroup_size(64)
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) local: u32) {
    let i = item(group, groups, local);
    if i < params.count && metrics[4] == 0.0 {
        var g = quad(gradients[i]);
        if params.clip == 1u {
            g *= factor[0];
        } else if params.clip == 2u {
            g = clamp(g, vec4(-params.limit), vec4(params.limit));
        }
        let m_old = quad(m[i]);
        let v_old = quad(v[i]);
        let m_new = m_old + (g - m_old) * params.one_minus_beta1;
        let v_new = v_old + (g * g - v_old) * params.one_minus_beta2;
        m[i] = quad_of(m_new);
        v[i] = quad_of(v_new);
        let p = quad(weights[i]);
        let decay = select(0.0, step.decay, i < params.decayed);
        weights[i] = quad_of(p - decay * p - step.step_size * m_new / (sqrt(v_new) + params.epsilon));
    }
}
