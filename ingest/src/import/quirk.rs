//! What is odd about rows, by name: nothing is repaired or ignored without being counted.

use std::collections::BTreeMap;

macro_rules! quirks {
    ($($(#[$doc:meta])* $quirk:ident = $name:literal,)*) => {
        /// One way in which a row is odd.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Quirk {$($(#[$doc])* $quirk,)*}

        impl Quirk {
            /// Every quirk.
            pub const ALL: &'static [Self] = &[$(Self::$quirk,)*];

            /// The `lower_snake` name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {$(Self::$quirk => $name,)*}
            }
        }
    };
}

quirks! {
    /// Lines end with CR LF (counted per line).
    CrLf = "cr_lf",
    /// Blanks stood where the delimiter should have been.
    BlanksForDelimiter = "blanks_for_delimiter",
    /// The row began earlier than the row before it in the file.
    NotInTimeOrder = "not_in_time_order",
    /// A day between the first and the last has no rows (counted per day).
    DayWithoutRows = "day_without_rows",
    /// The recorded time in the flow is negative; its end is kept as recorded.
    NegativeFlowTime = "negative_flow_time",
    /// A start in the queue is recorded, but a wait of 0.
    QueuedForNoTime = "queued_for_no_time",
    /// The stay in the queue ends on the next day.
    QueueCrossesMidnight = "queue_crosses_midnight",
    /// The conversation ends on the next day.
    ServiceCrossesMidnight = "service_crosses_midnight",
    /// The conversation seems to begin before the wait ends: two clocks.
    ServiceBeforeQueueEnd = "service_before_queue_end",
    /// Answered at once, and the conversation seems to begin before the flow ends: two clocks.
    ServiceBeforeFlowEnd = "service_before_flow_end",
    /// Answered without a start of the conversation: it takes the end of the wait.
    ServiceStartAbsent = "service_start_absent",
    /// The text for "absent" really is midnight: the end of the conversation is there.
    ServiceStartsAtMidnight = "service_starts_at_midnight",
    /// Answered with a conversation of 0.
    AnsweredForNoTime = "answered_for_no_time",
    /// Answered, but the agent is not named.
    AnsweredByUnnamed = "answered_by_unnamed",
    /// Two conversations of one agent overlap by more than a second.
    OverlappingServices = "overlapping_services",
    /// Hung up, yet a conversation is recorded; the conversation is ignored.
    HungUpWithService = "hung_up_with_service",
    /// Hung up, yet an agent is named; the agent is ignored.
    HungUpWithAgent = "hung_up_with_agent",
    /// The customer's id is not a number (`6.02E+11`), so it identifies nobody and is ignored.
    CustomerNotANumber = "customer_not_a_number",
    /// Answered at once, and the customer is not identified.
    AnsweredAtOnceUnidentified = "answered_at_once_unidentified",
    /// The value that names the queue is not listed in the mapping.
    UnlistedQueue = "unlisted_queue",
}

impl Quirk {
    /// Whether the importer chose what the events say, so that the events must say so.
    pub(super) const fn is_noted(self) -> bool {
        matches!(
            self,
            Self::BlanksForDelimiter
                | Self::NegativeFlowTime
                | Self::ServiceStartAbsent
                | Self::ServiceStartsAtMidnight
                | Self::HungUpWithService
                | Self::HungUpWithAgent
                | Self::CustomerNotANumber
                | Self::UnlistedQueue
        )
    }
}

/// The quirks of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quirks(u32);

impl Quirks {
    pub(super) const fn add(&mut self, quirk: Quirk) {
        self.0 |= 1 << quirk as u32;
    }

    pub(super) const fn add_if(&mut self, condition: bool, quirk: Quirk) {
        if condition {
            self.add(quirk);
        }
    }

    pub(super) const fn has(self, quirk: Quirk) -> bool {
        self.0 & (1 << quirk as u32) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.iter().copied().filter(move |quirk| self.has(*quirk))
    }
}

/// Quirks counted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuirkCounts(BTreeMap<Quirk, u64>);

impl QuirkCounts {
    pub(super) fn add(&mut self, quirk: Quirk, count: u64) {
        if count > 0 {
            *self.0.entry(quirk).or_default() += count;
        }
    }

    pub(super) fn add_row(&mut self, quirks: Quirks) {
        for quirk in quirks.iter() {
            self.add(quirk, 1);
        }
    }

    /// How often a quirk occurred.
    #[must_use]
    pub fn of(&self, quirk: Quirk) -> u64 {
        self.0.get(&quirk).copied().unwrap_or(0)
    }

    /// The quirks that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Quirk, u64)> + '_ {
        self.0.iter().map(|(quirk, count)| (*quirk, *count))
    }
}
