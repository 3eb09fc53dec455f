//! Writes a golden log for a *new* version of the vocabulary; never touches an existing one.
//!
//! `LEDGERLINE_GOLDEN=golden/v2.tsv cargo test -p ledgerline-schemas --test golden_writer`

mod support;

use std::fmt::Write as _;
use std::path::Path;

use ledgerline_schemas::event::all_types;
use support::Random;

#[test]
fn writes_a_new_golden_log_when_asked() {
    let mut text = String::new();
    for (index, event_type) in all_types().into_iter().enumerate() {
        for seed in 0..3 {
            let event = Random::new(index as u64 * 1_000 + seed).event(event_type);
            let hex = event.encode().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            let _ = writeln!(text, "{event_type}\t{hex}\t{}", event.to_json());
        }
    }
    assert!(text.lines().all(|line| line.split('\t').count() == 3));
    let Ok(name) = std::env::var("LEDGERLINE_GOLDEN") else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    assert!(!path.exists(), "a released golden log is never written again");
    std::fs::write(path, text).expect("writable");
}
