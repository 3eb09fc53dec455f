//! Random numbers that are the same on every machine.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1, without 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to `bound`, without it.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }
}

/// Picks numbers with given weights.
#[derive(Clone, Debug)]
pub struct Weighted(Vec<f64>);

impl Weighted {
    /// Numbers from 0, one for each weight.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let sums = weights.into_iter().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self(sums.collect())
    }

    /// As many numbers as `n`, the weight of number `i` being `(i + 1)^-exponent`.
    #[must_use]
    pub fn zipf(n: u32, exponent: f64) -> Self {
        Self::new((0..n).map(|i| f64::from(i + 1).powf(-exponent)))
    }

    /// One of the numbers.
    pub fn pick(&self, random: &mut Random) -> usize {
        let at = random.fraction() * self.0.last().copied().unwrap_or(0.0);
        self.0.partition_point(|sum| *sum <= at).min(self.0.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_seed_are_known() {
        // First outputs of SplitMix64 with seed 0, as published with its reference implementation.
        let mut random = Random::new(0);
        assert_eq!(random.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.bits(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn weights_are_kept() {
        let weighted = Weighted::new([3.0, 0.0, 1.0]);
        let mut random = Random::new(7);
        let mut counts = [0_u32; 3];
        for _ in 0..40_000 {
            counts[weighted.pick(&mut random)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((29_500..30_500).contains(&counts[0]), "{counts:?}");
    }
}
