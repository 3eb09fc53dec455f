//! The log's contract as a suite that runs: whatever is under the log, [`run`] says whether it keeps it.
//!
//! The suite uses only [`EventWriter`] and [`EventReader`](crate::EventReader). [`carrier::run`] is the same for what carries a
//! mirror. Both report instead of panicking, so that a program can run them against a server.
//!
//! ```
//! # use std::sync::Arc;
//! use ledgerline_event_store::conformance::{self, Log, Subject};
//! use ledgerline_event_store::memory::MemoryLog;
//! use ledgerline_schemas::{Timestamp, id::OrgId};
//!
//! #[derive(Debug)]
//! struct Memory;
//!
//! #[async_trait::async_trait]
//! impl Subject for Memory {
//!     fn name(&self) -> String {
//!         "memory".to_owned()
//!     }
//!     async fn fresh(&mut self) -> Result<Log, String> {
//!         Ok(Arc::new(MemoryLog::new(OrgId::from_u128(1), || Timestamp::from_micros(5))))
//!     }
//!     async fn reopen(&mut self) -> Result<Option<Log>, String> {
//!         Ok(None)
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let report = conformance::run(&mut Memory).await;
//! assert!(report.is_passed(), "{report}");
//! # });
//! ```

mod appending;
pub mod carrier;
mod concurrency;
mod keeping;
mod reading;
mod sample;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::log::EventWriter;

/// A log under test.
pub type Log = Arc<dyn EventWriter>;

/// What is tested: something that can make logs. The suite drops every handle of a log before it asks for the
/// next one.
#[async_trait]
pub trait Subject: Send {
    /// Its name in the report.
    fn name(&self) -> String;

    /// A log without events.
    ///
    /// # Errors
    /// Why there is none; the case fails then.
    async fn fresh(&mut self) -> Result<Log, String>;

    /// The last log, opened again; `None` when it does not outlive its handles.
    ///
    /// # Errors
    /// Why it does not open; the case fails then.
    async fn reopen(&mut self) -> Result<Option<Log>, String>;
}

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As the contract says.
    Passed,
    /// It does not apply.
    Skipped(&'static str),
    /// Otherwise; in words.
    Failed(String),
}

/// How a suite ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was tested.
    pub name: String,
    /// Cases in the order they ran.
    pub cases: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// Whether no case failed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        !self.cases.is_empty()
            && !self.cases.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, outcome) in &self.cases {
            match outcome {
                Outcome::Passed => writeln!(f, "{}: {case}: passed", self.name)?,
                Outcome::Skipped(why) => writeln!(f, "{}: {case}: skipped, {why}", self.name)?,
                Outcome::Failed(what) => writeln!(f, "{}: {case}: FAILED, {what}", self.name)?,
            }
        }
        Ok(())
    }
}

/// What a case says: `Err` in words.
pub(crate) type Verdict = Result<(), String>;

type Case = for<'a> fn(&'a mut dyn Subject) -> BoxFuture<'a, Result<Outcome, String>>;

/// Fails a case with words.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}
pub(crate) use ensure;

/// A case over one fresh log.
macro_rules! fresh {
    ($case:path) => {
        |subject| {
            Box::pin(async move {
                let log = subject.fresh().await?;
                $case(&log).await?;
                Ok(Outcome::Passed)
            })
        }
    };
}

/// Runs every case.
pub async fn run(subject: &mut dyn Subject) -> Report {
    let cases: [(&'static str, Case); 15] = [
        ("capabilities", fresh!(keeping::capabilities)),
        ("positions and versions", fresh!(appending::positions_and_versions)),
        ("expected versions", fresh!(appending::expected_versions)),
        ("repeated ids", fresh!(appending::repeated_ids)),
        ("all or nothing", fresh!(appending::all_or_nothing)),
        ("limits", fresh!(appending::limits)),
        ("long appends", fresh!(appending::long_appends)),
        ("everything is kept", fresh!(reading::everything_is_kept)),
        ("reading streams", fresh!(reading::streams)),
        ("reading all", fresh!(reading::all)),
        ("filters", fresh!(reading::filters)),
        ("subscriptions have no gap", fresh!(concurrency::subscriptions_have_no_gap)),
        ("one writer wins each version", fresh!(concurrency::one_writer_wins_each_version)),
        ("like the model", fresh!(concurrency::like_the_model)),
        ("reopening", |subject| Box::pin(keeping::reopening(subject))),
    ];
    let mut report = Report { name: subject.name(), cases: Vec::new() };
    for (name, case) in cases {
        let outcome = case(subject).await.unwrap_or_else(Outcome::Failed);
        report.cases.push((name, outcome));
    }
    report
}
