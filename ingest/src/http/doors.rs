//! The organizations behind the HTTP doors, and the state all routers share.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use ledgerline_access::Verifier;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::log::{EventReader, EventWriter, ReadError};
use ledgerline_routing_core::{Effect, EffectId};
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;
use tokio::sync::mpsc;

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
    /// Its log, for reading.
    pub reader: Arc<dyn EventReader>,
    /// Its log, for facts that are no decision of the engine's.
    pub log: Arc<dyn EventWriter>,
    /// Keys of personal data.
    pub keys: KeyRing,
    /// Pushes to its desktops.
    pub pushes: Arc<PushHub>,
    /// Its chats.
    pub chats: Arc<ChatEdge>,
    /// Head of the log when the doors were made.
    started_at: Position,
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
        log: Arc<dyn EventWriter>,
        keys: KeyRing,
        settings: ChatSettings,
    ) -> Arc<Self> {
        let reader: Arc<dyn EventReader> = log.clone();
        let chats = ChatEdge::new(org_id, engine.clone(), reader.clone(), keys.clone(), settings);
        let started_at = reader.head();
        let pushes = Arc::new(PushHub::after(started_at));
        Arc::new(Self { org_id, engine, reader, log, keys, pushes, chats, started_at })
    }

    /// Carries out the engine's effects on chats and desktops until the engine ends; first of all, chats
    /// of an earlier process wait for their customers again.
    pub async fn run(
        self: Arc<Self>,
        chats: mpsc::UnboundedReceiver<(EffectId, Effect)>,
        pushes: mpsc::UnboundedReceiver<(EffectId, Effect)>,
    ) {
        if let Err(error) = self.chats.resume().await {
            tracing::error!(org_id = %self.org_id, %error, "open chats could not be resumed");
        }
        let following = async {
            match self.chats.clone().follow(self.started_at).await {
                Ok(()) | Err(ReadError::Closed) => {}
                // Customers are then not told when they are queued or connected; messages still flow.
                Err(error) => {
                    tracing::error!(org_id = %self.org_id, %error, "chats no longer follow the log");
                }
            }
        };
        let carrying =
            async { tokio::join!(self.chats.clone().run(chats), self.pushes.clone().run(pushes)) };
        tokio::pin!(carrying);
        tokio::select! {
            _ = &mut carrying => {}
            () = following => {
                carrying.await;
            }
        }
    }
}

/// State of every router here: who may come in, and to which organization.
#[derive(Debug)]
pub struct Doors {
    verifier: Verifier,
    organizations: RwLock<BTreeMap<OrgId, Arc<Organization>>>,
}

impl Doors {
    /// Doors that trust the tokens that `verifier` does, with no organization yet.
    #[must_use]
    pub fn new(verifier: impl Into<Verifier>) -> Arc<Self> {
        Arc::new(Self { verifier: verifier.into(), organizations: RwLock::default() })
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

    pub(crate) const fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}
