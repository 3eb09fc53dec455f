//! The events of a queue log.

use ledgerline_schemas::event::queue::QueueLeaveReason;

/// Who ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Agent,
}

/// What a line says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// The number that was called.
    Did,
    Enter,
    Connect,
    Complete(Side),
    Abandon,
    /// Left the queue, with the field that holds the wait.
    Exit(QueueLeaveReason, usize),
    RingNoAnswer,
    RingCanceled,
    BlindTransfer,
    AttendedTransfer,
    AgentDump,
    SysCompat,
    AddMember,
    RemoveMember,
    Pause,
    Unpause,
    PauseAll,
    UnpauseAll,
    Login,
    Logoff,
    /// About a member of a queue, without an event of ours.
    OfMember,
    Restart,
    /// About nobody.
    Plain,
}

/// Every event that is understood, by its name in the log.
const VERBS: &[(&str, Verb)] = &[
    ("ABANDON", Verb::Abandon),
    ("ADDMEMBER", Verb::AddMember),
    ("AGENTCALLBACKLOGIN", Verb::Login),
    ("AGENTCALLBACKLOGOFF", Verb::Logoff),
    ("AGENTDUMP", Verb::AgentDump),
    ("AGENTLOGIN", Verb::Login),
    ("AGENTLOGOFF", Verb::Logoff),
    ("ATTENDEDTRANSFER", Verb::AttendedTransfer),
    ("BLINDTRANSFER", Verb::BlindTransfer),
    ("COMPLETEAGENT", Verb::Complete(Side::Agent)),
    ("COMPLETECALLER", Verb::Complete(Side::Caller)),
    ("CONFIGRELOAD", Verb::Plain),
    ("CONNECT", Verb::Connect),
    ("DID", Verb::Did),
    ("ENTERQUEUE", Verb::Enter),
    ("EXITEMPTY", Verb::Exit(QueueLeaveReason::Flow, 2)),
    ("EXITWITHKEY", Verb::Exit(QueueLeaveReason::EscapeKey, 3)),
    ("EXITWITHTIMEOUT", Verb::Exit(QueueLeaveReason::MaxTime, 2)),
    ("PAUSE", Verb::Pause),
    ("PAUSEALL", Verb::PauseAll),
    ("PENALTY", Verb::OfMember),
    ("QUEUESTART", Verb::Restart),
    ("REMOVEMEMBER", Verb::RemoveMember),
    ("RINGCANCELED", Verb::RingCanceled),
    ("RINGINUSE", Verb::OfMember),
    ("RINGNOANSWER", Verb::RingNoAnswer),
    ("SYSCOMPAT", Verb::SysCompat),
    // Up to Asterisk 11, attended or not.
    ("TRANSFER", Verb::BlindTransfer),
    ("UNPAUSE", Verb::Unpause),
    ("UNPAUSEALL", Verb::UnpauseAll),
    ("WITHDRAW", Verb::Exit(QueueLeaveReason::Flow, 2)),
];

impl Verb {
    /// The event of this name, with the name as it is written here.
    pub(super) fn parse(name: &str) -> Option<(&'static str, Self)> {
        VERBS.iter().find(|(known, _)| *known == name).copied()
    }
}
