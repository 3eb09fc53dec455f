//! Subscribers of live tables: how many, how fresh, at what cost.
//!
//! Two processes, each on a core of its own: one is the server (log on disk, folds, hub, WebSockets), the other
//! all its subscribers. Times are those of the machine's clock, which both read.

pub mod load;
pub mod naive;
pub mod report;
pub mod server;
pub mod settings;
pub mod watchers;

use std::time::{SystemTime, UNIX_EPOCH};

/// Why a measurement cannot be made.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The clock of the machine, microseconds since 1970.
#[must_use]
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Keeps this thread, and those it starts, on one core.
///
/// # Errors
/// When the machine has no such core, or does not let us.
pub fn pin(core: usize) -> Result<(), Failure> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set)
        .map_err(|error| format!("core {core} cannot be had: {error}").into())
}

/// Lets this process have a file for every subscriber.
///
/// # Errors
/// When the system allows fewer.
pub fn raise_files(wanted: u64) -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_none_or(|it| it >= wanted) {
        return Ok(());
    }
    let maximum = limits.maximum.map(|it| it.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        .or_else(|_| {
            setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, maximum: limits.maximum })
        })
        .map_err(|error| format!("{wanted} open files cannot be had: {error}"))?;
    match getrlimit(Resource::Nofile).current {
        Some(current) if current < wanted => {
            Err(format!("{wanted} open files are needed, the system allows {current}").into())
        }
        _ => Ok(()),
    }
}
