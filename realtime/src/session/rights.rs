//! What a session's principal sees, and what becomes of its subscriptions when that changes.

use ledgerline_projections::Rights;

use super::{Refusal, Session, Subscription};
use crate::frame::{ErrorCode, Frame, ResyncReason};

impl Session {
    /// What the principal sees now.
    pub(super) fn rights(&self) -> Result<Rights, Refusal> {
        let rights = self.organization.hub.rights(&self.principal);
        rights.map_err(|nothing| Refusal::Error(ErrorCode::Forbidden, nothing.to_string()))
    }

    /// Ends the subscriptions whose rights are not those of now; called when something changed that rights follow
    /// from.
    pub(super) fn check_rights(&mut self) {
        let now = self.organization.hub.rights(&self.principal).ok();
        let is_other = |subscription: &Subscription| match subscription {
            Subscription::Live(live) => now.as_ref() != Some(live.rights()),
            Subscription::Events(_) => !now.as_ref().is_some_and(Rights::sees_log),
        };
        let subscriptions = self.subscriptions.iter();
        let ended: Vec<String> =
            subscriptions.filter(|(_, it)| is_other(it)).map(|(id, _)| id.clone()).collect();
        for id in ended {
            self.remove(&id);
            self.reply(&Frame::Resync { id: (&*id).into(), reason: ResyncReason::PolicyChanged });
        }
    }
}
