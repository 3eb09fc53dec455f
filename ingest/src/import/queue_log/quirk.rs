//! What is odd about lines, by name.

use std::collections::BTreeMap;

macro_rules! quirks {
    ($($(#[$doc:meta])* $quirk:ident = $name:literal,)*) => {
        /// One way in which a line of a queue log, or how it was read, is odd.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum QueueLogQuirk {$($(#[$doc])* $quirk,)*}

        impl QueueLogQuirk {
            /// The `lower_snake` name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {$(Self::$quirk => $name,)*}
            }
        }
    };
}

quirks! {
    /// The line ends with CR LF.
    CrLf = "cr_lf",
    /// The line holds bytes that are no UTF-8; it was read as Latin-1.
    NotUtf8 = "not_utf8",
    /// The line's time is before that of the line above it.
    ClockWentBack = "clock_went_back",
    /// The line is older than what an earlier import put on the log.
    OlderThanLog = "older_than_log",
    /// The agent is written as a channel; what tells channels of one device apart was cut off.
    ChannelForAgent = "channel_for_agent",
    /// The caller's number is not kept: it stands for nobody.
    CallerUnidentified = "caller_unidentified",
    /// The agent did something without having logged in; the session begins here.
    LogInNotRecorded = "log_in_not_recorded",
    /// Logged out, or unpaused, without a session.
    AgentNotLoggedIn = "agent_not_logged_in",
    /// A line with a conversation, a ring or an offer names no agent.
    AnsweredByUnnamed = "answered_by_unnamed",
    /// The wait is not recorded; it was taken from the times of the lines.
    WaitFromClock = "wait_from_clock",
    /// The length of the conversation is not recorded; it was taken from the times of the lines.
    ServiceFromClock = "service_from_clock",
    /// A wait, conversation or ring time is negative; it counts as 0.
    NegativeFigure = "negative_figure",
    /// How long it rang is not recorded; it counts as 0.
    RingTimeNotRecorded = "ring_time_not_recorded",
    /// The call entered a queue while it waited in one; the end of the first stay is not in the log.
    StayEndNotRecorded = "stay_end_not_recorded",
    /// The call entered a queue while it was connected; the end of the conversation is not in the log.
    ServiceEndNotRecorded = "service_end_not_recorded",
    /// The call entered a queue after it had ended; it goes on as an interaction of its own.
    WentOnAfterEnd = "went_on_after_end",
    /// The end of a conversation names another agent than its beginning.
    OtherAgentNamed = "other_agent_named",
    /// Asterisk started while the call was in a queue or connected (counted per call); nothing was ended.
    OpenAtRestart = "open_at_restart",
    /// The interaction was ended because that was asked for (counted per interaction).
    EndedOnRequest = "ended_on_request",
}

impl QueueLogQuirk {
    /// Whether the importer chose what the events of an interaction say, so that they must say so.
    pub(super) const fn is_noted(self) -> bool {
        matches!(
            self,
            Self::WaitFromClock
                | Self::ServiceFromClock
                | Self::NegativeFigure
                | Self::RingTimeNotRecorded
                | Self::StayEndNotRecorded
                | Self::ServiceEndNotRecorded
                | Self::WentOnAfterEnd
                | Self::AnsweredByUnnamed
                | Self::EndedOnRequest
        )
    }
}

/// Quirks counted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueLogQuirkCounts(BTreeMap<QueueLogQuirk, u64>);

impl QueueLogQuirkCounts {
    pub(super) fn add(&mut self, quirk: QueueLogQuirk, count: u64) {
        if count > 0 {
            *self.0.entry(quirk).or_default() += count;
        }
    }

    /// How often a quirk occurred.
    #[must_use]
    pub fn of(&self, quirk: QueueLogQuirk) -> u64 {
        self.0.get(&quirk).copied().unwrap_or(0)
    }

    /// The quirks that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (QueueLogQuirk, u64)> + '_ {
        self.0.iter().map(|(quirk, count)| (*quirk, *count))
    }
}
