//! `metric_definition`: published versions of formulas, the product's and the organization's own.

use std::sync::Arc;

use ledgerline_schemas::Position;
use ledgerline_schemas::config::metric::MetricDefinition as Definition;
use ledgerline_schemas::event::ConfigChange;
use ledgerline_schemas::event::metric::MetricDefinitionPublished;

use crate::column::MetricOrigin;
use crate::fold::{At, Fold, text};
use crate::manifest::sha256;
use crate::tables::MetricDefinition;

impl Fold {
    /// The product says what a metric of its is.
    pub(super) fn metric_definition_published(
        &mut self,
        at: &mut At<'_>,
        it: &MetricDefinitionPublished,
    ) {
        let name = text(&it.name);
        if let Some(from) = self.metric_versions.insert(name.clone(), at.header.position) {
            self.metric_over(at, name.clone(), from);
        }
        self.tables.metric_definition.put(
            at.sink,
            MetricDefinition {
                name,
                from_position: at.header.position,
                to_position: None,
                valid_from: at.time(),
                valid_to: None,
                origin: MetricOrigin::Product,
                definition_version: it.definition_version,
                sql_sha256: text(&it.sql_sha256),
                record_type: it.record_type.as_deref().map(text),
                sql: it.sql.as_deref().map(text),
                unit: it.unit.map(|unit| text(unit.name())),
                description: it.description.as_deref().map(text),
                published_by_type: at.header.actor.kind,
                published_by_id: text(&at.header.actor.id),
                valid_from_position: at.header.position,
            },
        );
    }

    /// The organization defines, changes, switches off or deletes a metric of its own.
    pub(super) fn metric_configured(
        &mut self,
        at: &mut At<'_>,
        it: &ConfigChange,
        is_active: bool,
    ) {
        if let Some((name, from)) = self.own_metrics.remove(&it.entity_id) {
            self.metric_over(at, name, from);
        }
        // A document of before definitions were checked may be none; nothing can be computed by it.
        let parsed = it.after.as_ref().and_then(|document| document.parse::<Definition>().ok());
        let Some(definition) = parsed.filter(|_| is_active) else { return };
        let name = text(&definition.name);
        self.own_metrics.insert(it.entity_id, (name.clone(), at.header.position));
        self.tables.metric_definition.put(
            at.sink,
            MetricDefinition {
                name,
                from_position: at.header.position,
                to_position: None,
                valid_from: at.time(),
                valid_to: None,
                origin: MetricOrigin::Organization,
                definition_version: it.entity_version,
                sql_sha256: sha256(definition.sql.as_bytes()).into(),
                record_type: Some(text(&definition.record_type)),
                sql: Some(text(&definition.sql)),
                unit: Some(text(definition.unit.name())),
                description: Some(text(&definition.description)).filter(|it| !it.is_empty()),
                published_by_type: at.header.actor.kind,
                published_by_id: text(&at.header.actor.id),
                valid_from_position: at.header.position,
            },
        );
    }

    /// A version is in force no more.
    fn metric_over(&mut self, at: &mut At<'_>, name: Arc<str>, from: Position) {
        let (time, position) = (at.time(), at.header.position);
        self.tables.metric_definition.change(at.sink, &(name, from), |row| {
            row.to_position = Some(position);
            row.valid_to = Some(time);
        });
    }
}
