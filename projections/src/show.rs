//! From the folds' tables to a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::encode;
use crate::error::ProjectionError;
use crate::fold::{Fold, Tables};
use crate::hot::{Appended, Keyed};
use crate::slots::Slots;
use crate::snapshot::{ColdFile, Snapshot, TableSnapshot};
use crate::table::TableDef;
use crate::tables::{self, TableRow};
use crate::underway::Rows;

/// The schemas of all tables, made once.
#[derive(Debug)]
pub(crate) struct Schemas(BTreeMap<&'static str, SchemaRef>);

impl Schemas {
    pub(crate) fn new() -> Self {
        Self(tables::ALL.iter().map(|def| (def.name, encode::schema(def))).collect())
    }

    /// The schema of a table.
    pub(crate) fn of(&self, def: &'static TableDef) -> SchemaRef {
        self.0.get(def.name).map_or_else(|| encode::schema(def), Arc::clone)
    }
}

/// The cold files of all tables by table name.
pub(crate) type ColdFiles = BTreeMap<&'static str, Arc<[ColdFile]>>;

/// Something with batches to show.
trait Shown {
    fn def(&self) -> &'static TableDef;
    fn show(&mut self, schema: &SchemaRef) -> Result<Arc<[RecordBatch]>, ProjectionError>;
}

impl<T: TableRow, S: Slots<T::Key>> Shown for Keyed<T, S> {
    fn def(&self) -> &'static TableDef {
        T::DEF
    }

    fn show(&mut self, schema: &SchemaRef) -> Result<Arc<[RecordBatch]>, ProjectionError> {
        self.batches(schema)
    }
}

impl<T: TableRow> Shown for Appended<T> {
    fn def(&self) -> &'static TableDef {
        T::DEF
    }

    fn show(&mut self, schema: &SchemaRef) -> Result<Arc<[RecordBatch]>, ProjectionError> {
        self.batches(schema)
    }
}

impl Tables {
    fn all(&mut self) -> [&mut dyn Shown; 34] {
        [
            &mut self.access_log,
            &mut self.agent_activity,
            &mut self.agent_interval,
            &mut self.agent_live,
            &mut self.agent_session,
            &mut self.alerts,
            &mut self.callback,
            &mut self.campaign_contact,
            &mut self.config_entity,
            &mut self.config_history,
            &mut self.customer_activity,
            &mut self.customer_session,
            &mut self.entry_point_interval,
            &mut self.entry_point_live,
            &mut self.event_log,
            &mut self.feedback,
            &mut self.flow_live,
            &mut self.flow_trace,
            &mut self.interaction_live,
            &mut self.interval_current,
            &mut self.message,
            &mut self.metric_definition,
            &mut self.monitor_session,
            &mut self.offer,
            &mut self.queue_interval,
            &mut self.queue_leg,
            &mut self.queue_live,
            &mut self.recording,
            &mut self.retention_status,
            &mut self.routing_candidate,
            &mut self.routing_decision,
            &mut self.routing_order,
            &mut self.site_live,
            &mut self.team_live,
        ]
    }
}

/// A snapshot of everything folded so far; rows of a commit that is `underway` are neither in the folds nor in files.
///
/// # Errors
/// [`ProjectionError::Encode`].
pub(crate) fn snapshot(
    fold: &mut Fold,
    epoch: u64,
    schemas: &Schemas,
    cold: &ColdFiles,
    underway: Option<&Rows>,
) -> Result<Snapshot, ProjectionError> {
    let mut tables = BTreeMap::new();
    let retention = Arc::clone(&fold.retention);
    for table in fold.tables.all() {
        let def = table.def();
        let schema = schemas.of(def);
        let mut hot = table.show(&schema)?;
        if let Some((_, batch)) = underway.and_then(|rows| rows.get(def.name)) {
            hot = hot.iter().chain([batch]).cloned().collect();
        }
        let cold = cold.get(def.name).map(Arc::clone).unwrap_or_default();
        let kept = retention.kept(def.name);
        tables.insert(def.name, TableSnapshot { def, schema, cold, hot, kept });
    }
    let live = BTreeMap::from([
        (tables::AgentLive::DEF.name, fold.tables.agent_live.shown()),
        (tables::Alerts::DEF.name, fold.tables.alerts.shown()),
        (tables::EntryPointLive::DEF.name, fold.tables.entry_point_live.shown()),
        (tables::FlowLive::DEF.name, fold.tables.flow_live.shown()),
        (tables::InteractionLive::DEF.name, fold.tables.interaction_live.shown()),
        (tables::IntervalCurrent::DEF.name, fold.tables.interval_current.shown()),
        (tables::QueueLive::DEF.name, fold.tables.queue_live.shown()),
        (tables::SiteLive::DEF.name, fold.tables.site_live.shown()),
        (tables::TeamLive::DEF.name, fold.tables.team_live.shown()),
    ]);
    Ok(Snapshot { org_id: fold.org_id, position: fold.position, epoch, tables, live })
}
