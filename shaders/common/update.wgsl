// What every optimizer's update begins with: one invocation a vec4 of a slice of the arenas. Nothing moves while metrics[4] (a loss,
// or a norm of gradients, that was not finite) is set.

struct Params {
    constants: vec4<f32>,   // the rule's own
    count: u32,         // vec4s
    clip: u32,          // 0 nothing, 1 by the factor, 2 by value
    limit: f32,         // of values
    decayed: u32,       // the first so many vec4s decay
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradients: array<Quad>;
@group(0) @binding(2) var<storage, read> metrics: array<f32>;               // [8]
@group(0) @binding(3) var<storage, read> factor: array<f32>;                // [1]; anything where nothing is clipped by it
@group(0) @binding(4) var<storage, read_write> weights: array<Quad>;

// Whether there is anything to do at i.
fn moves(i: u32) -> bool {
    return i < params.count && metrics[4] == 0.0;
}

// The gradient after clipping.
fn clipped(i: u32) -> vec4<f32> {
    var g = quad(gradients[i]);
    if params.clip == 1u {
        g *= factor[0];
    } else if params.clip == 2u {
        g = clamp(g, vec4(-params.limit), vec4(params.limit));
    }
    return g;
}

// The parameter after the weight decay.
fn decayed(i: u32) -> vec4<f32> {
    let p = quad(weights[i]);
    let decay = select(0.0, step.decay, i < params.decayed);
    return p - decay * p;
}
