//! Invented legs, a day at a time.
//!
//! A million legs a day; 50 sites and 400 queues by Zipf, 5,000 agents, a working day's curve of arrivals; waits
//! mostly short (`600,000 ms · u³`), 8 % abandoned; one interaction in eight is transferred at least once, some five
//! times. The days begin on 16 March 2026 and hold the change of clocks of the 29th.

use uuid::Uuid;

use super::random::{Random, Weighted};

/// 2026-03-16T00:00:00Z, a Monday, seconds.
pub const FIRST_DAY_S: i64 = 1_773_619_200;
/// Legs a day, about.
pub const LEGS_PER_DAY: u64 = 1_000_000;
/// Sites.
pub const SITES: u32 = 50;
/// Queues; every site sends to all of them.
pub const QUEUES: u32 = 400;
/// Agents.
pub const AGENTS: u32 = 5_000;
/// Teams.
pub const TEAMS: u32 = 60;

const DAY_US: i64 = 86_400_000_000;
const QUARTER_US: u64 = 900_000_000;
const LEGS_MAX: u32 = 5;
/// Share of legs that are passed on to another queue, of those that were answered.
const TRANSFERRED: f64 = 0.12;
const ABANDONED: f64 = 0.08;
/// Legs per interaction that these shares give: the sum over k of (answered and transferred)^k.
const LEGS_PER_INTERACTION: f64 = 1.124;
/// Arrivals of each hour of a day, relative.
const CURVE: [f64; 24] = [
    1.0, 0.7, 0.5, 0.5, 0.6, 1.0, 2.0, 5.0, 9.0, 12.0, 13.0, 12.0, 10.0, 11.0, 12.0, 11.0, 10.0,
    8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.5,
];

/// A leg. Times are microseconds UTC, durations milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the columns of the table, documented there")]
pub struct Leg {
    pub leg: Uuid,
    pub interaction: Uuid,
    pub leg_no: u32,
    pub site: u32,
    pub queue: u32,
    pub agent: Option<u32>,
    pub channel: u8,
    pub transferred: bool,
    pub entered: i64,
    pub end: i64,
    pub wait_ms: i64,
    pub talk_ms: i64,
    pub hold_ms: i64,
    pub wrapup_ms: i64,
}

/// The legs of one day after the other, in the order in which they entered their queues.
#[derive(Debug)]
pub struct Days {
    random: Random,
    sites: Weighted,
    queues: Weighted,
    quarters: Weighted,
    day: i64,
    legs_per_day: u64,
    later: Vec<Leg>,
}

/// An id as text tells its kind and number apart from others.
#[must_use]
pub fn id(kind: u32, number: u32) -> Uuid {
    Uuid::from_u128(u128::from(kind) << 96 | 0x4000_8000_0000_0000_0000 | u128::from(number))
}

/// An id ordered by time (RFC 9562, version 7).
fn timed(micros: i64, random: &mut Random) -> Uuid {
    let millis = (micros / 1_000) as u64;
    let (high, low) = (random.bits(), random.bits());
    Uuid::from_u64_pair(millis << 16 | 0x7000 | (high & 0xfff), 0x8000_0000_0000_0000 | (low >> 2))
}

impl Days {
    /// The days of a seed.
    #[must_use]
    pub fn new(seed: u64, legs_per_day: u64) -> Self {
        let quarters = (0..96).map(|quarter| CURVE.get(quarter / 4).copied().unwrap_or(0.0));
        Self {
            random: Random::new(seed),
            sites: Weighted::zipf(SITES, 0.6),
            queues: Weighted::zipf(QUEUES, 0.6),
            quarters: Weighted::new(quarters),
            day: 0,
            legs_per_day,
            later: Vec::new(),
        }
    }

    /// The next day.
    pub fn next_day(&mut self) -> Vec<Leg> {
        let begin = FIRST_DAY_S * 1_000_000 + self.day * DAY_US;
        self.day += 1;
        let interactions = (self.legs_per_day as f64 / LEGS_PER_INTERACTION) as u64;
        let mut legs = std::mem::take(&mut self.later);
        for _ in 0..interactions {
            let quarter = self.quarters.pick(&mut self.random) as u64;
            let within = quarter * QUARTER_US + self.random.below(QUARTER_US);
            self.interaction(begin + within as i64, &mut legs);
        }
        let end = begin + DAY_US;
        self.later = legs.extract_if(.., |leg| leg.entered >= end).collect();
        legs.sort_unstable_by_key(|leg| (leg.entered, leg.leg));
        legs
    }

    fn interaction(&mut self, created: i64, legs: &mut Vec<Leg>) {
        let random = &mut self.random;
        let interaction = timed(created, random);
        let site = self.sites.pick(random) as u32;
        let channel = [0, 0, 0, 0, 0, 0, 1, 1, 2, 3][random.below(10) as usize];
        let mut entered = created;
        for leg_no in 1..=LEGS_MAX {
            let u = random.fraction();
            let wait_ms = (600_000.0 * u * u * u) as i64;
            let abandoned = random.fraction() < ABANDONED;
            let transferred = !abandoned && leg_no < LEGS_MAX && random.fraction() < TRANSFERRED;
            let mut up_to = |most: u64| if abandoned { 0 } else { random.below(most) as i64 };
            let (talk_ms, hold_ms, wrapup_ms) = (up_to(600_000), up_to(60_000), up_to(120_000));
            let talk_ms = if abandoned { 0 } else { talk_ms + 30_000 };
            let end = entered + (wait_ms + talk_ms + hold_ms + wrapup_ms) * 1_000;
            legs.push(Leg {
                leg: timed(entered, random),
                interaction,
                leg_no,
                site,
                queue: self.queues.pick(random) as u32,
                agent: (!abandoned).then(|| random.below(u64::from(AGENTS)) as u32),
                channel,
                transferred,
                entered,
                end,
                wait_ms,
                talk_ms,
                hold_ms,
                wrapup_ms,
            });
            if !transferred {
                return;
            }
            entered = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_seed_and_in_order() {
        let (mut one, mut other) = (Days::new(3, 20_000), Days::new(3, 20_000));
        let mut total = 0;
        for day in 0..3 {
            let legs = one.next_day();
            assert_eq!(legs, other.next_day());
            let begin = FIRST_DAY_S * 1_000_000 + day * DAY_US;
            assert!(legs.iter().all(|leg| (begin..begin + DAY_US).contains(&leg.entered)));
            assert!(legs.is_sorted_by_key(|leg| (leg.entered, leg.leg)));
            assert!(legs.iter().all(|leg| leg.agent.is_some() == (leg.talk_ms > 0)));
            total += legs.len();
        }
        assert!((59_000..61_000).contains(&total), "{total}");
        assert_ne!(Days::new(4, 20_000).next_day(), Days::new(3, 20_000).next_day());
    }

    #[test]
    fn a_transfer_is_followed_by_another_leg() {
        let legs = Days::new(1, 20_000).next_day();
        let more = legs.iter().filter(|leg| leg.leg_no > 1).count();
        let passed = legs.iter().filter(|leg| leg.transferred).count();
        assert!(more > 1_000 && passed >= more && passed - more < 100, "{more} {passed}");
        assert!(legs.iter().any(|leg| leg.leg_no == LEGS_MAX));
    }
}
