//! Reports that run by themselves: when they are due, what has become of them, and the channels that carry them out.
//!
//! What is due and what was delivered follows from the log alone: schedules are configuration, each run and each
//! delivery is an event ([`ledger`]). [`Scheduler`] reads them, runs what is due through a [`ReportRunner`] and hands
//! it to a [`Courier`], which [`Channels`] is.
//!
//! Invariants:
//! * a run is on the log before anything of it is delivered, and what is delivered later is the report of that
//!   position;
//! * at least once: a delivery is over when its event says so, and until then a restart goes on with it, under the
//!   same id;
//! * what has an event that says it is over is never delivered again;
//! * neither secrets nor addresses of people are in a document, an event or a log line.

pub mod channels;
pub mod clock;
pub mod due;
pub mod file;
pub mod ledger;
pub mod mail;
pub mod parcel;
pub mod ports;
pub mod scheduler;
pub mod status;
pub mod webhook;

mod retry;
mod smtp;

pub use channels::Channels;
pub use clock::{Clock, SystemClock};
pub use ledger::{Ledger, principal};
pub use parcel::{Artifact, Parcel};
pub use ports::{
    Courier, Handing, Order, Recording, ReportRecorder, ReportRunner, RunFailure, Running,
};
pub use retry::Retry;
pub use scheduler::{Scheduler, SchedulerError};
pub use status::{Asked, ScheduleStatus};
