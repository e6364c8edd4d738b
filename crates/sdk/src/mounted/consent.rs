//! `POST /consent-sessions`: the hosted page, opened for the user who is signed in.

use agentadmit_protocol::RedirectUri;
use agentadmit_protocol::api::consent::{
    ConsentSessionRequest, Locale, OfferedDuration, PromptTemplate,
};
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::text::Text;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::rules::{Signed, for_user, of_service};
use super::user::{check_scopes, label_of};
use super::{Call, answer};
use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::refusal::Refused;

/// What a page of the app asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenConsent {
    #[serde(default)]
    scopes: Option<Vec<ScopeName>>,
    #[serde(default)]
    preselected: Option<Vec<ScopeName>>,
    #[serde(default)]
    connection_id: Option<ConnectionId>,
    #[serde(default)]
    add_scopes: Option<Vec<ScopeName>>,
    #[serde(default)]
    duration_seconds: Option<i64>,
    #[serde(default)]
    purpose: Option<Text>,
    #[serde(default)]
    return_url: Option<RedirectUri>,
    #[serde(default)]
    locale: Option<Locale>,
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// `POST /consent-sessions`. The user is offered what they may grant and nothing else; whose
    /// connection it is, the service compares.
    pub(super) async fn open_consent(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        let Signed { user, id } = self.signed_in(call).await?;
        let asked: OpenConsent = call.json()?;
        let grantable = self.grantable(&user).await;
        let mut request = ConsentSessionRequest {
            on_behalf_of: for_user(&id),
            user_id: Some(id),
            connection_id: asked.connection_id,
            duration_seconds: asked.duration_seconds,
            purpose: asked.purpose,
            return_url: asked.return_url,
            locale: asked.locale,
            preselected: asked.preselected.unwrap_or_default(),
            add_scopes: asked.add_scopes.unwrap_or_default(),
            scopes: asked.scopes.unwrap_or_default(),
            ..ConsentSessionRequest::default()
        };
        if !request.add_scopes.is_empty() {
            check_scopes(&request.add_scopes, &grantable)
                .map_err(|refused| refused.of_field("add_scopes"))?;
        }
        if request.connection_id.is_none() {
            if request.scopes.is_empty() {
                request.scopes = grantable.iter().map(|scope| scope.name.clone()).collect();
            }
            check_scopes(&request.scopes, &grantable)?;
            request.user_label = label_of(&user);
            request.durations = self.own_durations();
            request.prompt_templates = self.templates_for(&request.scopes);
        }
        let opened = self.client().open_consent(&request).await;
        Ok(answer(StatusCode::CREATED, &opened.map_err(|error| of_service(&error))?))
    }

    /// The durations that the app names; without any the page has its own list.
    fn own_durations(&self) -> Vec<OfferedDuration> {
        let mut offered: Vec<OfferedDuration> = Vec::new();
        for own in &self.settings().durations {
            let seconds = own.seconds.map(i64::from);
            if offered.iter().all(|earlier| earlier.seconds != seconds) {
                offered.push(OfferedDuration { label: Some(own.label.clone()), seconds });
            }
        }
        offered
    }

    /// The app's texts that need nothing but these scopes.
    fn templates_for(&self, scopes: &[ScopeName]) -> Vec<PromptTemplate> {
        let is_enough =
            |template: &&PromptTemplate| template.scopes.iter().all(|name| scopes.contains(name));
        self.settings().prompt_templates.iter().filter(is_enough).cloned().collect()
    }
}
