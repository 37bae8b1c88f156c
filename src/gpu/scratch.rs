//! Scratch: what an op needs between its own dispatches. It lies in bytes of the arenas that no tensor uses then, and in buffers of
//! its own where there are none.
//!
//! Considered: a buffer a slot for the whole program (as large as any op asks, so up to a third on top of the tensors), and scratch
//! as tensors of the plan. The plan is made before there is a device, and what a kernel needs follows from its variant, so
//! scratch is placed when a program is finished, into what the plan left free.

use super::device::Gpu;
use super::tensor::{GpuTensor, Storage};
use crate::error::Result;
use crate::tensor::Shape;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What is asked for: bytes, over which steps of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) bytes: u64,
    pub(crate) steps: RangeInclusive<usize>,
}

impl Lifetime {
    /// Whether both are alive in some step.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.steps.start() <= other.steps.end() && other.steps.start() <= self.steps.end()
    }
}

/// A buffer, and the first byte there.
pub(crate) type Spot = (wgpu::Buffer, u64);

/// Bytes for scratch in buffers that are there anyway: a place for each that is asked for, or none.
pub(crate) type Room<'a> = dyn Fn(&[Lifetime]) -> Vec<Option<Spot>> + 'a;

/// Room of a program without arenas.
pub(crate) fn no_room(asked: &[Lifetime]) -> Vec<Option<Spot>> {
    vec![None; asked.len()]
}

/// The scratch that a recording asks for.
#[derive(Default)]
pub(super) struct Wanted {
    all: Vec<Lifetime>,
    step: usize,
    /// Of the current step: the op's number for it, and its index in `all`.
    slots: BTreeMap<usize, usize>,
}

impl Wanted {
    /// What follows belongs to step `step`, until said otherwise.
    pub(super) fn begin(&mut self, step: usize) {
        self.step = step;
        self.slots.clear();
    }

    /// Scratch number `slot` of this step, as large as the largest that is asked for by this number.
    pub(super) fn slot(&mut self, slot: usize, shape: Shape) -> GpuTensor {
        match self.slots.get(&slot) {
            Some(index) => self.tensor(*index, shape),
            None => {
                self.slots.insert(slot, self.all.len());
                self.one(shape)
            }
        }
    }

    /// Scratch that is shared with nothing in this step.
    pub(super) fn one(&mut self, shape: Shape) -> GpuTensor {
        self.all.push(Lifetime { bytes: 0, steps: self.step..=self.step });
        self.tensor(self.all.len() - 1, shape)
    }

    /// Keeps a tensor until the end of this step.
    pub(super) fn keep(&mut self, tensor: &GpuTensor) {
        if let Storage::Scratch(index) = tensor.storage {
            let wanted = &mut self.all[index];
            wanted.steps = *wanted.steps.start()..=self.step;
        }
    }

    /// All of it.
    pub(super) fn into_lifetimes(self) -> Vec<Lifetime> {
        self.all
    }

    fn tensor(&mut self, index: usize, shape: Shape) -> GpuTensor {
        let tensor = GpuTensor { storage: Storage::Scratch(index), offset: 0, shape };
        let bytes = &mut self.all[index].bytes;
        *bytes = (*bytes).max(tensor.bound_bytes());
        tensor
    }
}

/// Buffers for the scratch that finds no room elsewhere, shared by the programs of a device.
#[derive(Default)]
pub(crate) struct ScratchPool(Vec<wgpu::Buffer>);

impl ScratchPool {
    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(wgpu::Buffer::size).sum()
    }

    /// A spot for everything wanted.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn place(&mut self, gpu: &Gpu, wanted: &Wanted, room: &Room<'_>) -> Result<Vec<Spot>> {
        let found = room(&wanted.all);
        let without: Vec<usize> = (0..found.len()).filter(|i| found[*i].is_none()).collect();
        let buffers = buffers(&wanted.all, without);
        let mut sizes: BTreeMap<usize, u64> = BTreeMap::new();
        for (index, buffer) in &buffers {
            let size = sizes.entry(*buffer).or_default();
            *size = (*size).max(wanted.all[*index].bytes);
        }
        for (buffer, bytes) in sizes {
            if self.0.get(buffer).is_none_or(|b| b.size() < bytes) {
                let made = gpu.buffer(&format!("scratch {buffer}"), bytes)?;
                self.0.splice(buffer..(buffer + 1).min(self.0.len()), [made]);
            }
        }
        let spot = |(i, spot): (usize, Option<Spot>)| spot.unwrap_or_else(|| (self.0[buffers[&i]].clone(), 0));
        Ok(found.into_iter().enumerate().map(spot).collect())
    }
}

/// A buffer for each index of `without`, by number: the largest first, each into the first that no contemporary has.
fn buffers(all: &[Lifetime], mut without: Vec<usize>) -> BTreeMap<usize, usize> {
    without.sort_by_key(|i| (Reverse(all[*i].bytes), *i));
    let mut given: BTreeMap<usize, usize> = BTreeMap::new();
    for i in without {
        let taken: Vec<usize> = given.iter().filter(|(j, _)| all[**j].meets(&all[i])).map(|(_, b)| *b).collect();
        given.insert(i, (0..).find(|b| !taken.contains(b)).unwrap_or(0));
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contemporaries_have_buffers_of_their_own() {
        let life = |bytes, steps| Lifetime { bytes, steps };
        let all = [life(10, 0..=0), life(90, 0..=0), life(50, 1..=3), life(60, 2..=2), life(70, 4..=4)];
        let given = buffers(&all, vec![0, 1, 2, 3, 4]);
        assert_eq!(given.into_values().collect::<Vec<_>>(), [1, 0, 1, 0, 0]);
        assert_eq!(buffers(&all, vec![0, 3]).into_values().collect::<Vec<_>>(), [0, 0]);
    }

    #[test]
    fn a_slot_is_as_large_as_its_largest_use_and_statistics_live_until_they_are_taken() {
        let mut wanted = Wanted::default();
        wanted.begin(3);
        let first = wanted.slot(0, [10].into());
        assert!(first.shares_buffer_with(&wanted.slot(0, [100].into())));
        let left = wanted.one([4].into());
        wanted.begin(5);
        assert!(!first.shares_buffer_with(&wanted.slot(0, [1].into())));
        wanted.keep(&left);
        let life = |bytes, steps| Lifetime { bytes, steps };
        assert_eq!(wanted.all, [life(400, 3..=3), life(16, 3..=5), life(16, 5..=5)]);
    }
}
