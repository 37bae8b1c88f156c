// What changes from step to step: gpu::StepParams.
struct Step {
    seed: vec2<u32>,    // key of the counter-based random numbers
    step: vec2<u32>,    // optimizer step from 0, low word first
    step_size: f32,     // Adam's lr * sqrt(1 - beta2^t) / (1 - beta1^t)
    decay: f32,         // AdamW's lr * weight_decay
    share: f32,         // of the batch's gradients in the mean of several batches
    keep: u32,          // 1 adds them to those before, 0 begins anew
}
@group(1) @binding(0) var<uniform> step: Step;
