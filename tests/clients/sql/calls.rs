//! The history that PostgreSQL clients are asked about: a queue log made up here. `cargo xtask clients` imports it
//! for them, and the test that sends their transcripts again imports the same.

use std::fmt::Write as _;

/// Calls of the queue log; each is one row of `queue_leg`.
pub(super) const CALLS: u64 = 1_200;
/// When its first call came.
const FIRST_SECOND: u64 = 1_767_225_600;

/// Calls of three queues: most are answered, some are abandoned, some wait to this day.
pub(super) fn queue_log() -> String {
    let mut lines = Vec::new();
    for call in 0..CALLS {
        let (begun, wait) = (FIRST_SECOND + call * 97, call * 31 % 90);
        let queue = ["sales", "support", "care"][usize::try_from(call % 3).unwrap_or(0)];
        let agent = format!("SIP/{}", 100 + call % 7);
        let mut line = |second: u64, agent: &str, rest: &str| {
            lines.push((second, format!("{second}|{FIRST_SECOND}.{call}|{queue}|{agent}|{rest}")));
        };
        line(begun, "NONE", &format!("ENTERQUEUE||555{call:04}|1"));
        match call % 10 {
            3 | 7 => line(begun + wait, "NONE", &format!("ABANDON|1|1|{wait}")),
            9 if call > CALLS - 200 => {}
            _ => {
                let talk = 20 + call * 53 % 600;
                line(begun + wait, &agent, &format!("CONNECT|{wait}|{call}.2|{}", wait.min(4)));
                line(begun + wait + talk, &agent, &format!("COMPLETECALLER|{wait}|{talk}|1"));
            }
        }
    }
    lines.sort_by_key(|(second, _)| *second);
    lines.into_iter().fold(String::new(), |mut text, (_, line)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
        text
    })
}
