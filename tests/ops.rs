//! Every op case: finite differences against the reference, the reference against every variant of the kernels.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{gpu, own_tilings};
use fer_gpu::gpu::{Gpu, Pick, Tiling};
use fer_gpu::ops::conv2d::variant::MOST_CANDIDATES;
use fer_gpu::{ops, verify};

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

/// Runs the cases that `wanted` picks on an adapter with `settings`.
fn check(settings: impl Fn(&mut Gpu), wanted: impl Fn(&ops::Case) -> bool) {
    check_within(1.0, settings, wanted);
}

/// The same within so many times the cases' tolerances.
fn check_within(times: f64, settings: impl Fn(&mut Gpu), wanted: impl Fn(&ops::Case) -> bool) {
    let mut gpu = gpu();
    settings(&mut gpu);
    let failed: Vec<_> = ops::cases(None)
        .expect("all")
        .iter()
        .filter(|case| wanted(case))
        .map(|case| verify::run(&gpu, case).expect(&case.name))
        .filter(|outcome| outcome.worst_ratio > times || !outcome.faults.is_empty())
        .collect();
    assert!(failed.is_empty(), "{}, {:?}, {:?}: {failed:#?}", gpu.description, gpu.tiling, gpu.tuner.pick);
}

#[test]
fn gpu_agrees_with_reference() {
    check(|_| {}, |_| true);
}

#[test]
fn workgroup_tiling_agrees_with_reference() {
    // The benches' shapes take minutes with the GPUs' kernels on a software driver, and add no new edge.
    check(|gpu| gpu.tiling = Tiling::Workgroup, |case| !case.bench);
}

/// Candidate `number` of the tuner for each pass, Winograd's algorithm on small maps too, where a case has few terms: within twice the
/// tolerance.
fn variant_agrees(tiling: Tiling, number: usize) {
    let tiled = |case: &ops::Case| !case.bench && ["conv2d/", "dense/"].iter().any(|op| case.name.starts_with(op));
    check_within(2.0, |gpu| (gpu.tuner.pick, gpu.tiling) = (Pick::Nth(number), tiling), tiled);
}

/// A test a candidate, so that a driver whose compiled kernels are large keeps those of one only.
macro_rules! every_variant {
    ($($name:ident: $number:literal),+) => {
        mod every_variant {
            mod own_tiling {
                $(#[test] fn $name() { crate::own_tilings().into_iter().for_each(|tiling| crate::variant_agrees(tiling, $number)); })+
            }
            mod workgroup_tiling {
                $(#[test] fn $name() { crate::variant_agrees(crate::Tiling::Workgroup, $number); })+
            }
        }
    };
}
const _: () = assert!(MOST_CANDIDATES == 5, "a test a candidate");
every_variant!(first: 0, second: 1, third: 2, fourth: 3, fifth: 4);

/// An augmentation's images eight times, in the shape of the other sliced cases.
fn repeated(mut case: ops::Case) -> ops::Case {
    if let ops::Subject::Augment { x, rows, .. } = &mut case.subject {
        *rows = rows.repeat(8);
        *x = ops::Input::new([rows.len(), 16, 4, 3], 1);
    }
    case
}

/// Batches that no binding holds whole: what depends on an element's or a sample's place must go on from slice to slice. Samples of
/// 768 bytes start aligned everywhere, ten to a slice.
#[test]
fn slices_of_a_batch_agree_with_reference() {
    use fer_gpu::ops::{Case, Input, Tolerance};
    let mut gpu = gpu();
    gpu.limit_binding(8 << 10);
    let input = || vec![Input::new([67, 16, 4, 3], 1)];
    let near = Tolerance { abs: 2e-6, rel: 1e-5 };
    let far = Tolerance { abs: 1e-4, rel: 2e-5 };
    let per_channel = ops::rescaling::Rescaling::per_channel([0.5, -1.5, 2.0]);
    let cases = [
        Case::new("sliced", ops::dropout::Dropout { rate: 0.3 }, input(), near),
        Case::new("sliced", ops::normalization::Normalization, input(), near),
        Case::new("sliced", ops::relu6::Relu6, input(), near),
        Case::new("sliced", ops::softmax::Softmax, input(), near),
        // Its statistics fit no binding either, those of groups do.
        Case::new("sliced", ops::layer_norm::LayerNorm::default(), input(), far),
        Case::new("sliced", ops::group_norm::GroupNorm { groups: None, ..Default::default() }, input(), far),
        Case::new("sliced", per_channel, input(), near),
        Case::new("sliced", ops::silu::Silu, input(), near),
        Case::new("sliced", ops::stochastic_depth::StochasticDepth { rate: 0.3 }, input(), near),
    ];
    // An image's row of numbers starts aligned at every fourth image.
    let augmented = ops::cases(Some("augment")).expect("listed").into_iter().filter(|case| case.name.ends_with("/all"));
    let cases: Vec<Case> = cases.into_iter().chain(augmented.map(repeated)).collect();
    let outcomes = cases.iter().map(|case| verify::run(&gpu, case).expect(&case.name));
    let failed: Vec<_> = outcomes.filter(|outcome| !outcome.passed()).collect();
    assert!(failed.is_empty(), "{}: {failed:#?}", gpu.description);
}
