//! A session of the dashboard, looked at before the call that it is for.

use agentadmit_protocol::secret::SecretHash;
use agentadmit_store::verbs::auth::session_of;
use agentadmit_store::verbs::dashboard::NoteUse;

use crate::engine::{Engine, Lane, now};
use crate::error::EngineError;

impl Engine {
    /// Notes that a session is used, where that is due. The call itself decides about it, in its own
    /// transaction.
    ///
    /// # Errors
    /// `unauthenticated`, or the store's.
    pub async fn use_session(&self, cookie: SecretHash) -> Result<(), EngineError> {
        let clock = self.clock();
        let is_due = self
            .read("use_session", move |views| {
                let now = now(views, &*clock)?;
                let session = session_of(views, &cookie, now)?;
                Ok(session.map(|session| session.is_to_be_noted(now)))
            })
            .await?
            .map_err(EngineError::Refused)?;
        if is_due {
            self.call(Lane::Reserved, NoteUse { cookie }).await?;
        }
        Ok(())
    }
}
