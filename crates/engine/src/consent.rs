//! What the hosted consent page shows, read on one snapshot.

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::app::{App, CatalogueScope};
use agentadmit_core::connection::Standing;
use agentadmit_core::consent::{self, ConsentSession, Question};
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_protocol::id::ConsentSessionId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::verbs::Answered;
use agentadmit_store::{StoreError, Views};

use crate::engine::{Engine, now};
use crate::error::EngineError;
use crate::query::{self, ConnectionView};

/// The most connections of the user that the page shows.
pub const SHOWN_CONNECTIONS: usize = 20;

/// A session as its page shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentPage {
    /// The session.
    pub session: ConsentSession,
    /// Whose it is.
    pub app: Arc<App>,
    /// The scopes that may be chosen and are still in the catalogue, as it describes them now.
    pub offered: Vec<CatalogueScope>,
    /// The connection that shall be allowed more, with what it holds now, as the catalogue
    /// describes it.
    pub widens: Option<(ConnectionView, Vec<CatalogueScope>)>,
    /// The user's connections to this app that have not ended, oldest first, at most
    /// [`SHOWN_CONNECTIONS`].
    pub connections: Vec<ConnectionView>,
    /// The request of an OAuth client that it belongs to, if it does.
    pub authorization: Option<AuthorizationRequest>,
    /// Whether a decision may come now.
    pub is_live: bool,
    /// The moment of the reading.
    pub now: Timestamp,
}

impl Engine {
    /// A session, for the browser that has it.
    ///
    /// # Errors
    /// `not_found`; `conflict` for another browser; the store's.
    pub async fn consent_page(
        &self,
        id: ConsentSessionId,
        cookie: Option<SecretHash>,
    ) -> Result<ConsentPage, EngineError> {
        let clock = self.clock();
        self.read("consent_page", move |views| {
            let now = now(views, &*clock)?;
            page(views, id, cookie.as_ref(), now)
        })
        .await?
        .map_err(EngineError::Refused)
    }
}

fn page(
    views: &mut dyn Views,
    id: ConsentSessionId,
    cookie: Option<&SecretHash>,
    now: Timestamp,
) -> Result<Answered<ConsentPage>, StoreError> {
    let Some(session) = views.consent_session(id)? else {
        return Ok(Err(Refusal::not_found("consent session")));
    };
    if !cookie.is_some_and(|cookie| session.is_of(cookie)) {
        return Ok(Err(consent::other_browser()));
    }
    let tenant = session.tenant;
    let Some(app) = views.app(tenant.app_id)? else {
        return Ok(Err(Refusal::not_found("consent session")));
    };
    let catalogue = views.catalogue(tenant)?;
    let described = |ids: &dyn Fn(u32) -> bool| -> Vec<CatalogueScope> {
        catalogue.iter().filter(|entry| ids(entry.id)).cloned().collect()
    };
    let offered = described(&|id| session.offered().iter().any(|scope| scope.id == id));
    let mut widens = None;
    if let Question::Widen { connection_id, .. } = session.question
        && let Some(connection) = views.connection(connection_id)?
    {
        let view = query::view(views, connection, now)?;
        let held = described(&|id| view.connection.scopes.iter().any(|scope| scope.id == id));
        widens = Some((view, held));
    }
    let mut connections = Vec::new();
    for id in views.live_connections_of(tenant, &session.user_id, SHOWN_CONNECTIONS)? {
        if let Some(connection) = views.connection(id)? {
            let view = query::view(views, connection, now)?;
            if matches!(view.standing, Standing::Pending | Standing::Active | Standing::Suspended) {
                connections.push(view);
            }
        }
    }
    let authorization = views.authorization_request(AuthorizationRequest::id_of(session.id))?;
    let is_live = session.is_live(&app, now);
    let page =
        ConsentPage { session, app, offered, widens, connections, authorization, is_live, now };
    Ok(Ok(page))
}
