//! Every op case: finite differences against the reference, the reference against every variant of the kernels.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use fer_gpu::gpu::adapter::DeviceChoice;
use fer_gpu::gpu::{Gpu, Tiling};
use fer_gpu::{ops, verify};

fn gpu() -> Gpu {
    Gpu::open(&DeviceChoice::Auto, wgpu::Backends::all())
        .expect("the tests need an adapter: tools/test.sh installs one")
}

#[test]
fn finite_differences_agree_with_backward() {
    let failed: Vec<String> = ops::cases(None)
        .expect("all")
        .iter()
        .filter(|case| case.smooth && !case.bench)
        .filter_map(|case| {
            let slope = verify::slope(case).expect(&case.name);
            (slope.error() > 1e-6).then(|| format!("{}: {slope:?}", case.name))
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Runs the cases that `wanted` picks under one tiling.
fn check(tiling: Option<Tiling>, wanted: impl Fn(&ops::Case) -> bool) {
    let mut gpu = gpu();
    if let Some(tiling) = tiling {
        gpu.tiling = tiling;
    }
    let failed: Vec<_> = ops::cases(None)
        .expect("all")
        .iter()
        .filter(|case| wanted(case))
        .map(|case| verify::run(&gpu, case).expect(&case.name))
        .filter(|outcome| !outcome.passed())
        .collect();
    assert!(failed.is_empty(), "{}, {:?}: {failed:#?}", gpu.description, gpu.tiling);
}

#[test]
fn gpu_agrees_with_reference() {
    check(None, |_| true);
}

#[test]
fn workgroup_tiling_agrees_with_reference() {
    // The benches' shapes take minutes with the GPUs' kernels on a software driver, and add no new edge.
    check(Some(Tiling::Workgroup), |case| !case.bench);
}
