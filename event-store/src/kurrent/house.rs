//! What the house does with what comes through the door: notes who reads, and keeps out what must not be stored.

use std::fmt;

use futures::future::BoxFuture;
use ledgerline_schemas::StreamId;

use super::authorizer::Caller;

/// How events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadingKind {
    /// Once, to an end.
    Read,
    /// What is there and what comes.
    Subscription,
    /// As a consumer of a group.
    Group,
}

/// What a caller begins to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How.
    pub kind: ReadingKind,
    /// The stream; `None`: everything.
    pub stream: Option<StreamId>,
    /// The group of a consumer; empty otherwise.
    pub group: String,
    /// `start`, `end`, or the revision or position asked for; empty for a group.
    pub from: String,
    /// Towards older events.
    pub backward: bool,
    /// Most events asked for.
    pub events_max: Option<u64>,
}

/// The rules of the house.
pub trait House: Send + Sync + fmt::Debug + 'static {
    /// Notes that a caller begins to read, once for each call. Nothing is sent before it is noted, and
    /// nothing at all when it cannot be.
    fn reads(&self, caller: &Caller, reading: Reading) -> BoxFuture<'_, Result<(), String>>;

    /// A text without what must not be stored. What has nothing of it comes back as it is.
    fn clean(&self, text: String) -> String;
}

/// A house without rules, for tests and measurements: nothing is noted, nothing is kept out.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRules;

impl House for NoRules {
    fn reads(&self, _: &Caller, _: Reading) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn clean(&self, text: String) -> String {
        text
    }
}
