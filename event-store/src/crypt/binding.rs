//! What a sealed value is bound to besides its organization, its key and its person.

use ledgerline_schemas::id::InteractionId;

/// What a sealed value means. Closed: a new meaning is a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Where an interaction comes from: a caller's number, the name a visitor gave.
    Origin,
    /// What a party said: the text of a message, keys or a line entered in a menu.
    Said,
    /// Network address of a refused request.
    Source,
}

impl Purpose {
    /// Name, as it goes into the associated data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Said => "said",
            Self::Source => "source",
        }
    }
}

/// The place a value is sealed for. It has to be said again to open the value: a value that was copied into
/// another interaction or another kind of field does not open there.
///
/// The version of the event is not part of it: a value is sealed before the event exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// What it means.
    pub purpose: Purpose,
    /// The interaction whose stream it goes to; none for facts outside of interactions.
    pub interaction: Option<InteractionId>,
}

impl Binding {
    /// Where this interaction comes from.
    #[must_use]
    pub const fn origin(interaction: InteractionId) -> Self {
        Self { purpose: Purpose::Origin, interaction: Some(interaction) }
    }

    /// Something said in this interaction.
    #[must_use]
    pub const fn said(interaction: InteractionId) -> Self {
        Self { purpose: Purpose::Said, interaction: Some(interaction) }
    }

    /// Where a refused request came from.
    #[must_use]
    pub const fn source() -> Self {
        Self { purpose: Purpose::Source, interaction: None }
    }
}
