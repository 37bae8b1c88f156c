//! Which tensors share a buffer: none of those that live at the same time.

use std::ops::RangeInclusive;

/// What is asked for: bytes, over which steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) bytes: u64,
    pub(super) steps: RangeInclusive<usize>,
}

/// What is given: a buffer for each lifetime, and the buffers' sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) buffer_of: Vec<usize>,
    pub(super) sizes: Vec<u64>,
}

fn overlap(a: &RangeInclusive<usize>, b: &RangeInclusive<usize>) -> bool {
    a.start() <= b.end() && b.start() <= a.end()
}

/// Greedy by size (Pisarchyk and Lee 2020): the largest first, each into the smallest buffer that is free over its steps, or
/// a new one.
pub(super) fn assign(lifetimes: &[Lifetime]) -> Assignment {
    let mut order: Vec<usize> = (0..lifetimes.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(lifetimes[*i].bytes), *i));
    let mut tenants: Vec<Vec<usize>> = Vec::new();
    let mut sizes: Vec<u64> = Vec::new();
    let mut buffer_of = vec![0; lifetimes.len()];
    for i in order {
        let free = |b: &usize| !tenants[*b].iter().any(|t| overlap(&lifetimes[*t].steps, &lifetimes[i].steps));
        let buffer = (0..sizes.len()).filter(free).min_by_key(|b| sizes[*b]).unwrap_or_else(|| {
            sizes.push(lifetimes[i].bytes);
            sizes.len() - 1
        });
        if buffer == tenants.len() {
            tenants.push(Vec::new());
        }
        tenants[buffer].push(i);
        buffer_of[i] = buffer;
    }
    Assignment { buffer_of, sizes }
}

/// The least that any sharing could need: the largest sum of bytes alive in one step.
pub(super) fn lower_bound(lifetimes: &[Lifetime]) -> u64 {
    let steps = lifetimes.iter().map(|l| *l.steps.start());
    steps.map(|s| lifetimes.iter().filter(|l| l.steps.contains(&s)).map(|l| l.bytes).sum()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_is_disjoint_and_within_sight_of_the_bound() {
        let life = |bytes, steps| Lifetime { bytes, steps };
        let lifetimes = [life(100, 0..=9), life(50, 1..=3), life(40, 4..=6), life(50, 5..=9), life(10, 0..=1)];
        let a = assign(&lifetimes);
        for i in 0..lifetimes.len() {
            assert!(a.sizes[a.buffer_of[i]] >= lifetimes[i].bytes);
            for j in 0..i {
                let together = overlap(&lifetimes[i].steps, &lifetimes[j].steps);
                assert!(!together || a.buffer_of[i] != a.buffer_of[j], "{i} and {j} share a buffer");
            }
        }
        assert_eq!(lower_bound(&lifetimes), 190);
        assert!(a.sizes.iter().sum::<u64>() <= 200);
        assert_eq!(assign(&[]), Assignment { buffer_of: vec![], sizes: vec![] });
    }
}
