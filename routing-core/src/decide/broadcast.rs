//! What supervisors tell agents.

use ledgerline_schemas::event::broadcast::{Audience, BroadcastSent};
use ledgerline_schemas::id::TeamId;
use ledgerline_schemas::limits::{BROADCAST_CHARS_MAX, BROADCAST_TTL_MS_MAX, BROADCAST_TTL_MS_MIN};
use ledgerline_schemas::{DurationMs, StreamId};

use super::Decision;
use crate::rejection::{Rejection, RejectionCode};

fn invalid(message: String) -> Rejection {
    Rejection::new(RejectionCode::Invalid, message)
}

impl Decision<'_> {
    /// Records the message with the teams that its audience means now: who serves a queue later was not meant.
    pub(super) fn broadcast(
        &mut self,
        audience: Audience,
        text: &str,
        ttl_ms: DurationMs,
    ) -> Result<(), Rejection> {
        if text.trim().is_empty() || text.chars().count() > BROADCAST_CHARS_MAX {
            return Err(invalid(format!(
                "text: has to have 1 to {BROADCAST_CHARS_MAX} characters"
            )));
        }
        if !(BROADCAST_TTL_MS_MIN..=BROADCAST_TTL_MS_MAX).contains(&ttl_ms) {
            let range = format!("{BROADCAST_TTL_MS_MIN} to {BROADCAST_TTL_MS_MAX}");
            return Err(invalid(format!("ttl_ms: has to be {range}")));
        }
        let event = BroadcastSent {
            broadcast_id: self.new_id("broadcast"),
            audience,
            team_ids: self.teams_of(audience)?,
            by: self.requester(),
            text: text.to_owned(),
            expires_at: self.now.plus_ms(ttl_ms),
        };
        self.record(StreamId::broadcasts(), None, None, event.into());
        Ok(())
    }

    fn teams_of(&self, audience: Audience) -> Result<Vec<TeamId>, Rejection> {
        let config = &self.state.config;
        match audience {
            Audience::All => Ok(Vec::new()),
            Audience::Team(id) if config.team(id).is_some() => Ok(vec![id]),
            Audience::Team(id) => Err(invalid(format!("team_id: no team {id}"))),
            Audience::Queue(id) if config.queue(id).is_some() => {
                Ok(config.searched_teams(id, u32::MAX).into_keys().collect())
            }
            Audience::Queue(id) => Err(invalid(format!("queue_id: no queue {id}"))),
        }
    }
}
