//! Who sees what: user profiles, and the collections of places that profiles share.
//!
//! A profile narrows what roles allow; it never gives anything. What it does not name is not seen.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::yes;
use crate::id::{EntryPointId, QueueId, ResourceCollectionId, SiteId, TeamId};

/// The word that stands for everything there is and will be.
const ALL: &str = "all";

/// Everything of a kind, or what is listed. In JSON `"all"` or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted<T> {
    /// Whatever there is, also what comes into being later.
    All,
    /// Only these; none if empty.
    Only(BTreeSet<T>),
}

impl<T> Default for Granted<T> {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl<T: Ord + Copy> Granted<T> {
    /// Whether one is granted.
    #[must_use]
    pub fn includes(&self, it: T) -> bool {
        match self {
            Self::All => true,
            Self::Only(these) => these.contains(&it),
        }
    }

    /// Whether everything is.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// What is listed; nothing for [`Granted::All`].
    pub fn listed(&self) -> impl Iterator<Item = T> + '_ {
        match self {
            Self::All => None,
            Self::Only(these) => Some(these.iter().copied()),
        }
        .into_iter()
        .flatten()
    }

    /// What either grants.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(mut these), Self::Only(those)) => {
                these.extend(those);
                Self::Only(these)
            }
            _ => Self::All,
        }
    }

    /// What both grant.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, other) => other.clone(),
            (these, Self::All) => these,
            (Self::Only(these), Self::Only(those)) => {
                Self::Only(these.intersection(those).copied().collect())
            }
        }
    }
}

impl<T: Serialize> Serialize for Granted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str(ALL),
            Self::Only(these) => these.serialize(serializer),
        }
    }
}

struct GrantedVisitor<T>(PhantomData<fn() -> T>);

impl<'de, T: Deserialize<'de> + Ord> Visitor<'de> for GrantedVisitor<T> {
    type Value = Granted<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{ALL}\" or a list")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == ALL {
            return Ok(Granted::All);
        }
        Err(E::custom(format!("is {text:?}, has to be \"{ALL}\" or a list")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut these = BTreeSet::new();
        while let Some(item) = items.next_element()? {
            if !these.insert(item) {
                return Err(A::Error::custom("the list names something twice"));
            }
        }
        Ok(Granted::Only(these))
    }
}

impl<'de, T: Deserialize<'de> + Ord> Deserialize<'de> for Granted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GrantedVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Granted<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Granted_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({
            "oneOf": [{"const": ALL}, {"type": "array", "uniqueItems": true, "items": item}],
        })
    }
}

/// Whom a profile is meant for. It is shown to people and gives no right: rights come from roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileType {
    /// Nobody in particular.
    #[default]
    Custom,
    /// Administrators.
    Administrator,
    /// Supervisors.
    Supervisor,
    /// Analysts.
    Analyst,
    /// Auditors.
    Auditor,
    /// Agents.
    Agent,
}

/// A part of what can be seen: tables, and the doors that show the same.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// Tables of interactions, agents and queues, past and present.
    Analyzer,
    /// Live tables, in SQL and as subscriptions.
    Live,
    /// Histories of interactions, and what is sealed in them.
    History,
    /// Checkpoints, proofs and evidence.
    Custody,
    /// Configuration and its history.
    Configuration,
    /// The log itself and who looked at what. Only with everything granted: the log knows no places.
    Audit,
}

impl Module {
    /// Every module.
    pub const ALL: [Self; 6] = [
        Self::Analyzer,
        Self::Live,
        Self::History,
        Self::Custody,
        Self::Configuration,
        Self::Audit,
    ];

    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analyzer => "analyzer",
            Self::Live => "live",
            Self::History => "history",
            Self::Custody => "custody",
            Self::Configuration => "configuration",
            Self::Audit => "audit",
        }
    }
}

const fn all_modules() -> Granted<Module> {
    Granted::All
}

/// What the users (and tokens, and database users) that have it may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserProfile {
    /// Name, unique among user profiles.
    pub name: String,
    /// Whom it is meant for.
    #[serde(default)]
    pub profile_type: ProfileType,
    /// Which parts; all if absent.
    #[serde(default = "all_modules")]
    pub modules: Granted<Module>,
    /// Sites; none if absent.
    #[serde(default)]
    pub sites: Granted<SiteId>,
    /// Teams, of the granted sites only; none if absent.
    #[serde(default)]
    pub teams: Granted<TeamId>,
    /// Queues; none if absent.
    #[serde(default)]
    pub queues: Granted<QueueId>,
    /// Entry points; none if absent.
    #[serde(default)]
    pub entry_points: Granted<EntryPointId>,
    /// What these collections list is granted too.
    #[serde(default)]
    pub resource_collections: BTreeSet<ResourceCollectionId>,
    /// Columns shown masked: `column` in every table that has it, or `table.column`.
    #[serde(default)]
    pub masked_columns: BTreeSet<String>,
    /// Switched on; switched off, it grants nothing.
    #[serde(default = "yes")]
    pub active: bool,
}

/// Places that several profiles grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceCollection {
    /// Name, unique among resource collections.
    pub name: String,
    /// Sites.
    #[serde(default)]
    pub sites: Granted<SiteId>,
    /// Teams.
    #[serde(default)]
    pub teams: Granted<TeamId>,
    /// Queues.
    #[serde(default)]
    pub queues: Granted<QueueId>,
    /// Entry points.
    #[serde(default)]
    pub entry_points: Granted<EntryPointId>,
    /// Switched on; switched off, it grants nothing.
    #[serde(default = "yes")]
    pub active: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Entity, EntityKind, User};
    use crate::document::Document;

    fn document(text: &str) -> Document {
        Document::from_value(&serde_json::from_str(text).expect("json")).expect("object")
    }

    #[test]
    fn what_is_not_named_is_not_granted() {
        let profile: UserProfile = document(r#"{"name": "P"}"#).parse().expect("profile");
        assert_eq!(profile.modules, Granted::All);
        assert_eq!(profile.queues, Granted::Only(BTreeSet::new()));
        assert!(!profile.sites.includes(SiteId::from_u128(1)) && profile.active);
    }

    #[test]
    fn everything_or_a_list_and_back() {
        let text = r#"{"active":true,"entry_points":"all","masked_columns":["agent_name"],"modules":["analyzer","live"],"name":"P","profile_type":"supervisor","queues":["00000000-0000-0000-0000-000000000001"],"resource_collections":[],"sites":[],"teams":"all"}"#;
        let profile: UserProfile = document(text).parse().expect("profile");
        assert!(profile.queues.includes(QueueId::from_u128(1)));
        assert!(!profile.queues.includes(QueueId::from_u128(2)));
        assert_eq!(Document::of(&profile).expect("document").as_str(), text);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (text, expected) in [
            (r#"{"name":"P","queues":"some"}"#, "\"some\""),
            (r#"{"name":"P","queues":["x"]}"#, "UUID"),
            (r#"{"name":"P","site":[]}"#, "unknown field `site`"),
            (r#"{"name":"P","modules":["sql"]}"#, "unknown variant `sql`"),
            (r#"{"name":"P","modules":["live","live"]}"#, "twice"),
            (r#"{"sites":"all"}"#, "missing field `name`"),
        ] {
            let error = document(text).parse::<UserProfile>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn grants_add_up_and_cut() {
        let only = |ids: &[u128]| {
            Granted::Only(ids.iter().map(|id| QueueId::from_u128(*id)).collect::<BTreeSet<_>>())
        };
        assert_eq!(only(&[1]).or(&only(&[2])), only(&[1, 2]));
        assert_eq!(only(&[1]).or(&Granted::All), Granted::All);
        assert_eq!(only(&[1, 2]).and(&only(&[2, 3])), only(&[2]));
        assert_eq!(only(&[1]).and(&Granted::All), only(&[1]));
        assert_eq!(Granted::All.and(&only(&[1])), only(&[1]));
        assert_eq!(only(&[1, 2]).listed().count(), 2);
        assert_eq!(Granted::<QueueId>::All.listed().count(), 0);
    }

    /// Logs from before profiles had a form hold documents of any shape under these kinds, and users without
    /// one.
    #[test]
    fn older_documents_are_read() {
        let user: User = document(r#"{"name":"ann"}"#).parse().expect("user");
        assert_eq!(user.user_profile_id, None);
        let loose = document(r#"{"name":"P","anything":{"goes":1}}"#);
        assert!(Entity::parse(EntityKind::UserProfile, &loose).is_err(), "no rights from it");
    }
}
