//! Adam against Keras's own (`tests/golden/adam.json`): three steps each with default settings, with gradients that jump by six
//! orders of magnitude, near epsilon, of zero, and with other betas.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::adam::File;
use fer_gpu::gpu::Gpu;

/// Keras in f64 from the same f32 inputs; the file keeps nine digits. The absolute part is for moments that cancel.
#[test]
fn the_reference_agrees_with_keras() {
    let file: File = common::golden("adam.json");
    let failures: Vec<String> =
        file.cases.iter().flat_map(|case| case.failures(&case.on_the_reference(), [1e-12; 3], 1e-8)).collect();
    assert!(!file.cases.is_empty() && failures.is_empty(), "{failures:#?}");
}

fn check(gpu: &Gpu) {
    let failures = common::adam::gpu_failures(gpu);
    assert!(failures.is_empty(), "{}: {failures:#?}", gpu.description);
}

#[test]
fn the_gpu_agrees_with_keras() {
    check(&common::gpu());
}

/// Bindings of 256 bytes cut the arenas of 35 to 200 elements into up to four slices.
#[test]
fn the_gpu_agrees_with_keras_in_slices() {
    let mut gpu = common::gpu();
    gpu.limit_binding(256);
    check(&gpu);
}
