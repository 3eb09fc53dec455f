//! Room for a build.

use std::path::PathBuf;

use crate::run::{command, root, say};

/// What a build of everything with its tests takes in an empty target folder, GiB (measured: 8 without
/// increments, more with the lints), with room for what the tests write.
const WANTED_GIB: f64 = 16.0;

/// Says how much room there is for the target folder, and when it is little: a full disk shows itself as a
/// crash of the compiler. No error: a folder that is already built needs far less.
pub(crate) fn tell() {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let there = target.ancestors().find(|folder| folder.exists());
    let Some(free) = there.and_then(free_gib) else { return };
    say(&format!("── {free:.1} GiB free for {}", target.display()));
    if free < WANTED_GIB {
        say(&format!("── that is little: a build from nothing takes up to {WANTED_GIB:.0} GiB"));
    }
}

/// What `df` says is free, GiB.
fn free_gib(folder: &std::path::Path) -> Option<f64> {
    let output = command("df", &["-Pk"]).arg(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kib: f64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib / f64::from(1 << 20))
}
