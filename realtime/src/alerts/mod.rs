//! Alerts: rules over live figures, watched on the change feed.
//!
//! [`evaluator::Evaluator`] decides, [`driver::evaluate`] drives it. That an alert fired or cleared is a fact on the
//! log, put there through the port [`AlertRecorder`]; the table `alerts` shows what is open, and after a restart the
//! evaluator takes it from there.

pub mod driver;
pub mod evaluator;
pub mod figure;

mod open;
mod rule;
mod rules;

pub use driver::{AlertRecorder, Clock, evaluate};
pub use evaluator::{AlertFact, Evaluator};
pub use rules::AlertRules;
