//! `entry_point_live`: what came through every entry point and is under way.

use std::sync::Arc;

use ledgerline_schemas::id::EntryPointId;

table! {
    /// The interactions under way that came through an entry point: counts of `interaction_live`. Each is in exactly one
    /// of in flow, waiting, connected, wrap-up and elsewhere. An entry point is here as soon as one came through it.
    EntryPointLive = "entry_point_live", key EntryPointId = [entry_point_id], sort [entry_point_id], live true;
    /// The entry point.
    @EntryPoint entry_point_id: EntryPointId,
    /// Its name.
    entry_point_name: Option<Arc<str>>,
    /// Interactions under way.
    interactions_now: i64,
    /// Of those, new or in a flow.
    in_flow_now: i64,
    /// Of those, waiting in a queue or being offered.
    waiting_now: i64,
    /// Of those, with an agent: connected, on hold, in a consult or conference.
    connected_now: i64,
    /// Of those, in wrap-up.
    wrapup_now: i64,
    /// Of those, anything else: after the conversation, in a survey.
    elsewhere_now: i64,
    /// Interactions created since the log began.
    created: i64,
}
