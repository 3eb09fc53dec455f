//! Imports the queue log of Asterisk (`app_queue`): a log of events already, one line each.
//!
//! A line becomes the events of our vocabulary that it stands for, at the time it says. What the vocabulary
//! has no event for (who is a member of which queue, penalties, restarts) is kept as `external.event` in a
//! stream of its own. Format: <https://docs.asterisk.org/Operation/Logging/Queue-Logs/>.
//!
//! **Invariants**
//!
//! * A line is one append, in the order of the lines: what is on the log is always a beginning of the files.
//! * A line is known again by a keyed hash of its bytes. The state that lines are read against follows from
//!   the events of earlier lines alone, so an import goes on where an earlier one stopped, in the middle of
//!   a file or at its end.
//! * `lines = mapped + information + rejected`: no line is dropped in silence.
//! * Waits, conversations and ring times are the recorded ones. No end is invented unless it is asked for.

mod decide;
mod files;
mod line;
mod mapping;
mod note;
mod quirk;
mod recover;
mod report;
mod roster;
mod run;
mod state;
mod verb;

pub use mapping::QueueLogMapping;
pub use quirk::{QueueLogQuirk, QueueLogQuirkCounts};
pub use report::{FileReport, LineCounts, OpenInteractions, QueueLogReport};
pub use run::queue_logs;
