//! Which rows are final: nothing the log can still say changes them.
//!
//! A row is final when what it tells of is over and no event touched it for a number of positions. An
//! event that comes later still is in `event_log` like any other, and changes no other table: whether it
//! does depends on positions alone, so that a rebuild gives the same rows.

use std::collections::BTreeSet;

use arrow::record_batch::RecordBatch;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::{AgentSessionId, InteractionId, LegId};

use crate::error::ProjectionError;
use crate::fold::Fold;
use crate::show::Schemas;
use crate::table::{Row, TableDef};
use crate::tables::{
    AgentActivity, AgentSession, CustomerActivity, CustomerSession, EventLog, QueueLeg,
    RoutingDecision, TableRow,
};

fn rows<T: TableRow>(rows: &[T]) -> (&'static TableDef, Vec<Row>) {
    (T::DEF, rows.iter().map(T::row).collect())
}

impl Fold {
    /// Interactions that are over in every respect and were not touched after `settled`.
    fn settled_interactions(&self, settled: Position) -> BTreeSet<InteractionId> {
        self.interactions
            .iter()
            .filter(|(id, interaction)| {
                let ended = self
                    .tables
                    .customer_session
                    .get(id)
                    .is_some_and(|row| !row.is_active && row.shaped_at() <= settled);
                let legs =
                    || interaction.legs.iter().filter_map(|id| self.tables.queue_leg.get(id));
                ended
                    && interaction.touched <= settled
                    && legs().all(|leg| leg.is_over() && leg.shaped_at() <= settled)
            })
            .map(|(id, _)| *id)
            .collect()
    }

    /// Takes out the rows that are final and were not touched after `settled`.
    pub(crate) fn evict_settled(
        &mut self,
        settled: Position,
    ) -> Vec<(&'static TableDef, Vec<Row>)> {
        let over = self.settled_interactions(settled);
        let mut legs: BTreeSet<LegId> = BTreeSet::new();
        for id in &over {
            legs.extend(self.interactions.remove(id).into_iter().flat_map(|it| it.legs));
        }
        let held: BTreeSet<AgentSessionId> = self.held_sessions().collect();
        let tables = &mut self.tables;
        let sessions: Vec<CustomerSession> =
            tables.customer_session.evict(|row| over.contains(&row.interaction_id));
        let activities: Vec<CustomerActivity> =
            tables.customer_activity.evict(|row| over.contains(&row.interaction_id));
        let legs: Vec<QueueLeg> = tables.queue_leg.evict(|row| legs.contains(&row.leg_id));
        let agent_sessions: Vec<AgentSession> = tables.agent_session.evict(|row| {
            !row.is_active && row.shaped_at() <= settled && !held.contains(&row.agent_session_id)
        });
        let agent_activities: Vec<AgentActivity> =
            tables.agent_activity.evict(|row| row.end_time.is_some() && row.shaped_at() <= settled);
        vec![
            rows(&sessions),
            rows(&activities),
            rows(&legs),
            rows(&agent_sessions),
            rows(&agent_activities),
        ]
    }

    /// Takes out the rows of the tables that are only ever appended to.
    pub(crate) fn evict_appended(
        &mut self,
        schemas: &Schemas,
    ) -> Result<Vec<(&'static TableDef, RecordBatch)>, ProjectionError> {
        let events = self.tables.event_log.evict(&schemas.of(EventLog::DEF))?;
        let decisions = self.tables.routing_decision.evict(&schemas.of(RoutingDecision::DEF))?;
        let events = events.map(|batch| (EventLog::DEF, batch));
        let decisions = decisions.map(|batch| (RoutingDecision::DEF, batch));
        Ok(events.into_iter().chain(decisions).collect())
    }

    /// Lays out all rows anew after loading.
    pub(crate) fn show_all(&mut self) {
        self.tables.agent_activity.show_all();
        self.tables.agent_live.show_all();
        self.tables.agent_session.show_all();
        self.tables.config_entity.show_all();
        self.tables.customer_activity.show_all();
        self.tables.customer_session.show_all();
        self.tables.queue_interval.show_all();
        self.tables.queue_leg.show_all();
        self.tables.queue_live.show_all();
    }
}
