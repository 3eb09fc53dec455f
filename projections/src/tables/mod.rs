//! The tables: one file each, a typed row from which definition and columns follow.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::hash::Hash;

use ledgerline_schemas::Position;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::encode::Builder;
use crate::table::{Row, TableDef};

/// A row in its typed form.
pub(crate) trait TableRow: Clone + PartialEq + Serialize + DeserializeOwned {
    /// The key columns.
    type Key: Ord + Hash + Clone + Debug + Serialize + DeserializeOwned;
    /// The table.
    const DEF: &'static TableDef;
    /// The key.
    fn key(&self) -> Self::Key;
    /// The row in column order.
    fn row(&self) -> Row;
    /// Writes the row to the table's columns, one value each.
    fn write(&self, columns: &mut [Builder]);
    /// How the row stands to another in a cold file.
    fn cold_order(&self, other: &Self) -> Ordering;
    /// Notes which event shaped the row last.
    fn touch(&mut self, position: Position);
    /// Which event shaped the row last.
    fn shaped_at(&self) -> Position;
}

/// Declares a table by its typed row. Doc comments become the documentation of table and columns; the
/// type of a field gives the column's type and whether it may be null; `valid_from_position` is added.
macro_rules! table {
    (
        $(#[doc = $doc:literal])+
        $row:ident = $name:literal, key $key_type:ty = [$($key:ident),+], sort [$($sort:ident),+], live $live:literal;
        $($(#[doc = $column_doc:literal])+ $(@$dimension:ident)? $field:ident: $type:ty,)+
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $row {
            $($(#[doc = $column_doc])+ pub(crate) $field: $type,)+
            /// Position of the event that gave the row its present form.
            pub(crate) valid_from_position: ledgerline_schemas::Position,
        }

        impl $crate::tables::TableRow for $row {
            type Key = $key_type;

            const DEF: &'static $crate::table::TableDef = &$crate::table::TableDef {
                name: $name,
                doc: concat!($($doc),+).trim_ascii(),
                columns: &[
                    $($crate::table::ColumnDef {
                        name: stringify!($field),
                        column_type: <$type as $crate::column::Column>::TYPE,
                        nullable: <$type as $crate::column::Column>::NULLABLE,
                        doc: concat!($($column_doc),+).trim_ascii(),
                        dimension: $crate::tables::dimension!($($dimension)?),
                    },)+
                    $crate::table::ColumnDef {
                        name: "valid_from_position",
                        column_type: $crate::table::ColumnType::Int,
                        nullable: false,
                        doc: "Position of the event that gave the row its present form.",
                        dimension: $crate::table::Dimension::None,
                    },
                ],
                key: &[$(stringify!($key)),+],
                sort: &[$(stringify!($sort)),+],
                live: $live,
            };

            #[allow(unused_parens, reason = "a key of one column is no tuple")]
            fn key(&self) -> Self::Key {
                ($(self.$key.clone()),+)
            }

            fn row(&self) -> $crate::table::Row {
                use $crate::column::Column as _;
                std::sync::Arc::from([
                    $(self.$field.value(),)+
                    self.valid_from_position.value(),
                ])
            }

            fn write(&self, columns: &mut [$crate::encode::Builder]) {
                use $crate::column::Column as _;
                let mut columns = columns.iter_mut();
                $(if let Some(column) = columns.next() {
                    self.$field.write(column);
                })+
                if let Some(column) = columns.next() {
                    self.valid_from_position.write(column);
                }
            }

            fn cold_order(&self, other: &Self) -> std::cmp::Ordering {
                use $crate::column::Column as _;
                std::cmp::Ordering::Equal
                    $(.then_with(|| self.$sort.order(&other.$sort)))+
            }

            fn touch(&mut self, position: ledgerline_schemas::Position) {
                self.valid_from_position = position;
            }

            fn shaped_at(&self) -> ledgerline_schemas::Position {
                self.valid_from_position
            }
        }
    };
}

macro_rules! dimension {
    () => {
        $crate::table::Dimension::None
    };
    ($dimension:ident) => {
        $crate::table::Dimension::$dimension
    };
}

pub(crate) use dimension;
#[cfg(test)]
pub(crate) use table;

pub(crate) mod access_log;
pub(crate) mod agent_activity;
pub(crate) mod agent_interval;
pub(crate) mod agent_live;
pub(crate) mod agent_session;
pub(crate) mod alerts;
pub(crate) mod callback;
pub(crate) mod campaign_contact;
pub(crate) mod config_entity;
pub(crate) mod config_history;
pub(crate) mod customer_activity;
pub(crate) mod customer_session;
pub(crate) mod entry_point_interval;
pub(crate) mod entry_point_live;
pub(crate) mod event_log;
pub(crate) mod feedback;
pub(crate) mod flow_live;
pub(crate) mod flow_trace;
pub(crate) mod interaction_live;
pub(crate) mod interval_current;
pub(crate) mod message;
pub(crate) mod metric_definition;
pub(crate) mod monitor_session;
pub(crate) mod offer;
pub(crate) mod queue_interval;
pub(crate) mod queue_leg;
pub(crate) mod queue_live;
pub(crate) mod recording;
pub(crate) mod retention_status;
pub(crate) mod routing_candidate;
pub(crate) mod routing_decision;
pub(crate) mod routing_order;
pub(crate) mod site_live;
pub(crate) mod team_live;

pub(crate) use access_log::AccessLog;
pub(crate) use agent_activity::AgentActivity;
pub(crate) use agent_interval::AgentInterval;
pub(crate) use agent_live::AgentLive;
pub(crate) use agent_session::AgentSession;
pub(crate) use alerts::Alerts;
pub(crate) use callback::Callback;
pub(crate) use campaign_contact::CampaignContact;
pub(crate) use config_entity::ConfigEntity;
pub(crate) use config_history::ConfigHistory;
pub(crate) use customer_activity::CustomerActivity;
pub(crate) use customer_session::CustomerSession;
pub(crate) use entry_point_interval::EntryPointInterval;
pub(crate) use entry_point_live::EntryPointLive;
pub(crate) use event_log::EventLog;
pub(crate) use feedback::Feedback;
pub(crate) use flow_live::FlowLive;
pub(crate) use flow_trace::FlowTrace;
pub(crate) use interaction_live::InteractionLive;
pub(crate) use interval_current::IntervalCurrent;
pub(crate) use message::Message;
pub(crate) use metric_definition::MetricDefinition;
pub(crate) use monitor_session::MonitorSession;
pub(crate) use offer::Offer;
pub(crate) use queue_interval::QueueInterval;
pub(crate) use queue_leg::QueueLeg;
pub(crate) use queue_live::QueueLive;
pub(crate) use recording::Recording;
pub(crate) use retention_status::RetentionStatus;
pub(crate) use routing_candidate::RoutingCandidate;
pub(crate) use routing_decision::RoutingDecision;
pub(crate) use routing_order::RoutingOrder;
pub(crate) use site_live::SiteLive;
pub(crate) use team_live::TeamLive;

/// Every table, by name.
pub const ALL: &[TableDef] = &[
    *AccessLog::DEF,
    *AgentActivity::DEF,
    *AgentInterval::DEF,
    *AgentLive::DEF,
    *AgentSession::DEF,
    *Alerts::DEF,
    *Callback::DEF,
    *CampaignContact::DEF,
    *ConfigEntity::DEF,
    *ConfigHistory::DEF,
    *CustomerActivity::DEF,
    *CustomerSession::DEF,
    *EntryPointInterval::DEF,
    *EntryPointLive::DEF,
    *EventLog::DEF,
    *Feedback::DEF,
    *FlowLive::DEF,
    *FlowTrace::DEF,
    *InteractionLive::DEF,
    *IntervalCurrent::DEF,
    *Message::DEF,
    *MetricDefinition::DEF,
    *MonitorSession::DEF,
    *Offer::DEF,
    *QueueInterval::DEF,
    *QueueLeg::DEF,
    *QueueLive::DEF,
    *Recording::DEF,
    *RetentionStatus::DEF,
    *RoutingCandidate::DEF,
    *RoutingDecision::DEF,
    *RoutingOrder::DEF,
    *SiteLive::DEF,
    *TeamLive::DEF,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_table_begins_with_its_key_and_ends_with_its_position() {
        let mut names = BTreeSet::new();
        for table in ALL {
            assert!(names.insert(table.name), "{} twice", table.name);
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.iter().collect::<BTreeSet<_>>().len(), columns.len());
            assert_eq!(&columns[..table.key.len()], table.key, "{}", table.name);
            assert_eq!(columns.last(), Some(&"valid_from_position"), "{}", table.name);
            assert!(table.sort.iter().all(|name| columns.contains(name)), "{}", table.name);
            for column in table.columns {
                assert!(!column.doc.is_empty() && column.doc.trim() == column.doc);
            }
        }
    }
}
