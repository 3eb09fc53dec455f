//! Configuration under a user profile: the whole of it, or none.
//!
//! Here entities are read and written as they are, with no rows left out. So a profile opens this door only if it
//! opens the module and grants every place. The tables of configuration show the granted part.
//!
//! Schedules of reports and subscriptions of webhooks carry what happens out of the house, by themselves: whoever writes
//! one must be let see it.

use ledgerline_access::Action;
use ledgerline_schemas::config::{EntityKind, Module, UserProfile};

use crate::http::Caller;
use crate::http::problem::Problem;
use crate::http::profiles::profiles;

/// Refuses what the policy or a user profile does not allow.
///
/// # Errors
/// 403, naming the action or the profile.
pub(super) async fn require(caller: &Caller, action: Action) -> Result<(), Problem> {
    check(caller, action, &[Module::Configuration]).await
}

/// The same for changes of entities of a kind.
///
/// # Errors
/// As [`require`].
pub(super) async fn require_write(caller: &Caller, kind: EntityKind) -> Result<(), Problem> {
    const SCHEDULES: [Module; 3] = [Module::Configuration, Module::Analyzer, Module::Live];
    let modules = match kind {
        EntityKind::ReportSchedule | EntityKind::WebhookSubscription => &SCHEDULES[..],
        _ => &[Module::Configuration],
    };
    check(caller, Action::ConfigWrite, modules).await
}

async fn check(caller: &Caller, action: Action, modules: &[Module]) -> Result<(), Problem> {
    caller.require(action)?;
    for profile in profiles(caller).await? {
        let what = match modules.iter().find(|module| !profile.modules.includes(**module)) {
            _ if !grants_all(&profile) => "the configuration as a whole",
            None => continue,
            Some(Module::Configuration) => "the configuration as a whole",
            Some(_) => "the tables that reports are made of",
        };
        let name = &profile.name;
        return Err(Problem::forbidden(format!("the user profile {name:?} does not open {what}")));
    }
    Ok(())
}

fn grants_all(profile: &UserProfile) -> bool {
    profile.active
        && profile.masked_columns.is_empty()
        && profile.sites.is_all()
        && profile.teams.is_all()
        && profile.queues.is_all()
        && profile.entry_points.is_all()
}
