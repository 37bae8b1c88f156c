//! Winograd's algorithm, which no tuner chooses at the cases' sizes, in each of the ways in which llvmpipe's versions walk tiles.

use super::table::{Mutation, STORE, STORE_PARTIAL};
use super::{cases_of, survivors};
use crate::common::{gpu_in, own_tilings};
use fer_gpu::gpu::{Gpu, Loads, Pick, Tiling};
use fer_gpu::verify;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Of Winograd's algorithm: the products, both biases, the sums, and that backward_input's windows are transposed and reversed.
const ALWAYS: &[Mutation] = &[
    ("conv2d", "transform_weights", ") * params.count + x_channel]", ") * params.count]"),
    ("conv2d", "transform_weights", "(8u - tap)", "(tap)"),
    ("conv2d", "multiply", STORE, "flipped: vec4<f32>) { let value = -flipped;"),
    ("conv2d", "backward_params", STORE_PARTIAL, "params.rows + row, columns, -value)"),
    ("conv2d", "sum_products", "total += load(", "total -= load("),
    ("conv2d", "sum_products", "stored(sum_of_bias(", "stored(-sum_of_bias("),
];

/// The passes of an invocation a tile.
const BY_TILES: &[Mutation] = &[("conv2d", "transform_output", "column0.v0 + bias", "column0.v0 - bias")];

/// Those of a lane a column, which multiply from the other side by what a lane picks of a matrix.
const BY_COLUMNS: &[Mutation] = &[
    ("conv2d", "transform_output", "y0 + bias", "y0 - bias"),
    ("conv2d", "transform_input", "let f0 = ", "let f0 = -"),
    ("conv2d", "transform_input", "let f1 = ", "let f1 = -"),
    ("conv2d", "transform_input", "let f2 = ", "let f2 = -"),
    ("conv2d", "transform_input", "let f3 = ", "let f3 = -"),
    ("conv2d", "transform_input", "let f4 = ", "let f4 = -"),
    ("conv2d", "transform_input", "let f5 = ", "let f5 = -"),
    ("conv2d", "transform_gradient", "let f0 = ", "let f0 = -"),
    ("conv2d", "transform_gradient", "let f1 = ", "let f1 = -"),
    ("conv2d", "transform_gradient", "let f2 = ", "let f2 = -"),
    ("conv2d", "transform_gradient", "let f3 = ", "let f3 = -"),
    ("conv2d", "transform_weights", "let f0 = ", "let f0 = -"),
    ("conv2d", "transform_weights", "let f1 = ", "let f1 = -"),
    ("conv2d", "transform_weights", "let f2 = ", "let f2 = -"),
    ("conv2d", "transform_output", "let f0 = ", "let f0 = -"),
    ("conv2d", "transform_output", "let f1 = ", "let f1 = -"),
    ("conv2d", "transform_output", "let f2 = ", "let f2 = -"),
    ("conv2d", "transform_output", "let f3 = ", "let f3 = -"),
    ("conv2d", "transform_output", "let f4 = ", "let f4 = -"),
    ("conv2d", "transform_output", "let f5 = ", "let f5 = -"),
    ("conv2d", "sum_products", "let f0 = ", "let f0 = -"),
    ("conv2d", "sum_products", "let f1 = ", "let f1 = -"),
    ("conv2d", "sum_products", "let f2 = ", "let f2 = -"),
    ("conv2d", "sum_products", "let f3 = ", "let f3 = -"),
    ("conv2d", "sum_products", "let f4 = ", "let f4 = -"),
    ("conv2d", "sum_products", "let f5 = ", "let f5 = -"),
];

/// Of tiles of 6 x 6.
const BY_LARGE_COLUMNS: &[Mutation] = &[
    ("conv2d", "transform_input", "let f6 = ", "let f6 = -"),
    ("conv2d", "transform_gradient", "let f4 = ", "let f4 = -"),
    ("conv2d", "transform_gradient", "let f5 = ", "let f5 = -"),
    ("conv2d", "transform_output", "let f6 = ", "let f6 = -"),
    ("conv2d", "transform_output", "let f7 = ", "let f7 = -"),
    ("conv2d", "sum_products", "let f6 = ", "let f6 = -"),
    ("conv2d", "sum_products", "let f7 = ", "let f7 = -"),
];

/// A tile's first column and its last one, where these are no padding.
const AT_EDGES: &[Mutation] = &[
    ("conv2d", "transform_input", "let f0 = ", "let f0 = -"),
    ("conv2d", "transform_input", "let f7 = ", "let f7 = -"),
];

/// Where both gradients share one transformed dy: the bias's matrix, and the windows that come out reversed.
const SHARED_BY_TILES: &[Mutation] = &[
    ("conv2d", "transform_input", "stored(x1.v1", "stored(-x1.v1"),
    ("conv2d", "sum_products", "dw[i + 8u", "dw[i + 0u"),
];
const SHARED_BY_COLUMNS: &[Mutation] = &[
    ("conv2d", "transform_input", "let own = x1", "let own = -x1"),
    ("conv2d", "transform_input", "let all = ", "let all = -"),
    ("conv2d", "sum_products", "dw[(8u - tap)", "dw[(6u + tap)"),
];

/// Where they do not.
const APART: &[Mutation] = &[
    ("conv2d", "transform_input", "2.0 * x.v0 + -3.0", "-2.0 * x.v0 + -3.0"),
    ("conv2d", "transform_gradient", "x.v0 + x.v1", "-x.v0 + x.v1"),
    ("conv2d", "sum_products", "sum(7u, params.count", "sum(8u, params.count"),
];
const APART_BY_TILES: &[Mutation] = &[("conv2d", "sum_products", "dw[i + 8u", "dw[i + 0u")];
const APART_BY_COLUMNS: &[Mutation] = &[("conv2d", "sum_products", "dw[(6u + tap)", "dw[(8u - tap)")];

/// Each row of its transforms, for windows of 3 and tiles of 4 x 4.
const BY_FOUR: &[Mutation] = &[
    ("conv2d", "transform_input", "2.0 * x.v0 + -3.0", "-2.0 * x.v0 + -3.0"),
    ("conv2d", "transform_input", "-2.0 * x.v1 + x.v2", "2.0 * x.v1 + x.v2"),
    ("conv2d", "transform_input", "-5.0 * x.v2", "5.0 * x.v2"),
    ("conv2d", "transform_input", "-2.0 * x.v1 + -x.v2", "2.0 * x.v1 + -x.v2"),
    ("conv2d", "transform_input", "-2.0 * x.v2", "2.0 * x.v2"),
    ("conv2d", "transform_input", "2.0 * x.v5", "-2.0 * x.v5"),
    ("conv2d", "transform_weights", "0.5 * x.v0", "-0.5 * x.v0"),
    ("conv2d", "transform_weights", "+ 0.16666666666666666 * x.v2", "+ -0.16666666666666666 * x.v2"),
    ("conv2d", "transform_weights", "+ -0.16666666666666666 * x.v2", "+ 0.16666666666666666 * x.v2"),
    ("conv2d", "transform_weights", "-1.0666", "1.0666"),
    ("conv2d", "transform_weights", "-0.0666", "0.0666"),
    ("conv2d", "transform_weights", "0.5 * x.v2", "-0.5 * x.v2"),
    ("conv2d", "transform_output", "x.v0 + x.v1", "-x.v0 + x.v1"),
    ("conv2d", "transform_output", "+ 0.5 * x.v3", "+ -0.5 * x.v3"),
    ("conv2d", "transform_output", "+ 0.25 * x.v3", "+ -0.25 * x.v3"),
    ("conv2d", "transform_output", "-8.0 * x.v4", "8.0 * x.v4"),
    ("conv2d", "transform_gradient", "x.v0 + x.v1", "-x.v0 + x.v1"),
    ("conv2d", "transform_gradient", "+ -x.v1 + x.v2", "+ x.v1 + x.v2"),
    ("conv2d", "transform_gradient", "+ 0.125 * x.v3", "+ -0.125 * x.v3"),
    ("conv2d", "transform_gradient", "-8.0 * x.v3", "8.0 * x.v3"),
    ("conv2d", "sum_products", "-1.0666", "1.0666"),
];

/// The same for tiles of 6 x 6, and what the rows at p and -p have in common.
const BY_SIX: &[Mutation] = &[
    ("conv2d", "transform_input", "-4.0 * x.v0", "4.0 * x.v0"),
    ("conv2d", "transform_input", "let same1 = 4.0", "let same1 = -4.0"),
    ("conv2d", "transform_input", "-17.0 * x.v3", "17.0 * x.v3"),
    ("conv2d", "transform_input", "let same3 = x.v2", "let same3 = -x.v2"),
    ("conv2d", "transform_input", "-10.0 * x.v3", "10.0 * x.v3"),
    ("conv2d", "transform_input", "-10.0 * x.v4", "10.0 * x.v4"),
    ("conv2d", "transform_input", "let opposite5 = 4.0", "let opposite5 = -4.0"),
    ("conv2d", "transform_input", "same1 + opposite1", "same1 - opposite1"),
    ("conv2d", "transform_input", "same3 - opposite3", "same3 + opposite3"),
    ("conv2d", "transform_input", "4.0 * x.v7", "-4.0 * x.v7"),
    ("conv2d", "transform_weights", "-0.25 * x.v0", "0.25 * x.v0"),
    ("conv2d", "transform_weights", "let same1 = -0.0555", "let same1 = 0.0555"),
    ("conv2d", "transform_weights", "let opposite1 = -0.0555", "let opposite1 = 0.0555"),
    ("conv2d", "transform_weights", "let same3 = 0.00277", "let same3 = -0.00277"),
    ("conv2d", "transform_weights", "let opposite3 = 0.00555", "let opposite3 = -0.00555"),
    ("conv2d", "transform_weights", "let same5 = 0.3555", "let same5 = -0.3555"),
    ("conv2d", "transform_weights", "let opposite5 = 0.1777", "let opposite5 = -0.1777"),
    ("conv2d", "transform_weights", "0.25 * x.v2", "-0.25 * x.v2"),
    ("conv2d", "transform_output", "x.v0 + sum1", "-x.v0 + sum1"),
    ("conv2d", "transform_output", "x.v1 - x.v2", "x.v1 + x.v2"),
    ("conv2d", "transform_output", "+ 2.0 * difference3", "+ -2.0 * difference3"),
    ("conv2d", "transform_output", "+ 0.25 * sum5", "+ -0.25 * sum5"),
    ("conv2d", "transform_output", "+ 8.0 * difference3", "+ -8.0 * difference3"),
    ("conv2d", "transform_output", "+ 16.0 * sum3", "+ -16.0 * sum3"),
    ("conv2d", "transform_output", "+ x.v7", "+ -x.v7"),
    ("conv2d", "transform_gradient", "let same1 = x.v0", "let same1 = -x.v0"),
    ("conv2d", "transform_gradient", "let opposite1 = x.v1", "let opposite1 = -x.v1"),
    ("conv2d", "transform_gradient", "+ 4.0 * x.v2 + 16.0", "+ -4.0 * x.v2 + 16.0"),
    ("conv2d", "transform_gradient", "32.0 * x.v5", "-32.0 * x.v5"),
    ("conv2d", "transform_gradient", "+ 0.0625 * x.v4", "+ -0.0625 * x.v4"),
    ("conv2d", "transform_gradient", "let opposite5 = 0.5", "let opposite5 = -0.5"),
    ("conv2d", "sum_products", "+ -0.0555", "+ 0.0555"),
    ("conv2d", "sum_products", "+ 0.3555", "+ -0.3555"),
];

/// On whole and cut tiles of 4 x 4 with a bias.
#[test]
fn every_flipped_sign_is_seen_by_four() {
    of_winograd("conv2d/3x3_same_8to8", BY_FOUR, [SHARED_BY_TILES, &[SHARED_BY_COLUMNS, BY_COLUMNS].concat()]);
}

/// The same by tiles of 6 x 6.
#[test]
fn every_flipped_sign_is_seen_by_six() {
    let large = BY_COLUMNS.iter().chain(BY_LARGE_COLUMNS).filter(|mutation| !AT_EDGES.contains(mutation));
    let by_columns: Vec<Mutation> = large.chain(SHARED_BY_COLUMNS).copied().collect();
    of_winograd("conv2d/3x3_same_8to12", BY_SIX, [SHARED_BY_TILES, &by_columns]);
    of_winograd("conv2d/3x3_valid_4to16", &BY_SIX[..1], [&[], AT_EDGES]);
}

/// Gradients that transform dy each for itself.
#[test]
fn every_flipped_sign_is_seen_in_gradients_apart() {
    of_winograd("conv2d/3x3_valid_8to68", APART, [APART_BY_TILES, APART_BY_COLUMNS]);
}

/// `mutations` of the variant whose input transform has the first one's text, and those of a walk by tiles or by columns.
fn of_winograd(case: &str, mutations: &[Mutation], [by_tiles, by_columns]: [&[Mutation]; 2]) {
    for tiling in own_tilings() {
        let of_walk = match tiling {
            // GPUs have no such variant.
            Tiling::Workgroup => continue,
            Tiling::Subgroup { lanes: 8, loads: Loads::Wide } => [by_columns, &[]],
            Tiling::Subgroup { .. } => [by_tiles, BY_TILES],
        };
        in_tiling(tiling, case, &[&[mutations, ALWAYS].concat()[..], &of_walk.concat()].concat());
    }
}

fn in_tiling(tiling: Tiling, case: &str, mutations: &[Mutation]) {
    let cases = cases_of("conv2d");
    let case = cases.iter().find(|other| other.name == case).expect("a case that it suits");
    // Its error is larger than the direct sum's: tests/ops.rs allows as much.
    let passes = |gpu: &Arc<Gpu>, _: &str| {
        let outcome = verify::run(gpu, case).expect(&case.name);
        outcome.faults.is_empty() && outcome.worst_ratio <= 4.0
    };
    let mut gpu = gpu_in(Some(tiling));
    gpu.tuner.thorough = true;
    let met = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&met);
    let of_tiles = mutations[0].2;
    gpu.rewrite_shaders(move |kernel| {
        noted.fetch_or(kernel.pass == "transform_input" && kernel.source.contains(of_tiles), Ordering::Relaxed);
        None
    });
    let number = (0..16).find(|number| {
        gpu.tuner.pick = Pick::Nth(*number);
        verify::prepare(&gpu, case).expect("prepares");
        met.load(Ordering::Relaxed)
    });
    assert!(number.is_some(), "no variant is Winograd's");
    let gpu = Arc::new(gpu);
    assert!(passes(&gpu, ""), "fails without a mutation");
    let gpu = Arc::into_inner(gpu).expect("no executor outlives its check");
    let bad = survivors(gpu, mutations, passes);
    assert!(bad.is_empty(), "{tiling:?}: {bad:#?}");
}
