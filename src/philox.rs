//! Random numbers from a counter: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
//! 1, 2, 3", SC'11).
//!
//! The generator has no state beside a counter, so any part of a stream can be computed by itself: a shader and the
//! processor draw the same dropout mask, image 17 does not depend on images 0 to 16, and a resumed run goes on where
//! it stopped by storing one number.

/// Multipliers of the two halves of a round.
const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What the key grows by between rounds: the golden ratio and the square root of three less one, as 32-bit fractions.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Rounds of the recommended, conservative variant.
const ROUNDS: usize = 10;

/// The 128 random bits that belong to `counter` under `key`.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for round in 0..ROUNDS {
        if round > 0 {
            k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
        }
        let (hi0, lo0) = mul_hi_lo(MULTIPLIER[0], c[0]);
        let (hi1, lo1) = mul_hi_lo(MULTIPLIER[1], c[2]);
        c = [hi1 ^ c[1] ^ k[0], lo1, hi0 ^ c[3] ^ k[1], lo0];
    }
    c
}

/// High and low half of the 64-bit product.
fn mul_hi_lo(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// A stream of random numbers: the blocks 0, 1, 2 ... of [`philox4x32`] under one key.
///
/// `seed` is the key, `stream` the upper half of the counter, so 2^64 streams of one seed never overlap: give every
/// image, layer or epoch its own.
#[derive(Debug, Clone)]
pub struct Philox {
    key: [u32; 2],
    stream: [u32; 2],
    block: u64,
    words: [u32; 4],
    /// Words of `words` already handed out; 4 when a new block is due.
    used: usize,
}

impl Philox {
    /// The stream number `stream` of `seed`, at its beginning.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { key: halves(seed), stream: halves(stream), block: 0, words: [0; 4], used: 4 }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let [low, high] = halves(self.block);
            self.words = philox4x32([low, high, self.stream[0], self.stream[1]], self.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        let word = self.words[self.used];
        self.used += 1;
        word
    }

    /// The next 64 random bits, low word first.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1): 24 random bits, so every value is exact in `f32`.
    pub fn next_f32(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform between `lo` and `hi` (`hi` itself only by rounding).
    pub fn uniform(&mut self, lo: f32, hi: f32) -> f32 {
        lo + (hi - lo) * self.next_f32()
    }

    /// Standard normal (Box-Muller; computed in `f64`, so that platforms agree but for the last bit of `f32`).
    pub fn normal(&mut self) -> f32 {
        // 1 - u lies in (0, 1]: the logarithm is finite.
        let radius = (-2.0 * (1.0 - f64::from(self.next_f32())).ln()).sqrt();
        let angle = std::f64::consts::TAU * f64::from(self.next_f32());
        (radius * angle.cos()) as f32
    }

    /// Standard normal, drawn again until it lies within two deviations.
    pub fn truncated_normal(&mut self) -> f32 {
        loop {
            let value = self.normal();
            if value.abs() < 2.0 {
                return value;
            }
        }
    }

    /// Uniform in 0..n without bias (Lemire's multiply and reject, on 64 bits). `below(0)` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// True with the probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.next_f32() < p
    }

    /// Puts `items` into a random order, all orders equally likely (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Low and high word.
fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_the_paper() {
        let all = u32::MAX;
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([all; 4], [all; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(philox4x32(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn the_stream_is_its_blocks_in_order() {
        let mut rng = Philox::new(0x0000_0007_0000_0009, 0x0000_0003_0000_0005);
        let words: Vec<u32> = (0..8).map(|_| rng.next_u32()).collect();
        assert_eq!(words[..4], philox4x32([0, 0, 5, 3], [9, 7]));
        assert_eq!(words[4..], philox4x32([1, 0, 5, 3], [9, 7]));
    }

    #[test]
    fn seeds_and_streams_differ() {
        let first = |seed, stream| Philox::new(seed, stream).next_u64();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(2, 1));
        assert_ne!(first(1, 2), first(1, 3));
    }

    #[test]
    fn moments() {
        let mut rng = Philox::new(1, 0);
        let n = 100_000;
        let uniform: Vec<f64> = (0..n).map(|_| f64::from(rng.uniform(-1.0, 3.0))).collect();
        assert!(uniform.iter().all(|v| (-1.0..3.0).contains(v)));
        let normal: Vec<f64> = (0..n).map(|_| f64::from(rng.normal())).collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / f64::from(n);
        let variance = |v: &[f64]| {
            let centre = mean(v);
            v.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / f64::from(n)
        };
        // Five standard errors of each.
        assert!((mean(&uniform) - 1.0).abs() < 0.02);
        assert!((mean(&normal)).abs() < 0.016);
        assert!((variance(&normal) - 1.0).abs() < 0.023);
    }

    #[test]
    fn below_is_uniform_and_in_range() {
        let mut rng = Philox::new(2, 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
    }

    #[test]
    fn a_shuffle_keeps_everything() {
        let mut items: Vec<usize> = (0..100).collect();
        Philox::new(3, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
