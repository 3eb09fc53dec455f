//! What the server sends. Server, clients and the published documents have the frames from here.

use std::borrow::Cow;
use std::time::Instant;

use ledgerline_projections::TableDef;
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::row_arrow::RowsArrow;
use crate::row_json::RowsJson;

/// Why a subscriber must drop its rows and subscribe again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// The tables were built anew.
    Epoch,
    /// The changes since then are no longer retained.
    Retention,
    /// The client did not take its frames in time.
    Slow,
    /// What the principal may see has changed.
    PolicyChanged,
}

/// What kind of mistake an error frame speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not what the protocol says.
    BadRequest,
    /// There is no such dataset.
    UnknownDataset,
    /// There is no such subscription.
    UnknownSubscription,
    /// The principal may not do this.
    Forbidden,
    /// The token is not accepted.
    Unauthorized,
    /// A limit is passed.
    TooLarge,
    /// Reading failed here.
    Unavailable,
}

/// A dataset on offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offer<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Grain and content.
    pub doc: Cow<'a, str>,
    /// Names of the key columns.
    pub key: Vec<Cow<'a, str>>,
    /// Names of the columns; none with `events`.
    pub columns: Vec<Cow<'a, str>>,
}

impl<'a> Offer<'a> {
    pub(crate) fn of(table: &'a TableDef) -> Self {
        Self {
            name: table.name.into(),
            doc: table.doc.into(),
            key: names(table.key),
            columns: table.columns.iter().map(|column| column.name.into()).collect(),
        }
    }
}

/// Names as a frame has them.
pub(crate) fn names<'a>(names: &[&'a str]) -> Vec<Cow<'a, str>> {
    names.iter().map(|name| (*name).into()).collect()
}

/// A row as clients get it: values by column name.
pub type RowObject = serde_json::Map<String, serde_json::Value>;

/// A frame as clients read it.
pub type ServerFrame = Frame<'static, Vec<RowObject>>;

/// A frame of the server. The server writes its tables' rows as `R`, clients read them as `R`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame<'a, R> {
    /// The connection is open; what there is to subscribe to.
    Ready {
        /// The organization of the token.
        org_id: OrgId,
        /// What its principal may subscribe to.
        datasets: Vec<Offer<'a>>,
    },
    /// A snapshot follows: drop the rows you have.
    SnapshotBegin {
        /// The subscription.
        id: Cow<'a, str>,
        /// What was subscribed to.
        dataset: Cow<'a, str>,
        /// Names of the key columns.
        key: Vec<Cow<'a, str>>,
        /// Changes whenever the tables are built anew. Text, because a program that reads JSON numbers as
        /// floats would round it.
        epoch: Cow<'a, str>,
        /// The position of the snapshot.
        position: Position,
    },
    /// Rows of the snapshot.
    Rows {
        /// The subscription.
        id: Cow<'a, str>,
        /// The rows.
        rows: R,
    },
    /// The snapshot is whole.
    SnapshotEnd {
        /// The subscription.
        id: Cow<'a, str>,
        /// The rows are those at this position.
        position: Position,
        /// Resumes from here.
        token: Cow<'a, str>,
    },
    /// Changes of rows, the last one of each key.
    Delta {
        /// The subscription.
        id: Cow<'a, str>,
        /// Where the frame before ended.
        from: Position,
        /// The rows are now those at this position.
        to: Position,
        /// Whole rows, new or changed.
        upserts: R,
        /// Keys of rows that are gone.
        deletes: R,
        /// Resumes from here.
        token: Cow<'a, str>,
    },
    /// Events in order, none left out that the filter lets through.
    Events {
        /// The subscription.
        id: Cow<'a, str>,
        /// Where the frame before ended.
        from: Position,
        /// Every event up to here was looked at.
        to: Position,
        /// The events with their envelope.
        events: Vec<serde_json::Value>,
        /// Resumes from here.
        token: Cow<'a, str>,
    },
    /// Nothing else changed up to a position.
    Progress {
        /// The subscription.
        id: Cow<'a, str>,
        /// The position.
        position: Position,
        /// The server's time.
        time: Timestamp,
        /// Resumes from here.
        token: Cow<'a, str>,
    },
    /// The subscription has ended: drop its rows and subscribe again.
    Resync {
        /// The subscription.
        id: Cow<'a, str>,
        /// Why.
        reason: ResyncReason,
    },
    /// Answers `unsubscribe`.
    Unsubscribed {
        /// The subscription.
        id: Cow<'a, str>,
    },
    /// Answers `ping`.
    Pong {
        /// The server's time.
        time: Timestamp,
    },
    /// A mistake; the connection goes on.
    Error {
        /// The subscription it speaks of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        /// What kind of mistake.
        code: ErrorCode,
        /// What is wrong, naming the field.
        message: Cow<'a, str>,
    },
}

impl<R> Frame<'_, R> {
    /// Its `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::SnapshotBegin { .. } => "snapshot_begin",
            Self::Rows { .. } => "rows",
            Self::SnapshotEnd { .. } => "snapshot_end",
            Self::Delta { .. } => "delta",
            Self::Events { .. } => "events",
            Self::Progress { .. } => "progress",
            Self::Resync { .. } => "resync",
            Self::Unsubscribed { .. } => "unsubscribed",
            Self::Pong { .. } => "pong",
            Self::Error { .. } => "error",
        }
    }

    /// The subscription it speaks of.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::SnapshotBegin { id, .. }
            | Self::Rows { id, .. }
            | Self::SnapshotEnd { id, .. }
            | Self::Delta { id, .. }
            | Self::Events { id, .. }
            | Self::Progress { id, .. }
            | Self::Resync { id, .. }
            | Self::Unsubscribed { id } => Some(id),
            Self::Error { id, .. } => id.as_deref(),
            Self::Ready { .. } | Self::Pong { .. } => None,
        }
    }

    /// Its resume token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::SnapshotEnd { token, .. }
            | Self::Delta { token, .. }
            | Self::Events { token, .. }
            | Self::Progress { token, .. } => Some(token),
            _ => None,
        }
    }
}

impl Frame<'_, RowsJson<'_>> {
    /// Encodes the frame.
    pub(crate) fn encode(&self) -> Outgoing {
        // Only maps with keys that are not text can fail, and there are none.
        let text = serde_json::to_string(self).unwrap_or_default();
        let token = self.token().map(str::to_owned);
        Outgoing { kind: self.kind(), text, arrow: None, token, pushed: None }
    }
}

impl Frame<'_, ()> {
    /// Encodes the frame, with its rows as an Arrow stream. `None` when that cannot be.
    pub(crate) fn encode_with(&self, rows: &RowsArrow<'_>) -> Option<Outgoing> {
        let text = serde_json::to_string(self).unwrap_or_default();
        match rows.encode(&text) {
            Ok(arrow) => {
                let token = self.token().map(str::to_owned);
                let (kind, arrow) = (self.kind(), Some(arrow));
                Some(Outgoing { kind, text, arrow, token, pushed: None })
            }
            Err(error) => {
                tracing::error!(%error, "rows cannot be written as Arrow");
                None
            }
        }
    }
}

/// An encoded frame.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its `type`.
    pub kind: &'static str,
    /// JSON.
    pub text: String,
    /// An Arrow IPC stream with the rows that are not in `text` then; it has `text` in it.
    pub arrow: Option<Vec<u8>>,
    /// Its resume token, the event id of server-sent events.
    pub token: Option<String>,
    /// When the oldest change in it came in.
    pub pushed: Option<Instant>,
}
