//! What a principal may see, asked of the newest configuration.

use std::sync::Arc;

use ledgerline_access::{Action, Principal};
use ledgerline_projections::Rights;
use ledgerline_projections::rights::Directory;
use ledgerline_schemas::config::Module;
use ledgerline_schemas::id::InteractionId;
use tokio_util::sync::CancellationToken;

use crate::analyzer::AnalyzerState;
use crate::error::QueryError;
use crate::past::Tables;
use crate::session::SqlSession;

impl AnalyzerState {
    /// The rights of a principal now, whatever moment it asks about.
    ///
    /// # Errors
    /// [`QueryError::NotAllowed`] when a user profile grants nothing at all; [`QueryError::NotReady`].
    pub(crate) async fn rights(&self, principal: &Principal) -> Result<Rights, QueryError> {
        if !principal.may_be_limited() {
            return Ok(Rights::Whole);
        }
        let wait = self.engine.limits().freshness_wait;
        let snapshot = self.ports.snapshots.snapshot(principal.org_id, wait).await;
        let snapshot =
            snapshot.ok_or_else(|| QueryError::NotReady(principal.org_id.to_string()))?;
        Rights::of(principal, &Directory::of(&snapshot))
            .map_err(|nothing| QueryError::NotAllowed(nothing.to_string()))
    }

    /// The rights of a principal at a door to single interactions, if it is open. A refusal is recorded.
    ///
    /// # Errors
    /// As [`AnalyzerState::rights`]; [`QueryError::NotAllowed`] also when the module is closed, or when the door
    /// would show what is masked.
    pub(crate) async fn enter(
        &self,
        principal: &Principal,
        module: Module,
        action: Action,
    ) -> Result<Rights, QueryError> {
        let rights = self.rights(principal).await;
        let entered = rights.and_then(|rights| Self::is_open(&rights, module).map(|()| rights));
        if let Err(QueryError::NotAllowed(reason)) = &entered {
            self.record_denied(principal, action.name(), reason).await;
        }
        entered
    }

    fn is_open(rights: &Rights, module: Module) -> Result<(), QueryError> {
        let name = module.name();
        if !rights.opens(module) {
            return Err(QueryError::NotAllowed(format!(
                "the user profile does not open the module {name}"
            )));
        }
        if rights.limits().is_some_and(|limited| limited.masks_any()) {
            return Err(QueryError::NotAllowed(format!(
                "the user profile masks columns, and {name} would show them"
            )));
        }
        Ok(())
    }

    /// Whether an interaction is shown to whoever has these rights: the same rows answer as in SQL.
    ///
    /// # Errors
    /// [`QueryError`] when the tables cannot be asked.
    pub(crate) async fn shows(
        &self,
        principal: &Principal,
        rights: &Rights,
        interaction: InteractionId,
    ) -> Result<bool, QueryError> {
        let Some(limited) = rights.limits().filter(|limited| !limited.sees_all_rows()) else {
            return Ok(true);
        };
        let rights = Rights::Limited(Arc::new(limited.with_all_modules()));
        let wait = self.engine.limits().freshness_wait;
        let snapshot = self.ports.snapshots.snapshot(principal.org_id, wait).await;
        let snapshot =
            snapshot.ok_or_else(|| QueryError::NotReady(principal.org_id.to_string()))?;
        let clockwork = self.engine.clockwork(CancellationToken::new());
        let (engine, principal) = (self.engine.clone(), principal.clone());
        let planning = self.engine.compute(async move {
            let session =
                SqlSession::open(&engine, &snapshot, &Tables::default(), &principal, &rights, 0)?;
            // An id in its own form: nothing in it can end the literal.
            let sql = format!(
                "SELECT 1 FROM public.customer_session WHERE interaction_id = '{interaction}'"
            );
            let plan = session.plan_text(&sql).await?;
            Ok((Arc::new(session), plan))
        });
        let (session, plan) = clockwork.bound(planning).await??;
        let mut rows = self.engine.run(session, plan, clockwork).await?;
        while let Some(batch) = rows.next().await {
            if batch?.num_rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
