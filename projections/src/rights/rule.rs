//! How each table's rows belong to sites, teams, queues and entry points.
//!
//! Who adds a table adds its rule: without one the table is not there for anybody whose rights are limited, and
//! a test fails.

use ledgerline_schemas::config::Module;

/// A condition on a row; all of a rule's have to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// The queue in `column` is granted. Without a queue the row belongs to none: it passes where `or_none` says.
    Queue {
        /// Column of the queue's id.
        column: &'static str,
        /// Whether a row without a queue passes.
        or_none: bool,
    },
    /// The entry point in `column` is granted.
    EntryPoint {
        /// Column of the entry point's id.
        column: &'static str,
    },
    /// The queue in `queue` is granted; without a queue, the entry point in `entry_point`.
    QueueOrEntryPoint {
        /// Column of the queue's id.
        queue: &'static str,
        /// Column of the entry point's id.
        entry_point: &'static str,
    },
    /// The site in `column` is granted with every team: the row counts all of them.
    WholeSite {
        /// Column of the site's id.
        column: &'static str,
    },
    /// Team and site are granted. Where the site is not known, the team's decides.
    Staff {
        /// Column of the team's id.
        team: &'static str,
        /// Column of the site's id, if there is one.
        site: Option<&'static str>,
        /// Column of the agent's id. Where it is given, a row without agent, team and site passes: nobody has
        /// had a hand in it yet.
        nobody_yet: Option<&'static str>,
    },
    /// The interaction in `column` is shown (see [`Test::Session`]).
    Interaction {
        /// Column of the interaction's id.
        column: &'static str,
        /// Whether a row without one passes.
        or_none: bool,
    },
    /// Of `customer_session`: a leg of it is shown; or it never entered a queue, its entry point is granted, and
    /// so are team and site of whoever had it in hand.
    Session,
    /// Of configuration: a site, team, queue or entry point that is granted, or of a kind that only gives names
    /// to codes and skills.
    Entity,
    /// Of `alerts`: the row that it is about would be shown, and nothing of what the alert tells of it is masked there.
    Alert,
    /// Every place is granted: the row belongs to none, or to too many.
    WholeOnly,
}

/// What a table shows to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The module that has to be open.
    pub module: Module,
    /// What has to hold for a row. Nothing: the table holds nothing of a place.
    pub tests: &'static [Test],
}

const fn queue(column: &'static str) -> Test {
    Test::Queue { column, or_none: false }
}

const fn staff(team: &'static str, site: &'static str) -> Test {
    Test::Staff { team, site: Some(site), nobody_yet: None }
}

const fn interaction(column: &'static str) -> Test {
    Test::Interaction { column, or_none: false }
}

const STAFF_OR_NOBODY: Test =
    Test::Staff { team: "team_id", site: Some("site_id"), nobody_yet: Some("agent_id") };
const QUEUE_OR_NONE: Test = Test::Queue { column: "queue_id", or_none: true };
const OF_INTERACTION: Test = interaction("interaction_id");

macro_rules! rules {
    ($($table:literal: $module:ident [$($test:expr),* $(,)?],)*) => {
        /// The rule of a table.
        #[must_use]
        pub fn rule(table: &str) -> Option<Rule> {
            Some(match table {
                $($table => Rule { module: Module::$module, tests: &const { [$($test),*] } },)*
                _ => return None,
            })
        }
    };
}

rules! {
    "access_log": Audit [Test::WholeOnly],
    "agent_activity": Analyzer [staff("team_id", "site_id"), QUEUE_OR_NONE],
    "agent_interval": Analyzer [staff("team_id", "site_id")],
    "agent_live": Live [staff("team_id", "site_id")],
    "agent_session": Analyzer [staff("team_id", "site_id")],
    "alerts": Live [Test::Alert],
    "callback": Analyzer [
        queue("queue_id"),
        Test::Interaction { column: "interaction_id", or_none: true },
        Test::Interaction { column: "call_interaction_id", or_none: true },
    ],
    "campaign_contact": Analyzer [OF_INTERACTION],
    "config_entity": Configuration [Test::Entity],
    "config_history": Configuration [Test::Entity],
    "customer_activity": Analyzer [OF_INTERACTION, QUEUE_OR_NONE, STAFF_OR_NOBODY],
    "customer_session": Analyzer [Test::Session],
    "entry_point_interval": Analyzer [Test::EntryPoint { column: "entry_point_id" }],
    "entry_point_live": Live [Test::EntryPoint { column: "entry_point_id" }],
    "event_log": Audit [Test::WholeOnly],
    "feedback": Analyzer [OF_INTERACTION],
    // Interactions of every queue and entry point are in its counts.
    "flow_live": Live [Test::WholeOnly],
    "flow_trace": Analyzer [OF_INTERACTION],
    "interaction_live": Live [
        Test::QueueOrEntryPoint { queue: "queue_id", entry_point: "entry_point_id" },
        STAFF_OR_NOBODY,
    ],
    "interval_current": Live [queue("queue_id")],
    "message": Analyzer [OF_INTERACTION, QUEUE_OR_NONE],
    "metric_definition": Analyzer [],
    "monitor_session": Analyzer [OF_INTERACTION],
    "offer": Analyzer [queue("queue_id"), staff("team_id", "site_id")],
    "queue_interval": Analyzer [queue("queue_id")],
    "queue_leg": Analyzer [queue("queue_id"), STAFF_OR_NOBODY],
    "queue_live": Live [queue("queue_id")],
    "recording": Analyzer [OF_INTERACTION, QUEUE_OR_NONE],
    "retention_status": Configuration [Test::WholeOnly],
    "routing_candidate": Analyzer [
        queue("queue_id"),
        Test::Staff { team: "team_id", site: None, nobody_yet: None },
    ],
    // Its lists name interactions of other queues and agents of other teams.
    "routing_decision": Analyzer [Test::WholeOnly],
    "routing_order": Analyzer [queue("queue_id"), OF_INTERACTION],
    "site_live": Live [Test::WholeSite { column: "site_id" }],
    "team_live": Live [staff("team_id", "site_id")],
}
