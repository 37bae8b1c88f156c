//! Damage: what disks, editors and people who wish harm do to a file.

use fer_gpu::philox::Philox;

/// Numbers at which readers stumble.
const NUMBERS: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX,
    i64::MAX as u64,
    1 << 40,
    16,
];
/// The same in text.
const TEXTS: [&str; 10] =
    ["0", "-1", "1e18", "1e308", "NaN", "inf", "99999999999999999999", "0.00000000001", "4294967296", "65535"];

/// Draws damaged files; the same seed draws the same ones.
pub struct Mutator(Philox);

impl Mutator {
    /// With a seed.
    pub fn new(seed: u64) -> Self {
        Self(Philox::new(seed, 0xF022))
    }

    /// One of the seeds with one to sixteen faults.
    pub fn draw(&mut self, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
        let mut bytes = seeds[self.0.below(seeds.len())].clone();
        let most = self.one_of([1, 2, 4, 16]);
        for _ in 0..=self.0.below(most) {
            self.fault(&mut bytes, seeds, words);
        }
        bytes.truncate(1 << 20);
        bytes
    }

    fn fault(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
        let at = self.0.below(bytes.len() + 1);
        let length = self.below_one_of([2, 9, 65, 4097]).min(bytes.len() - at);
        match self.0.below(11) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.0.below(8),
            1 if at < bytes.len() => bytes[at] = self.0.next_u32() as u8,
            2 => drop(bytes.drain(at..at + length)),
            3 => {
                let part = bytes[at..at + length].to_vec();
                let to = self.0.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            4 => bytes.truncate(at),
            5 => {
                let random: Vec<u8> = (0..length).map(|_| self.0.next_u32() as u8).collect();
                bytes.splice(at..at + length, random);
            }
            6 => {
                let number = NUMBERS[self.0.below(NUMBERS.len())];
                let size = self.one_of([1, 2, 4, 8]);
                let number = if self.0.chance(0.5) {
                    number.to_le_bytes()
                } else {
                    number.rotate_right(8 * size as u32).to_be_bytes()
                };
                let end = (at + size).min(bytes.len());
                bytes.splice(at..end, number[..size].to_vec());
            }
            7 => self.number(bytes, at),
            8 if !words.is_empty() => {
                let word = words[self.0.below(words.len())];
                let end = at + if self.0.chance(0.5) { length.min(word.len()) } else { 0 };
                bytes.splice(at..end, word.bytes());
            }
            9 => {
                let other = &seeds[self.0.below(seeds.len())];
                let from = self.0.below(other.len() + 1);
                let to = from + self.0.below(other.len() - from + 1);
                bytes.splice(at..at + length, other[from..to].to_vec());
            }
            _ => {
                let part = bytes[at..at + length].to_vec();
                let many = 1 << self.0.below(11);
                bytes.splice(
                    at..at,
                    part.iter().copied().cycle().take((part.len() * many).min(1 << 18)).collect::<Vec<_>>(),
                );
            }
        }
    }

    fn one_of<const N: usize>(&mut self, sizes: [usize; N]) -> usize {
        sizes[self.0.below(N)]
    }

    fn below_one_of<const N: usize>(&mut self, sizes: [usize; N]) -> usize {
        let size = self.one_of(sizes);
        self.0.below(size)
    }

    /// Another number in the place of one in text, at `at` or after.
    fn number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let is_part = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
        let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else { return };
        let end = bytes[start..].iter().position(|b| !is_part(b)).map_or(bytes.len(), |i| start + i);
        let text = TEXTS[self.0.below(TEXTS.len())];
        bytes.splice(start..end, text.bytes());
    }
}
