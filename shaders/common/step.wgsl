// What changes from step to step: gpu::StepParams.
struct Step {
    seed: vec2<u32>,    // key of the counter-based random numbers
    step: vec2<u32>,    // optimizer step from 0, low word first
    step_size: f32,     // the learning rate as the optimizer's rule takes it
    decay: f32,         // lr * weight_decay
    share: f32,         // of the batch's gradients in the mean of several batches
    keep: u32,          // 1 adds them to those before, 0 begins anew
}
@group(1) @binding(0) var<uniform> step: Step;
