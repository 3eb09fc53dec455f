//! `metric_definition`: published versions of formulas.

use ledgerline_schemas::event::metric::MetricDefinitionPublished;

use crate::fold::{At, Fold, text};
use crate::tables::MetricDefinition;

impl Fold {
    pub(super) fn metric_definition_published(
        &mut self,
        at: &mut At<'_>,
        it: &MetricDefinitionPublished,
    ) {
        let (time, position, name) = (at.time(), at.header.position, text(&it.name));
        let last = self.metric_versions.insert(name.clone(), position);
        if let Some(from_position) = last {
            let key = (name.clone(), from_position);
            self.tables.metric_definition.change(at.sink, &key, |row| {
                row.to_position = Some(position);
                row.valid_to = Some(time);
            });
        }
        let row = MetricDefinition {
            name,
            from_position: position,
            to_position: None,
            valid_from: time,
            valid_to: None,
            definition_version: it.definition_version,
            sql_sha256: text(&it.sql_sha256),
            published_by_type: at.header.actor.kind,
            published_by_id: text(&at.header.actor.id),
            valid_from_position: position,
        };
        self.tables.metric_definition.put(at.sink, row);
    }
}
