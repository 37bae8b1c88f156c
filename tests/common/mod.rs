//! What several test crates share.
#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod fan_out;
pub(crate) mod optimizers;
pub(crate) mod statistics;
pub(crate) mod stems;
pub(crate) mod step;

use fer_gpu::gpu::adapter::DeviceChoice;
use fer_gpu::gpu::{Gpu, Loads, Tiling};
use fer_gpu::graph::{NamedTensor, Samples};
use fer_gpu::tensor::{HostTensor, fill};
use serde::de::DeserializeOwned;

/// The adapter that a user would get.
pub(crate) fn gpu() -> Gpu {
    Gpu::open(&DeviceChoice::Auto, wgpu::Backends::all())
        .expect("the tests need an adapter: tools/test.sh installs one")
}

/// The same, in another tiling than its own if one is given.
pub(crate) fn gpu_in(tiling: Option<Tiling>) -> Gpu {
    let mut gpu = gpu();
    gpu.tiling = tiling.unwrap_or(gpu.tiling);
    gpu
}

/// The tiling of the adapter that a user would get, and on llvmpipe those of its other versions, which run on any.
pub(crate) fn own_tilings() -> Vec<Tiling> {
    match gpu().tiling {
        Tiling::Subgroup { lanes, loads: Loads::Wide | Loads::Slow } => {
            [Loads::Wide, Loads::Slow].map(|loads| Tiling::Subgroup { lanes, loads }).to_vec()
        }
        own => vec![own],
    }
}

/// A file of `tests/golden`.
pub(crate) fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; tools/keras_golden.py writes it", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Images of noise on [0, 1) with labels, as `networks.json` makes its batch `s`.
pub(crate) fn noise(s: u32, n: usize, image: usize, classes: usize) -> Samples {
    let x: Vec<f32> = (0..(n * image) as u32).map(|i| 0.5 * fill(1000 + s, i) + 0.5).collect();
    let labels: Vec<u32> = (0..n as u32).map(|j| (7 * j + 3 * s) % classes as u32).collect();
    Samples::labelled(x, &labels, classes)
}

/// Euclidean norm.
pub(crate) fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Norm of an f32 tensor, and of its difference from the reference's.
pub(crate) fn distance(got: &NamedTensor, want: &HostTensor) -> (f64, f64) {
    assert_eq!(got.shape, want.shape, "{}", got.name);
    let difference = got.values.iter().zip(&want.data).map(|(a, b)| f64::from(*a) - b);
    (norm(want.data.iter().copied()), norm(difference))
}
