//! Work on many things at once, on as many threads as there are cores.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does the work on every item and gives the outcomes in the order of the items. The calling thread takes
/// part: where no further thread can be had, it does everything.
pub(crate) fn each<I: Send, O: Send>(items: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let waiting = Mutex::new(items.into_iter().enumerate());
    let run = || {
        let mut done = Vec::new();
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, item)) = next else { return done };
            done.push((index, work(item)));
        }
    };
    let mut done = thread::scope(|scope| {
        let start = || thread::Builder::new().name("tables".to_owned()).spawn_scoped(scope, run);
        let others: Vec<_> = (1..workers).filter_map(|_| start().ok()).collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_outcomes_keep_their_order() {
        let calls = Mutex::new(Vec::new());
        for count in [0_usize, 1, 2, 100] {
            let outcomes = each((0..count).collect(), |item| {
                calls.lock().unwrap().push(item);
                item * 2
            });
            assert_eq!(outcomes, (0..count).map(|item| item * 2).collect::<Vec<_>>());
            let mut called = std::mem::take(&mut *calls.lock().unwrap());
            called.sort_unstable();
            assert_eq!(called, (0..count).collect::<Vec<_>>());
        }
    }
}
