// What changes from step to step: gpu::StepParams.
struct Step {
    seed: vec2<u32>,    // key of the counter-based random numbers
    step: vec2<u32>,    // optimizer step from 0, low word first
    step_size: f32,     // Adam's lr * sqrt(1 - beta2^t) / (1 - beta1^t)
    padding0: u32,
    padding1: u32,
    padding2: u32,
}
@group(1) @binding(0) var<uniform> step: Step;
