//! Sends events to the receiver at a URL as a subscription does, signed with two keys: for receivers that verify them
//! with libraries of other languages (`cargo xtask webhook-clients`).
//!
//! The receiver refuses the first attempt at each, so that all of them are sent twice.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "shares the world of the tests, and stops where it cannot go on"
)]

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_schemas::Timestamp;

#[path = "../tests/webhooks/world.rs"]
mod world;

use world::World;

const EVENTS: u128 = 24;

fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| panic!("the receiver's URL"));
    let parsed = reqwest::Url::parse(&url).unwrap();
    let host = format!("{}:{}", parsed.host_str().unwrap(), parsed.port().unwrap());
    let world = World::to(&url, host);
    // The libraries refuse what is older or newer than five minutes, so retries happen at once.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    world.set(Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap()));
    let mut document = world::document(&url);
    document["secrets"] = vec!["old", "new"].into();
    world.configure(document);
    for n in 0..EVENTS {
        world.happens(n % 4, &format!("número {n} ✓"));
    }
    let done = world::runtime().block_on(async {
        let webhooks = world.webhooks().await;
        for _ in 0..EVENTS {
            webhooks.step().await.unwrap();
            // 5 s, a tenth more or less.
            world.pass_ms(6_000);
        }
        let status = world.status(&webhooks).await;
        let reason = status.failing.first().map(|it| it.reason.clone()).unwrap_or_default();
        (status.open_events, status.lag_events, reason)
    });
    println!("open, lag, reason: {done:?}");
    if done == (0, 0, String::new()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
