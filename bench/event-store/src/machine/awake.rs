//! A processor that is kept awake. A virtual machine that idles takes milliseconds to wake up when the disk
//! answers; a loop of the lowest priority keeps it from idling, and then the disk itself is measured.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::outcome::Outcome;

/// Lowest priority.
const NICE: i32 = 19;

/// Keeps a processor awake while it lives: a process of its own, so that its time is nobody else's.
#[derive(Debug)]
pub(crate) struct Spinner(Child);

impl Spinner {
    pub(crate) fn start() -> Outcome<Self> {
        let program = std::env::current_exe()?;
        let child = Command::new(program)
            .arg("spin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // It ends by itself when its input does; this is quicker.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the process does: one busy loop, until its input ends.
pub(crate) fn spin() -> Outcome<()> {
    rustix::process::setpriority_process(None, NICE)?;
    let ended = Arc::new(AtomicBool::new(false));
    let watching = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        watching.store(true, Ordering::Relaxed);
    });
    // No pause instruction: a hypervisor takes the processor away for it.
    while !ended.load(Ordering::Relaxed) {
        std::hint::black_box(());
    }
    Ok(())
}
