//! What can be searched: queries of the schema, and the tables they stand on.

use ledgerline_projections::{ColumnDef, ColumnType, tables};

use crate::views::{self, View, view};

/// One query of the schema.
pub(super) struct Kind {
    /// Its name.
    pub(super) query: &'static str,
    /// What it says of itself.
    pub(super) doc: &'static str,
    /// The field that holds the records.
    pub(super) list: &'static str,
    /// Type of a record.
    pub(super) type_name: &'static str,
    /// The columns.
    pub(super) view: &'static View,
    /// What makes an inner query of the view's a row each; empty when its table has that already.
    grouped: &'static str,
    /// Column that is unique; ties of time are ordered by it.
    pub(super) id: &'static str,
    /// Column that `timeComparator: createdTime` means.
    pub(super) created: &'static str,
    /// Column that `timeComparator: endedTime` means.
    pub(super) ended: &'static str,
    /// What happened in a record.
    pub(super) activities: Option<&'static Activities>,
}

/// What is nested below records.
pub(super) struct Activities {
    /// Type of one.
    pub(super) type_name: &'static str,
    /// The columns.
    pub(super) view: &'static View,
    /// Column that holds the id of the record.
    pub(super) parent: &'static str,
    /// Columns of the table that order the activities of a record.
    order: &'static [&'static str],
    /// Column by which records have channels, each with activities of its own.
    pub(super) channel: Option<&'static str>,
}

/// Every query of the schema.
pub(super) static ALL: [&Kind; 5] =
    [&TASK_DETAILS, &AGENT_SESSION, &TASK_LEG_DETAILS, &FLOW_INTERACTIONS, &FLOW_TRACE_EVENTS];

/// Fields below a record that are questions of their own.
pub(super) const ACTIVITIES: &str = "activities";
/// As [`ACTIVITIES`], for the channels of an agent's session.
pub(super) const CHANNELS: &str = "channelInfo";

/// Whether a field of this name is answered by a question of its own.
pub(super) fn asks(field: &str) -> bool {
    field == ACTIVITIES || field == CHANNELS || ALL.iter().any(|kind| kind.query == field)
}

static TASK_DETAILS: Kind = Kind {
    query: "taskDetails",
    doc: "Interactions: customer session records with their activities. The rows of the view csr.",
    list: "tasks",
    type_name: "TaskDetails",
    view: &views::csr::VIEW,
    grouped: "",
    id: "id",
    created: "createdTime",
    ended: "endedTime",
    activities: Some(&Activities {
        type_name: "TaskActivity",
        view: &views::car::VIEW,
        parent: "taskId",
        order: &["seq"],
        channel: None,
    }),
};

static AGENT_SESSION: Kind = Kind {
    query: "agentSession",
    doc: "Log-ins of agents: agent session records with their activities. The rows of the view asr.",
    list: "agentSessions",
    type_name: "AgentSession",
    view: &views::asr::VIEW,
    grouped: "",
    id: "agentSessionId",
    created: "startTime",
    ended: "endTime",
    activities: Some(&Activities {
        type_name: "AgentActivity",
        view: &views::aar::VIEW,
        parent: "agentSessionId",
        order: &["start_time", "activity_id"],
        channel: Some("channelType"),
    }),
};

static TASK_LEG_DETAILS: Kind = Kind {
    query: "taskLegDetails",
    doc: "Stays in queues with the service that followed: contact-leg records. The rows of the view clr.",
    list: "taskLegs",
    type_name: "TaskLegDetails",
    view: &views::clr::VIEW,
    grouped: "",
    id: "id",
    created: "createdTime",
    ended: "endedTime",
    activities: None,
};

static FLOW_INTERACTIONS: Kind = Kind {
    query: "flowInteractions",
    doc: "Runs of flows, one a run: what flow_trace has of it, taken together.",
    list: "flowInteractions",
    type_name: "FlowInteraction",
    view: &runs::VIEW,
    grouped: " GROUP BY run_id, interaction_id, entry_point_id, flow_id, flow_version",
    id: "id",
    created: "createdTime",
    ended: "endedTime",
    activities: None,
};

static FLOW_TRACE_EVENTS: Kind = Kind {
    query: "flowTraceEvents",
    doc: "Steps of flow runs. The rows of flow_trace.",
    list: "flowTraceEvents",
    type_name: "FlowTraceEvent",
    view: &steps::VIEW,
    grouped: "",
    id: "id",
    created: "createdTime",
    ended: "endedTime",
    activities: None,
};

mod runs {
    use super::view;

    view! {
        /// Runs of flows.
        "flow_runs" from "flow_trace";
        "id": Text = "run_id",
        "interactionId": Text = "interaction_id",
        "entryPointId": Text = "entry_point_id",
        "flowId": Text = "flow_id",
        "flowVersion": Int = "flow_version",
        "createdTime": Time = "min(entered_time)",
        "endedTime": Time = "case when count(exited_time) = count(*) then max(exited_time) end",
        "activityCount": Int = "count(*)",
        "errorCount": Int = "count(error_code)",
        "httpCount": Int = "count(http_method)",
        "duration": Int = "sum(duration_ms)",
    }
}

mod steps {
    use super::view;

    view! {
        /// Steps of flow runs.
        "flow_steps" from "flow_trace";
        "id": Text = "concat(run_id, '-', cast(seq as varchar))",
        "runId": Text = "run_id",
        "sequence": Int = "seq",
        "interactionId": Text = "interaction_id",
        "entryPointId": Text = "entry_point_id",
        "flowId": Text = "flow_id",
        "flowVersion": Int = "flow_version",
        "activityId": Text = "activity_id",
        "activityType": Text = "activity_type",
        "activityName": Text = "activity_name",
        "createdTime": Time = "entered_time",
        "endedTime": Time = "exited_time",
        "duration": Int = "duration_ms",
        "branch": Text = "branch",
        "inputOutcome": Text = "input_outcome",
        "errorCode": Text = "error_code",
        "httpMethod": Text = "http_method",
        "httpStatus": Int = "http_status",
        "httpLatency": Int = "http_latency_ms",
    }
}

impl Kind {
    /// Where the records come from, as it stands behind FROM.
    pub(super) fn relation(&self) -> String {
        if views::ALL.iter().any(|view| view.def.name == self.view.def.name) {
            return format!("{} r", self.view.def.name);
        }
        format!("({}{}) r", self.view.sql(), self.grouped)
    }

    pub(super) fn column(&self, name: &str) -> Option<&'static ColumnDef> {
        column(self.view, name)
    }
}

impl Activities {
    /// Where the activities come from, with columns `o0`, `o1` … that order those of one record.
    pub(super) fn relation(&self) -> String {
        format!("({}) x", self.view.sql_with(self.order))
    }

    /// The columns that order them, with commas.
    pub(super) fn order(&self) -> String {
        (0..self.order.len()).map(|at| format!("x.o{at}")).collect::<Vec<_>>().join(", ")
    }
}

/// A column of a view by name.
pub(super) fn column(view: &View, name: &str) -> Option<&'static ColumnDef> {
    view.def.columns.iter().find(|column| column.name == name)
}

/// Name of a column in its object, and the object's name where it is nested: `lastQueue.id`.
pub(super) fn parts(column: &str) -> (Option<&str>, &str) {
    match column.split_once('.') {
        Some((object, name)) => (Some(object), name),
        None => (None, column),
    }
}

/// What a column is: what its table says of it, where it is one of its columns.
pub(super) fn described(view: &View, column: &ColumnDef) -> String {
    let own = view
        .expression(column)
        .and_then(|expression| {
            let table = tables::ALL.iter().find(|table| table.name == view.from)?;
            table.columns.iter().find(|it| it.name == expression)
        })
        .map_or(column.doc, |column| column.doc);
    match column.column_type {
        ColumnType::Time => format!("{own} Milliseconds since 1970-01-01T00:00:00Z."),
        _ => own.to_owned(),
    }
}
