//! The organizations behind the HTTP doors, and the state all routers share.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use ledgerline_access::TokenIssuer;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::log::EventReader;
use ledgerline_schemas::id::OrgId;

use crate::chat::{ChatEdge, ChatSettings};
use crate::desktop::PushHub;
use crate::http::port::EnginePort;

/// One organization as its HTTP doors see it.
#[derive(Clone)]
pub struct Organization {
    /// The organization.
    pub org_id: OrgId,
    /// Its engine.
    pub engine: Arc<dyn EnginePort>,
    /// Its log.
    pub reader: Arc<dyn EventReader>,
    /// Keys of personal data.
    pub keys: KeyRing,
    /// Pushes to its desktops.
    pub pushes: Arc<PushHub>,
    /// Its chats.
    pub chats: Arc<ChatEdge>,
}

impl std::fmt::Debug for Organization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Organization({})", self.org_id)
    }
}

impl Organization {
    /// The doors of one organization.
    #[must_use]
    pub fn new(
        org_id: OrgId,
        engine: Arc<dyn EnginePort>,
        reader: Arc<dyn EventReader>,
        keys: KeyRing,
        settings: ChatSettings,
    ) -> Arc<Self> {
        let chats = ChatEdge::new(org_id, engine.clone(), reader.clone(), keys.clone(), settings);
        let pushes = Arc::new(PushHub::after(reader.head()));
        Arc::new(Self { org_id, engine, reader, keys, pushes, chats })
    }
}

/// State of every router here: who may come in, and to which organization.
#[derive(Debug)]
pub struct Doors {
    issuer: TokenIssuer,
    organizations: RwLock<BTreeMap<OrgId, Arc<Organization>>>,
}

impl Doors {
    /// Doors that trust tokens of `issuer`, with no organization yet.
    #[must_use]
    pub fn new(issuer: TokenIssuer) -> Arc<Self> {
        Arc::new(Self { issuer, organizations: RwLock::default() })
    }

    /// Opens the doors of an organization, or replaces them.
    pub fn add(&self, organization: Arc<Organization>) {
        self.organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(organization.org_id, organization);
    }

    /// An organization that is served here.
    #[must_use]
    pub fn organization(&self, org_id: OrgId) -> Option<Arc<Organization>> {
        self.organizations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&org_id)
            .map(Arc::clone)
    }

    /// The organization, if exactly one is served.
    #[must_use]
    pub fn only_organization(&self) -> Option<Arc<Organization>> {
        let organizations = self.organizations.read().unwrap_or_else(PoisonError::into_inner);
        match organizations.len() {
            1 => organizations.values().next().map(Arc::clone),
            _ => None,
        }
    }

    pub(crate) const fn issuer(&self) -> &TokenIssuer {
        &self.issuer
    }
}
