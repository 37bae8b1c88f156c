//! Pure dispatch arithmetic: grids within the 65,535 workgroups a dimension, and slices within the binding limit.

use crate::error::{Error, Result};
use std::ops::Range;

/// Largest number of workgroups in one dimension (WebGPU default limit).
pub const MAX_GROUPS: u32 = 65_535;

/// The most loop iterations one invocation may make: Mesa 22.3's software driver silently ends all loops of an invocation
/// after 65,535 in total, so kernels stay at half of it.
pub const MAX_TRIPS: usize = 32_768;

/// Folds `groups` workgroups into x and y; a kernel finds its index as `group.y * num_groups.x + group.x` and must ignore
/// indices past its work.
///
/// # Errors
/// More than 65,535^2 workgroups.
pub fn fold(groups: usize) -> Result<[u32; 3]> {
    let max = MAX_GROUPS as usize;
    let y = groups.div_ceil(max).max(1);
    if y > max {
        return Err(Error::gpu(format!("{groups} workgroups do not fit one dispatch"), "use a smaller batch"));
    }
    // Even rows: a last row that is nearly empty wastes most of a grid row.
    let x = groups.div_ceil(y).max(1);
    Ok([x as u32, y as u32, 1])
}

/// Splits a batch of `n` samples so that no tensor's slice is over `max_bytes` and every slice starts at a multiple of
/// `align` bytes in every tensor. `sample_bytes` lists the bytes a sample of each tensor.
///
/// # Errors
/// One aligned sample group of some tensor is already over the limit.
pub fn batch_slices(n: usize, sample_bytes: &[u64], max_bytes: u64, align: u64) -> Result<Vec<Range<usize>>> {
    let largest = sample_bytes.iter().copied().max().unwrap_or(0).max(1);
    if largest.saturating_mul(n as u64) <= max_bytes {
        return Ok(std::iter::once(0..n).collect());
    }
    // The smallest sample count that keeps every tensor's slice start aligned: lcm of align/gcd(align, bytes).
    let unit = sample_bytes.iter().fold(1, |unit, bytes| lcm(unit, align / gcd(align, (*bytes).max(1)))) as usize;
    let per_slice = (max_bytes / largest) as usize / unit * unit;
    if per_slice == 0 {
        return Err(Error::gpu(
            format!("{unit} sample(s) of {largest} bytes exceed the adapter's largest binding of {max_bytes} bytes"),
            "use a smaller input size",
        ));
    }
    let slices = n.div_ceil(per_slice);
    // Even slices, rounded up to the unit, so that the last is not a sliver.
    let even = n.div_ceil(slices).div_ceil(unit) * unit;
    Ok((0..n).step_by(even).map(|start| start..(start + even).min(n)).collect())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u64, b: u64) -> u64 {
    a / gcd(a, b) * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_covers_every_group() {
        for groups in [0, 1, 65_535, 65_536, 131_071, 10_000_000] {
            let [x, y, z] = fold(groups).expect("fits");
            assert!(x <= MAX_GROUPS && y <= MAX_GROUPS && z == 1);
            assert!(x as usize * y as usize >= groups);
        }
        assert!(fold(usize::MAX / 2).is_err());
    }

    #[test]
    fn slices_are_aligned_cover_and_fit() {
        // fer4-cnn4-bn at batch 64: 48 * 48 * 256 floats a sample, and a small partner of 12 bytes a sample.
        for (n, bytes) in
            [(64, vec![48 * 48 * 256 * 4]), (64, vec![48 * 48 * 256 * 4, 48 * 48 * 4]), (200, vec![1 << 20, 12])]
        {
            let slices = batch_slices(n, &bytes, 128 << 20, 256).expect("fits");
            assert!(slices.len() > 1);
            assert_eq!(slices.first().map(|s| s.start), Some(0));
            assert_eq!(slices.last().map(|s| s.end), Some(n));
            assert!(slices.windows(2).all(|w| w[0].end == w[1].start));
            for s in &slices {
                for b in &bytes {
                    assert_eq!(s.start as u64 * b % 256, 0);
                    assert!(s.len() as u64 * b <= 128 << 20);
                }
            }
        }
        assert!(batch_slices(2, &[200 << 20], 128 << 20, 256).is_err());
        assert_eq!(batch_slices(0, &[4], 128, 256).expect("empty"), vec![0..0]);
    }
}
