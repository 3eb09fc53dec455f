//! Queue logs made up from a seed, and what they add up to, counted from their lines alone.

use std::collections::BTreeMap;

const QUEUES: [&str; 3] = ["sales", "support", "survey"];
const AGENTS: u64 = 6;

/// SplitMix64 (Steele, Lea, Flood 2014): equal seeds, equal logs.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 to `sides - 1`.
    pub(crate) const fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// Lines with their second; equal seconds keep the order in which they were written.
struct Writer {
    lines: Vec<(u64, String)>,
}

impl Writer {
    fn write(&mut self, second: u64, call: &str, queue: &str, agent: &str, rest: &str) {
        self.lines.push((second, format!("{second}|{call}|{queue}|{agent}|{rest}")));
    }
}

fn agent(dice: &mut Dice) -> String {
    format!("SIP/{}", 100 + dice.roll(AGENTS))
}

/// A log of so many calls, with agents who come, pause and go, and lines that are no use.
pub(crate) fn log(seed: u64, calls: u64) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let mut writer = Writer { lines: Vec::new() };
    for number in 0..AGENTS {
        let member = format!("SIP/{}", 100 + number);
        let queue = QUEUES[usize::try_from(number % 3).unwrap_or(0)];
        match dice.roll(3) {
            0 => {}
            _ => writer.write(1_000, "NONE", queue, &member, "ADDMEMBER|"),
        }
        for _ in 0..dice.roll(4) {
            let second = 1_000 + dice.roll(3_000);
            let rest = ["PAUSE|Lunch", "PAUSE|", "UNPAUSE|", "REMOVEMEMBER|", "PENALTY|3"]
                [usize::try_from(dice.roll(5)).unwrap_or(0)];
            writer.write(second, "NONE", queue, &member, rest);
        }
    }
    for number in 0..calls {
        call(&mut dice, &mut writer, number);
    }
    writer.write(2_000, "NONE", "NONE", "NONE", "QUEUESTART|");
    writer.write(2_500, "late", "sales", "NONE", "ABANDON|1|1|7");
    writer.lines.sort_by_key(|(second, _)| *second);
    writer.lines.into_iter().map(|(_, line)| line).collect()
}

/// One call through one to three queues.
fn call(dice: &mut Dice, writer: &mut Writer, number: u64) {
    let call = format!("17.{number}");
    let mut second = 1_000 + dice.roll(3_000);
    let caller =
        ["5550100", "5550101", "anonymous", ""][usize::try_from(dice.roll(4)).unwrap_or(0)];
    for stay in 0..=dice.roll(3) {
        let queue = QUEUES[usize::try_from(dice.roll(3)).unwrap_or(0)];
        writer.write(second, &call, queue, "NONE", &format!("ENTERQUEUE||{caller}|1"));
        let entered = second;
        for _ in 0..dice.roll(3) {
            let ring = 1 + dice.roll(15);
            second += ring;
            let member = agent(dice);
            writer.write(second, &call, queue, &member, &format!("RINGNOANSWER|{}", ring * 1_000));
        }
        second += dice.roll(20);
        // The log's figures are its own: they may differ from its times by a second.
        let wait = second - entered + dice.roll(2);
        match dice.roll(10) {
            0 => return,
            1 | 2 => {
                writer.write(second, &call, queue, "NONE", &format!("ABANDON|1|1|{wait}"));
                return;
            }
            3 => writer.write(second, &call, queue, "NONE", &format!("EXITWITHTIMEOUT|1|1|{wait}")),
            4 => writer.write(second, &call, queue, "NONE", &format!("EXITWITHKEY|1|1|1|{wait}")),
            _ => {
                let member = agent(dice);
                let ring = dice.roll(5);
                let connect = format!("CONNECT|{wait}|17.{number}.{stay}|{ring}");
                writer.write(second, &call, queue, &member, &connect);
                second += 1 + dice.roll(300);
                let talk = dice.roll(300);
                let end = match dice.roll(8) {
                    0 => return,
                    1..=3 => format!("COMPLETEAGENT|{wait}|{talk}|1"),
                    4 => format!("BLINDTRANSFER|200|internal|{wait}|{talk}|1"),
                    5 => format!("ATTENDEDTRANSFER|BRIDGE|b-{number}|{wait}|{talk}|1"),
                    _ => format!("COMPLETECALLER|{wait}|{talk}|1"),
                };
                writer.write(second, &call, queue, &member, &end);
                if end.starts_with("COMPLETE") && dice.roll(4) > 0 {
                    return;
                }
            }
        }
        second += 1;
    }
}

/// What a queue's row and legs have to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) offered: i64,
    pub(crate) answered: i64,
    pub(crate) abandoned: i64,
    pub(crate) other: i64,
    pub(crate) open: i64,
    pub(crate) wait_answered_ms: i64,
    pub(crate) wait_abandoned_ms: i64,
    pub(crate) connected_ms: i64,
    pub(crate) ronas: i64,
    pub(crate) ringing_ms: i64,
}

/// Counts lines by queue; knows nothing but where the figures are.
pub(crate) fn totals<'l>(lines: impl IntoIterator<Item = &'l String>) -> BTreeMap<String, Totals> {
    let mut all: BTreeMap<String, Totals> = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split('|').collect();
        let [_, call, queue, _, event, data @ ..] = fields.as_slice() else { continue };
        if *call == "NONE" || *call == "late" {
            continue;
        }
        let figure = |from_end: usize| -> i64 {
            let index = data.len() - from_end;
            data.get(index).and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let of = all.entry((*queue).to_owned()).or_default();
        match *event {
            "ENTERQUEUE" => (of.offered, of.open) = (of.offered + 1, of.open + 1),
            "CONNECT" => {
                (of.answered, of.open) = (of.answered + 1, of.open - 1);
                of.wait_answered_ms += figure(3) * 1_000;
                of.ringing_ms += figure(1) * 1_000;
            }
            "ABANDON" => {
                (of.abandoned, of.open) = (of.abandoned + 1, of.open - 1);
                of.wait_abandoned_ms += figure(1) * 1_000;
            }
            "EXITWITHTIMEOUT" | "EXITWITHKEY" => {
                (of.other, of.open) = (of.other + 1, of.open - 1);
            }
            "RINGNOANSWER" => {
                of.ronas += 1;
                of.ringing_ms += figure(1);
            }
            "COMPLETEAGENT" | "COMPLETECALLER" | "BLINDTRANSFER" | "ATTENDEDTRANSFER" => {
                of.connected_ms += figure(2) * 1_000;
            }
            _ => {}
        }
    }
    all
}
