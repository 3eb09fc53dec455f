//! Invented call records in the form of the Anonymous Bank.

use std::fmt::{Error, Write as _};

const HEADER: &str = "vru+line\tcall_id\tcustomer_id\tpriority\ttype\tdate\tvru_entry\tvru_exit\t\
    vru_time\tq_start\tq_exit\tq_time\toutcome\tser_start\tser_exit\tser_time\tserver\n";
/// Calls of a day: one every 80 seconds.
const DAY: u32 = 1_080;
/// Days of a month; later calls are of the months after it.
const MONTH: u32 = 28;

/// So many calls, one every 80 seconds: half of them wait, one in ten abandons.
///
/// # Errors
/// None: writing to a string cannot fail.
pub fn invented(calls: u32) -> Result<String, Error> {
    let mut text = String::from(HEADER);
    for call in 0..calls {
        let (day, at) = (call / DAY, call % DAY * 40);
        let date = format!("{:04}{:02}", day / MONTH % 12 + 1, day % MONTH + 1);
        let (queued, wait) = if call % 2 == 0 { (at + 10, 60) } else { (0, 0) };
        let began = at + 10 + wait;
        let (outcome, from, to, service, agent) = if call % 10 == 0 {
            ("HANG", 0, 0, 0, "NO_SERVER".to_owned())
        } else {
            ("AGENT", began, began + 180, 180, format!("INVENTED{}", call % 30))
        };
        let [entry, exit, queued, left, from, to] =
            [at, at + 10, queued, queued + wait, from, to].map(clock);
        writeln!(
            text,
            "AA01{:02}\t{call}\t{}\t{}\tPS\t{date}\t{entry}\t{exit}\t10\t{queued}\t{left}\t\
             {wait}\t{outcome}\t{from}\t{to}\t{service}\t{agent}",
            call % 16,
            100_000 + call % 5_000,
            call % 3,
        )?;
    }
    Ok(text)
}

fn clock(second: u32) -> String {
    format!("{}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}
