//! What checks share: the subject, the way to it, and what earlier checks have learned.

use std::collections::BTreeMap;

use agentadmit_protocol::api::health::OperatorHealth;
use agentadmit_protocol::api::public_keys::{JwksAnswer, PublicJwk};
use agentadmit_protocol::secret::{Secret, SecretKind};
use serde_json::Value;
use url::Url;

use super::report::Outcome;
use super::subject::Subject;
use super::wire::{Ask, NoReply, Reply, Wire};
use crate::args::Doctor;
use crate::client::Transport;
use crate::exit::Failure;

/// What must be there, and well enough, for a check to say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// A service that answers.
    Service,
    /// An API key.
    Key,
    /// Headers that arrive at the service, and a key that it knows.
    GoodKey,
    /// The app's id.
    AppId,
    /// A key that is the configured app's.
    OwnKey,
    /// A configuration with a catalogue.
    Catalogue,
    /// An app that answers.
    App,
    /// Its discovery document.
    Document,
    /// A discovery document with the right addresses and the right app in it.
    RightDocument,
    /// Headers that arrive at the app.
    AppHeader,
    /// An operator token, or the store itself.
    Operator,
    /// What the service says of itself to an operator.
    Health,
}

/// An examination under way.
pub(super) struct Exam {
    pub(super) args: Doctor,
    pub(super) subject: Subject,
    pub(super) wire: Wire,
    pub(super) operator: Option<Transport>,
    /// A well-formed access token that no service ever issued.
    pub(super) dead_token: Secret,
    /// The service's first answer.
    pub(super) service_hello: Option<Result<Reply, NoReply>>,
    /// The service's verdict about the dead token.
    pub(super) verdict: Option<Reply>,
    /// The app's first answer: that with its discovery document.
    pub(super) app_hello: Option<Result<Reply, NoReply>>,
    /// The app's discovery document.
    pub(super) document: Option<Value>,
    /// The app's answer to the dead token where nobody but its users may go.
    pub(super) app_refusal: Option<Reply>,
    /// What the service says of itself to an operator.
    pub(super) health: Option<OperatorHealth>,
    missing: BTreeMap<Part, String>,
}

impl Exam {
    pub(super) fn new(args: Doctor, subject: Subject) -> Result<Self, Failure> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| {
            Failure::could_not(format!("the system gives no randomness: {error}"))
        })?;
        Ok(Self {
            wire: Wire::new(subject.settings.ca_file.as_deref())?,
            args,
            operator: None,
            dead_token: Secret::mint(SecretKind::AccessToken, random),
            service_hello: None,
            verdict: None,
            app_hello: None,
            document: None,
            app_refusal: None,
            health: None,
            missing: BTreeMap::new(),
            subject,
        })
    }

    /// Before the first check: parts that nobody gave.
    pub(super) fn note_what_is_missing(&mut self) {
        let subject = &self.subject;
        let has_catalogue = !subject.settings.scopes.is_empty();
        let parts = [
            (Part::Key, subject.key().is_some(), "no API key: set AGENTADMIT_API_KEY"),
            (
                Part::AppId,
                subject.app_id().is_some(),
                "no app_id in a configuration (--config FILE)",
            ),
            (Part::Catalogue, has_catalogue, "no scopes in a configuration (--config FILE)"),
            (Part::App, subject.app().is_some(), "no --app URL, and no public_url"),
            (
                Part::Operator,
                self.operator.is_some(),
                "no operator token (AGENTADMIT_OPERATOR_TOKEN) and no --store",
            ),
        ];
        for (part, is_there, why) in parts {
            if !is_there {
                self.block(part, why);
            }
        }
    }

    /// Why a check that needs these parts cannot say anything.
    pub(super) fn in_the_way(&self, needs: &[Part]) -> Option<&str> {
        needs.iter().find_map(|part| self.missing.get(part)).map(String::as_str)
    }

    /// Checks that need this part are not made.
    pub(super) fn block(&mut self, part: Part, why: impl Into<String>) {
        self.missing.entry(part).or_insert_with(|| why.into());
    }

    /// The same, after a check that found what is wrong.
    pub(super) fn block_after(&mut self, part: Part, id: &str, outcome: Outcome) -> Outcome {
        self.block(part, format!("see {id}"));
        outcome
    }

    /// An address of the service.
    pub(super) fn at_service(&self, path: &str) -> Url {
        below(self.subject.service(), path)
    }

    /// An address of the app.
    pub(super) fn at_app(&self, path: &str) -> Url {
        below(self.subject.app().unwrap_or(self.subject.service()), path)
    }

    /// The keys that the service has registered for an app; an error says why it does not tell.
    pub(super) async fn registered_keys(&self, app_id: &str) -> Result<Vec<PublicJwk>, String> {
        let url = self.at_service(&format!("/v1/apps/{app_id}/jwks"));
        let reply =
            self.wire.send(Ask::get(url)).await.map_err(|error| error.words().to_owned())?;
        match reply.json().and_then(|body| serde_json::from_value::<JwksAnswer>(body).ok()) {
            Some(known) if reply.is(200) => Ok(known.keys),
            _ if reply.is(404) => Ok(Vec::new()),
            _ => Err(format!("the service answers {} for the app's keys", reply.words())),
        }
    }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// A member of an object as text; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
