//! The message that a person hands to an agent, and texts to start one with.

use agentadmit_protocol::api::token::IssueAnswer;
use agentadmit_protocol::prompt::Message;
use agentadmit_protocol::scope::{Scope, ScopeName};
use serde::Serialize;

use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::settings::PromptTemplate;

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// The message of [`Message`], with this app's own addresses.
    pub(super) fn prompt(&self, issued: &IssueAnswer, catalogue: &[Scope]) -> String {
        let origin = &self.identity().origin;
        let message = Message {
            app: self.settings().name.as_ref().map_or(origin.as_str(), |name| name.as_str()),
            address: Some(origin.as_str()),
            exchange: &self.exchange_endpoint(),
            token: &issued.token,
            token_expires_at: issued.token_expires_at,
            expires_at: issued.expires_at,
            granted: &issued.scopes,
            catalogue,
        };
        message.to_text()
    }
}

/// `GET /prompt-templates`.
#[derive(Serialize)]
pub(super) struct Templates<'a> {
    prompt_templates: Vec<Template<'a>>,
}

#[derive(Serialize)]
struct Template<'a> {
    #[serde(flatten)]
    template: &'a PromptTemplate,
    /// What people fill in, in the order in which it stands there.
    fields: Vec<&'a str>,
}

pub(super) fn templates<'a>(all: &'a [PromptTemplate], grantable: &[Scope]) -> Templates<'a> {
    let may = |name: &ScopeName| grantable.iter().any(|scope| scope.name == *name);
    let prompt_templates = all
        .iter()
        .filter(|template| template.scopes.iter().all(may))
        .map(|template| Template { template, fields: template.fields() })
        .collect();
    Templates { prompt_templates }
}
