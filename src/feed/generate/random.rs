//! Chance with a seed: the same on every machine and in every version of every library.

/// SplitMix64 (Steele, Lea, Flood 2014): small, quick, and good enough to invent people. Not for
/// secrets.
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A source of its own for one purpose, so that a change in one place moves nothing elsewhere.
    pub(super) fn of(seed: u64, purpose: u64, number: usize) -> Self {
        let mut mixed = Self(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let stir = mixed.next().wrapping_add(number as u64);
        let mut own = Self(stir.wrapping_mul(0xa076_1d64_78bd_642f));
        own.next();
        own
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 when `end` is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// A number from `least` to `most`, both included.
    pub(super) fn between(&mut self, least: i32, most: i32) -> i32 {
        let span = (most - least + 1).unsigned_abs() as usize;
        least + i32::try_from(self.below(span)).unwrap_or(0)
    }

    /// True in so many of ten thousand cases.
    pub(super) fn chance(&mut self, in_ten_thousand: usize) -> bool {
        self.below(10_000) < in_ten_thousand
    }

    /// A number from 0 to `most`, in a small type.
    pub(super) fn up_to(&mut self, most: u8) -> u8 {
        self.below(usize::from(most) + 1) as u8
    }

    /// One of these. `all` is never empty: it is a constant, or a list that the tests hold.
    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// One of these, by weight.
    pub(super) fn pick_weighted<T: Copy>(&mut self, all: &[(T, usize)]) -> T {
        let total = all.iter().map(|(_, weight)| weight).sum();
        let mut left = self.below(total);
        for (item, weight) in all {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        all[0].0
    }

    /// A UUID of version 4.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// The reference values of SplitMix64 for seed 1234567.
    #[test]
    fn the_numbers_are_the_published_ones() {
        let mut random = Random::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.next());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(1);
        let mut seen = [0; 6];
        for _ in 0..6_000 {
            seen[usize::try_from(random.between(-2, 3) + 2).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count > 800));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.uuid().len(), 36);
    }
}
