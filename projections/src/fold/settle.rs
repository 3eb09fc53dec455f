//! Which rows are final: nothing the log can still say changes them.
//!
//! A row is final when what it tells of is over and no event touched it for a number of positions. An
//! event that comes later still is in `event_log` like any other, and changes no other table: whether it
//! does depends on positions alone, so that a rebuild gives the same rows.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::{AgentSessionId, InteractionId, LegId};

use crate::cold;
use crate::error::ProjectionError;
use crate::fold::Fold;
use crate::hot::Appended;
use crate::show::Schemas;
use crate::table::TableDef;
use crate::tables::TableRow;

type MakeBatch = dyn FnOnce(&SchemaRef) -> Result<RecordBatch, ProjectionError> + Send;

/// Final rows of a table, not yet a batch: making one is work that can be done elsewhere.
pub(crate) struct Final {
    pub(crate) def: &'static TableDef,
    pub(crate) batch: Box<MakeBatch>,
}

impl Final {
    /// These rows, to be sorted; none if there are no rows.
    fn sorted<T: TableRow + Send + 'static>(rows: Vec<T>) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        Some(Self { def: T::DEF, batch: Box::new(move |schema| cold::sorted(schema, &rows)) })
    }

    /// A batch whose rows are in order.
    fn ready(def: &'static TableDef, batch: RecordBatch) -> Self {
        Self { def, batch: Box::new(|_| Ok(batch)) }
    }
}

impl Fold {
    /// Interactions that are over in every respect and were not touched after `settled`.
    fn settled_interactions(&self, settled: Position) -> BTreeSet<InteractionId> {
        self.interactions
            .in_order()
            .into_iter()
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
    pub(crate) fn evict_settled(&mut self, settled: Position) -> Vec<Final> {
        let over = self.settled_interactions(settled);
        let mut legs: BTreeSet<LegId> = BTreeSet::new();
        for id in &over {
            legs.extend(self.interactions.remove(id).into_iter().flat_map(|it| it.legs));
        }
        let held: BTreeSet<AgentSessionId> = self.held_sessions().collect();
        let agent_intervals = self.evict_agent_intervals(settled);
        let queue_intervals = self.evict_queue_intervals(settled, &legs);
        let entry_point_intervals = self.evict_entry_point_intervals(settled);
        let campaign_contacts = self.evict_campaign_contacts(settled);
        let is_over = |id: &InteractionId| over.contains(id);
        let tables = &mut self.tables;
        [
            // With their interaction.
            Final::sorted(tables.customer_session.evict(|row| is_over(&row.interaction_id))),
            Final::sorted(tables.customer_activity.evict(|row| is_over(&row.interaction_id))),
            Final::sorted(tables.queue_leg.evict(|row| legs.contains(&row.leg_id))),
            Final::sorted(tables.offer.evict(|row| is_over(&row.interaction_id))),
            Final::sorted(tables.flow_trace.evict(|row| is_over(&row.interaction_id))),
            Final::sorted(tables.message.evict(|row| is_over(&row.interaction_id))),
            Final::sorted(tables.recording.evict(|row| is_over(&row.interaction_id))),
            Final::sorted(tables.feedback.evict(|row| is_over(&row.interaction_id))),
            // By themselves.
            Final::sorted(tables.agent_session.evict(|row| {
                !row.is_active
                    && row.shaped_at() <= settled
                    && !held.contains(&row.agent_session_id)
            })),
            Final::sorted(
                tables
                    .agent_activity
                    .evict(|row| row.end_time.is_some() && row.shaped_at() <= settled),
            ),
            Final::sorted(agent_intervals),
            Final::sorted(queue_intervals),
            Final::sorted(entry_point_intervals),
            Final::sorted(campaign_contacts),
            Final::sorted(
                tables.callback.evict(|row| row.ended_time.is_some() && row.shaped_at() <= settled),
            ),
            Final::sorted(
                tables
                    .monitor_session
                    .evict(|row| row.ended_time.is_some() && row.shaped_at() <= settled),
            ),
            Final::sorted(
                tables
                    .config_history
                    .evict(|row| row.to_position.is_some() && row.shaped_at() <= settled),
            ),
            Final::sorted(
                tables
                    .metric_definition
                    .evict(|row| row.to_position.is_some() && row.shaped_at() <= settled),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Takes out the rows of the tables that are only ever appended to.
    pub(crate) fn evict_appended(
        &mut self,
        schemas: &Schemas,
    ) -> Result<Vec<Final>, ProjectionError> {
        let tables = &mut self.tables;
        // The journal first: it is the largest.
        let batches = [
            ready(&mut tables.event_log, schemas)?,
            ready(&mut tables.routing_decision, schemas)?,
            ready(&mut tables.routing_candidate, schemas)?,
            ready(&mut tables.routing_order, schemas)?,
            ready(&mut tables.access_log, schemas)?,
        ];
        Ok(batches.into_iter().flatten().collect())
    }
}

/// All rows of a table that is only appended to; none if there are no rows.
fn ready<T: TableRow>(
    table: &mut Appended<T>,
    schemas: &Schemas,
) -> Result<Option<Final>, ProjectionError> {
    let batch = table.evict(&schemas.of(T::DEF))?;
    Ok(batch.map(|batch| Final::ready(T::DEF, batch)))
}
