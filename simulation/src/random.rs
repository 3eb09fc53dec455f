//! A small seedable source of random numbers, so that a run can be repeated.

/// Splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A source with this seed.
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

    /// A number from `low` to `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low {
            return low;
        }
        low + self.bits() % (high - low + 1)
    }

    /// True in `percent` of 100 cases.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.bits() % (items.len().max(1) as u64);
        items.get(usize::try_from(index).unwrap_or(0))
    }

    /// Milliseconds until the next arrival of a Poisson process with this many arrivals a minute.
    pub fn next_arrival_ms(&mut self, per_minute: u32) -> u64 {
        let unit = (self.bits() >> 11) as f64 / (1_u64 << 53) as f64;
        let mean_ms = 60_000.0 / f64::from(per_minute.max(1));
        (-(1.0 - unit).ln() * mean_ms).min(mean_ms * 10.0) as u64
    }

    /// A source of its own for one simulated person.
    pub const fn fork(&mut self) -> Self {
        Self(self.bits())
    }
}
