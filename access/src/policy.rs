//! The policy: which role may do what. One closed matrix, denied unless it says yes.
//!
//! It answers for the kind of action only. Which rows of an organization a principal sees is decided
//! where rows are read; that it sees none of another organization follows from its `org_id`.

use std::fmt;

use crate::principal::{Principal, Role};

/// Everything that can be asked of the system from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Work at the desktop as oneself: log in, change state, accept, hold, transfer, wrap up.
    DesktopOperate,
    /// Force the state of another agent or log it out.
    AgentSupervise,
    /// Listen to, whisper into or barge in on an interaction.
    InteractionMonitor,
    /// Read configuration entities and their history.
    ConfigRead,
    /// Create, change and delete configuration entities.
    ConfigWrite,
    /// Ask SQL.
    SqlQuery,
    /// See the history of one interaction and the explanation of its decisions.
    HistoryView,
    /// Read the events of the log, at once or as a stream.
    EventLogRead,
    /// Append events of another system to the log's `external-*` streams.
    ExternalAppend,
    /// Subscribe to the live datasets.
    LiveSubscribe,
    /// Start a chat or another interaction on behalf of a customer.
    ChatStart,
    /// Verify the log, take proofs and export evidence.
    CustodyProve,
    /// Ask what a row was, what became of it, who looked, and why a decision was made.
    AuditRead,
    /// See personal data in clear.
    PersonalDataReveal,
    /// Destroy the key of a person's data.
    SubjectErase,
    /// Issue tokens and create database users.
    CredentialManage,
    /// Read the metrics of the process.
    MetricsRead,
    /// Start and stop a projection's rebuild, a backup or an import.
    MaintenanceRun,
}

impl Action {
    /// All actions, in the order of the matrix.
    pub const ALL: [Self; 18] = [
        Self::DesktopOperate,
        Self::AgentSupervise,
        Self::InteractionMonitor,
        Self::ConfigRead,
        Self::ConfigWrite,
        Self::SqlQuery,
        Self::HistoryView,
        Self::EventLogRead,
        Self::ExternalAppend,
        Self::LiveSubscribe,
        Self::ChatStart,
        Self::CustodyProve,
        Self::AuditRead,
        Self::PersonalDataReveal,
        Self::SubjectErase,
        Self::CredentialManage,
        Self::MetricsRead,
        Self::MaintenanceRun,
    ];

    /// Name, `lower_snake`; what an error tells the caller.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DesktopOperate => "desktop_operate",
            Self::AgentSupervise => "agent_supervise",
            Self::InteractionMonitor => "interaction_monitor",
            Self::ConfigRead => "config_read",
            Self::ConfigWrite => "config_write",
            Self::SqlQuery => "sql_query",
            Self::HistoryView => "history_view",
            Self::EventLogRead => "event_log_read",
            Self::ExternalAppend => "external_append",
            Self::LiveSubscribe => "live_subscribe",
            Self::ChatStart => "chat_start",
            Self::CustodyProve => "custody_prove",
            Self::AuditRead => "audit_read",
            Self::PersonalDataReveal => "personal_data_reveal",
            Self::SubjectErase => "subject_erase",
            Self::CredentialManage => "credential_manage",
            Self::MetricsRead => "metrics_read",
            Self::MaintenanceRun => "maintenance_run",
        }
    }

    /// The roles that may do it.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Administrator, Agent, Analyst, Auditor, Integrator, Supervisor};
        match self {
            Self::DesktopOperate => &[Agent],
            Self::AgentSupervise | Self::InteractionMonitor => &[Supervisor],
            Self::ConfigRead => &[Supervisor, Analyst, Auditor, Administrator, Integrator],
            Self::SqlQuery => &[Supervisor, Analyst, Auditor, Administrator],
            Self::HistoryView => &[Supervisor, Auditor, Administrator],
            Self::EventLogRead => &[Supervisor, Auditor, Administrator, Integrator],
            Self::LiveSubscribe => &[Supervisor, Analyst, Administrator, Integrator],
            Self::ChatStart | Self::ExternalAppend => &[Integrator],
            Self::CustodyProve | Self::PersonalDataReveal => &[Auditor],
            Self::AuditRead => &[Auditor, Administrator],
            Self::MetricsRead => &[Administrator, Integrator],
            Self::ConfigWrite
            | Self::SubjectErase
            | Self::CredentialManage
            | Self::MaintenanceRun => &[Administrator],
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether one of the principal's roles may do it.
#[must_use]
pub fn allows(principal: &Principal, action: Action) -> bool {
    action.roles().iter().any(|role| principal.roles.contains(role))
}
