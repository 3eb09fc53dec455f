//! Broadcasts that are still shown. They are read from the log, so neither a lost socket nor a restart loses one.

use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_event_store::log::Direction;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::broadcast::BroadcastSent;
use ledgerline_schemas::id::{BroadcastId, TeamId, UserId};
use ledgerline_schemas::limits::BROADCAST_TTL_MS_MAX;
use ledgerline_schemas::{StreamId, Timestamp, Version};
use serde::Serialize;

use crate::http::doors::Organization;
use crate::http::problem::Problem;

/// Events read at a time.
const PAGE_EVENTS: usize = 50;
/// Broadcasts in one state frame; of more, the newest.
pub(super) const SHOWN_MAX: usize = 50;

/// A broadcast as a desktop reads it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notice {
    broadcast_id: BroadcastId,
    text: String,
    /// The supervisor, where the token stands for a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_user_id: Option<UserId>,
    expires_at: Timestamp,
}

impl From<&BroadcastSent> for Notice {
    fn from(it: &BroadcastSent) -> Self {
        Self {
            broadcast_id: it.broadcast_id,
            text: it.text.clone(),
            from_user_id: it.by,
            expires_at: it.expires_at,
        }
    }
}

/// The instant by which broadcasts expire at desktops.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// What those who work in this team are shown, oldest first. Reads back as far as a broadcast can reach.
///
/// # Errors
/// What the log says.
pub(super) fn shown(
    organization: &Organization,
    team_id: TeamId,
    now: Timestamp,
) -> Result<Vec<Notice>, Problem> {
    let reader = &organization.reader;
    let stream = StreamId::broadcasts();
    let begins = now.minus_ms(BROADCAST_TTL_MS_MAX);
    let mut from = reader.stream_head(&stream).map_err(|error| Problem::internal(&error))?;
    let mut notices = Vec::new();
    while let Some(version) = from {
        let page = reader
            .read_stream(&stream, version, Direction::Backward, PAGE_EVENTS)
            .map_err(|error| Problem::internal(&error))?;
        for recorded in page.iter().filter(|it| it.header.time > begins) {
            if let Ok(Event::BroadcastSent(it)) = recorded.decode()
                && it.expires_at > now
                && it.is_for(team_id)
            {
                notices.push(Notice::from(&it));
            }
        }
        let last = page.last().filter(|last| last.header.time > begins);
        let next = last.and_then(|last| last.header.version.0.checked_sub(1));
        from = next.map(Version).filter(|_| notices.len() < SHOWN_MAX);
    }
    notices.truncate(SHOWN_MAX);
    notices.reverse();
    Ok(notices)
}
