//! The order of the training images in an epoch.

use crate::philox::Philox;

/// Stream of random numbers of the first epoch's order: the streams below it belong to parameters.
const FIRST_STREAM: u64 = 1 << 32;

/// The numbers of `images` images in the order of an epoch, counted from 0: a function of seed and epoch alone, so that a
/// resumed run goes on with the same batches.
pub(super) fn order(seed: u64, epoch: usize, images: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..images as u32).collect();
    Philox::new(seed, FIRST_STREAM + epoch as u64).shuffle(&mut order);
    order
}
