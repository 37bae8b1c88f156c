//! Where tensors lie in the arenas: none of those that live at the same time overlap.

use crate::gpu::Lifetime;
use std::cmp::Reverse;

/// A tensor's place: its arena, and its first byte there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The arena.
    pub arena: usize,
    /// The first byte, a multiple of 256 if all asked for are.
    pub offset: u64,
}

/// What is given: a place for each lifetime, and the arenas' sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) places: Vec<Place>,
    pub(super) sizes: Vec<u64>,
}

/// Orders that are tried after the first three, where these leave more than a tenth of the bound unused.
const ROUNDS: usize = 64;

/// Greedy (Pisarchyk and Lee 2020): one after the other, each into the tightest gap that its contemporaries leave, or behind them. The
/// best of three orders: the largest first, the largest product of bytes and steps first, the first born first; and of those that
/// follow from them by placing what lay topmost first of all. Arenas are of `largest` bytes at most, unless a single tensor is
/// larger, and no tensor straddles two.
pub(super) fn assign(lifetimes: &[Lifetime], largest: u64) -> Assignment {
    let largest = lifetimes.iter().map(|l| l.bytes).max().unwrap_or(0).max(largest).max(1);
    let length = |l: &Lifetime| (l.steps.end() - l.steps.start() + 1) as u64;
    let orders: [&dyn Fn(&Lifetime) -> u64; 3] =
        [&|l| l.bytes, &|l| l.bytes.saturating_mul(length(l)), &|l| u64::MAX - *l.steps.start() as u64];
    let mut orders = orders.map(|key| {
        let mut order: Vec<usize> = (0..lifetimes.len()).collect();
        order.sort_by_key(|i| (Reverse(key(&lifetimes[*i])), *i));
        order
    });
    let total = |a: &Assignment| a.sizes.iter().sum::<u64>();
    let mut best = assign_in(lifetimes, &orders[0], largest);
    for _ in 0..=ROUNDS {
        for order in &mut orders {
            let tried = assign_in(lifetimes, order, largest);
            let end = |i: usize| (tried.places[i].arena, tried.places[i].offset + lifetimes[i].bytes);
            if let Some(topmost) = (0..order.len()).max_by_key(|at| end(order[*at])) {
                order[..=topmost].rotate_right(1);
            }
            if total(&tried) < total(&best) {
                best = tried;
            }
        }
        if total(&best) <= lower_bound(lifetimes) / 10 * 11 {
            break;
        }
    }
    best
}

fn assign_in(lifetimes: &[Lifetime], order: &[usize], largest: u64) -> Assignment {
    // Offsets over all arenas, one behind the other.
    let mut starts: Vec<u64> = vec![0; lifetimes.len()];
    let mut placed: Vec<usize> = Vec::new();
    for i in order.iter().copied() {
        let contemporaries = placed.iter().filter(|p| lifetimes[**p].meets(&lifetimes[i]));
        let mut taken: Vec<(u64, u64)> =
            contemporaries.map(|p| (starts[*p], starts[*p] + lifetimes[*p].bytes)).collect();
        taken.sort_unstable();
        starts[i] = tightest(&taken, lifetimes[i].bytes, largest);
        placed.push(i);
    }
    let mut sizes: Vec<u64> = Vec::new();
    let places = starts.iter().zip(lifetimes).map(|(start, life)| {
        let place = Place { arena: (start / largest) as usize, offset: start % largest };
        sizes.resize(sizes.len().max(place.arena + 1), 0);
        sizes[place.arena] = sizes[place.arena].max(place.offset + life.bytes);
        place
    });
    Assignment { places: places.collect(), sizes }
}

/// Places for what is `asked` for besides, in bytes that neither `fixed` uses in its steps nor another that is asked for; none where
/// no gap of the arenas, of `sizes` bytes, is wide enough. The largest come first, each at the end of the last gap that holds it: so
/// one op's scratch lies where the last one's did, which is still in the caches.
pub(super) fn assign_between(fixed: &[(Lifetime, Place)], sizes: &[u64], asked: &[Lifetime]) -> Vec<Option<Place>> {
    // Addresses over all arenas, as if all were as large as the largest.
    let largest = sizes.iter().copied().max().unwrap_or(0).max(1);
    let base = |arena: usize| arena as u64 * largest;
    let tails: Vec<(u64, u64)> = (0..).zip(sizes).map(|(i, size)| (base(i) + size, base(i + 1))).collect();
    let mut used: Vec<(&Lifetime, u64)> = fixed.iter().map(|(life, at)| (life, base(at.arena) + at.offset)).collect();
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|i| (Reverse(asked[*i].bytes), *i));
    let mut places = vec![None; asked.len()];
    for i in order {
        let contemporaries = used.iter().filter(|(life, _)| life.meets(&asked[i]));
        let mut taken: Vec<(u64, u64)> = contemporaries.map(|(life, start)| (*start, start + life.bytes)).collect();
        taken.extend(&tails);
        taken.sort_unstable();
        if let Some(start) = topmost(&taken, asked[i].bytes) {
            used.push((&asked[i], start));
            places[i] = Some(Place { arena: (start / largest) as usize, offset: start % largest });
        }
    }
    places
}

/// The start of the smallest gap between `taken` ranges (sorted) that holds `bytes` within one arena, or the first place behind.
fn tightest(taken: &[(u64, u64)], bytes: u64, largest: u64) -> u64 {
    let within = |start: u64| {
        let straddles = bytes > 0 && start / largest != (start + bytes - 1) / largest;
        if straddles { start.next_multiple_of(largest) } else { start }
    };
    let mut end = 0;
    let mut best: Option<(u64, u64)> = None;
    for (start, stop) in taken {
        let at = within(end);
        if at + bytes <= *start && best.is_none_or(|(room, _)| start - end < room) {
            best = Some((start - end, at));
        }
        end = end.max(*stop);
    }
    best.map_or_else(|| within(end), |(_, at)| at)
}

/// The start of `bytes` at the end of the last gap between `taken` ranges (sorted) that holds them.
fn topmost(taken: &[(u64, u64)], bytes: u64) -> Option<u64> {
    let mut end = 0;
    let mut found = None;
    for (start, stop) in taken {
        if end + bytes <= *start {
            found = Some(start - bytes);
        }
        end = end.max(*stop);
    }
    found
}

/// The least that any sharing could need: the largest sum of bytes alive in one step.
pub(super) fn lower_bound(lifetimes: &[Lifetime]) -> u64 {
    let steps = lifetimes.iter().map(|l| *l.steps.start());
    steps.map(|s| lifetimes.iter().filter(|l| l.steps.contains(&s)).map(|l| l.bytes).sum()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::RangeInclusive;

    fn life(bytes: u64, steps: RangeInclusive<usize>) -> Lifetime {
        Lifetime { bytes, steps }
    }

    /// No two contemporaries overlap, and each lies inside its arena.
    fn check(lifetimes: &[Lifetime], a: &Assignment) {
        for (i, (life, place)) in lifetimes.iter().zip(&a.places).enumerate() {
            assert!(place.offset + life.bytes <= a.sizes[place.arena]);
            for (j, (other, at)) in lifetimes.iter().zip(&a.places).enumerate().take(i) {
                let apart = at.arena != place.arena
                    || at.offset + other.bytes <= place.offset
                    || place.offset + life.bytes <= at.offset;
                assert!(apart || !life.meets(other), "{i} and {j} overlap");
            }
        }
    }

    #[test]
    fn places_are_disjoint_and_at_the_bound() {
        let lifetimes = [life(100, 0..=9), life(50, 1..=3), life(40, 4..=6), life(50, 5..=9), life(10, 0..=1)];
        let a = assign(&lifetimes, 1 << 30);
        check(&lifetimes, &a);
        assert_eq!(lower_bound(&lifetimes), 190);
        assert_eq!(a.sizes, [190]);
        assert_eq!(assign(&[], 1), Assignment { places: vec![], sizes: vec![] });
    }

    #[test]
    fn arenas_have_a_limit_but_for_a_larger_tensor() {
        let lifetimes = [life(60, 0..=9), life(60, 1..=3), life(40, 2..=6), life(30, 5..=9)];
        let a = assign(&lifetimes, 100);
        check(&lifetimes, &a);
        assert!(a.sizes.len() == 2 && a.sizes.iter().all(|s| *s <= 100), "{:?}", a.sizes);
        let larger = [life(300, 0..=9), life(60, 1..=3)];
        let a = assign(&larger, 100);
        check(&larger, &a);
        assert_eq!(a.sizes, [300, 60]);
    }

    #[test]
    fn what_is_asked_for_besides_lies_in_gaps_or_nowhere() {
        let fixed = [
            (life(60, 0..=9), Place { arena: 0, offset: 0 }),
            (life(40, 3..=4), Place { arena: 0, offset: 60 }),
            (life(30, 0..=2), Place { arena: 1, offset: 10 }),
        ];
        let at = |arena, offset| Some(Place { arena, offset });
        let places = |asked: &[Lifetime]| assign_between(&fixed, &[100, 50], asked);
        assert_eq!(places(&[life(40, 2..=2), life(10, 2..=2), life(10, 2..=2)]), [at(0, 60), at(1, 40), at(1, 0)]);
        // Of step 3 or 4 only the second arena is free, and tails of arenas are no room.
        assert_eq!(places(&[life(30, 3..=3), life(30, 2..=3), life(50, 4..=4)]), [at(1, 20), None, at(1, 0)]);
        assert_eq!(places(&[life(51, 9..=9), life(40, 5..=5)]), [None, at(1, 10)]);
        assert_eq!(assign_between(&[], &[], &[life(1, 0..=0)]), [None]);
    }
}
