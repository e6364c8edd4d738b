//! The steps of a random sequence that OAuth clients take.

use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::secret::{Secret, SecretHash};
use agentadmit_protocol::settings::{Resource, Settings};

use super::clients::{Page, ask, bind_by, client, come_back, exchange_of, refresh, request, yes};
use super::player::{back, chosen, nothing, said};
use super::sequence::{Op, USERS, Who};
use crate::record::Origin;
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::auth::AppCredential;
use crate::verbs::consent::{ConsentOutcome, DecideConsent, DecidedConsent, Decision};
use crate::verbs::oauth::request::AuthorizationAsk;
use crate::verbs::oauth::token::RevokeGrant;
use crate::verbs::verify::{PresentedToken, Verify};

/// What clients of a sequence hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Clients {
    codes: Vec<SecretHash>,
    held: Vec<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    who: Who,
    access: SecretHash,
    /// All that there were, the newest last.
    refresh: Vec<Secret>,
}

/// Both environments of an app of a sequence, each under an address of its own.
pub(super) fn settings(app: usize, settings: Settings) -> Settings {
    let resources = [false, true].map(|live| Resource {
        uri: resource(Who { app, live }).parse().unwrap(),
        environment: if live { Environment::Live } else { Environment::Test },
    });
    let login_url = Some("https://shop.example/login".parse().unwrap());
    Settings { resources: resources.to_vec(), login_url, ..settings }
}

fn resource(who: Who) -> String {
    format!("https://app{}.example/{}", who.app, if who.live { "live" } else { "test" })
}

impl Clients {
    /// One step, by whoever has this key.
    pub(super) fn step(
        &mut self,
        tx: &mut Tx<'_>,
        op: &Op,
        credential: impl Fn(Who) -> AppCredential,
    ) -> Result<String, StoreError> {
        match *op {
            Op::ClientAsks { who, user, scopes } => {
                self.ask(tx, who, user, scopes, credential(who))
            }
            Op::ClientExchanges { nth, who, thief } => {
                let Some(number) = back(nth, self.codes.len()) else { return nothing() };
                let mut exchange = exchange_of(self.codes[number]);
                exchange.presentation.resource = None;
                if thief {
                    exchange.presentation.client_id = client("thief").id;
                }
                let answer = exchange.run(tx)?;
                if let Ok(made) = &answer {
                    let access = made.tokens.access.hash();
                    self.held.push(Held {
                        who,
                        access,
                        refresh: vec![made.tokens.refresh.clone()],
                    });
                }
                said(&answer)
            }
            Op::ClientRefreshes { nth, ago } => {
                let Some(number) = back(nth, self.held.len()) else { return nothing() };
                let held = &mut self.held[number];
                let Some(which) = back(ago, held.refresh.len()) else { return nothing() };
                let answer = refresh(&held.refresh[which]).run(tx)?;
                if let Ok(made) = &answer {
                    held.access = made.tokens.access.hash();
                    let next = made.tokens.refresh.clone();
                    if held.refresh.iter().all(|known| known.hash() != next.hash()) {
                        held.refresh.push(next);
                    }
                }
                said(&answer)
            }
            Op::ClientCalls { nth, stranger, scopes } => {
                let Some(number) = back(nth, self.held.len()) else { return nothing() };
                let held = &self.held[number];
                let verify = Verify {
                    credential: credential(stranger.unwrap_or(held.who)),
                    token: PresentedToken::Access(held.access),
                    scope_used: chosen(scopes),
                    introspection: false,
                    origin: Origin::default(),
                };
                said(&verify.run(tx)?)
            }
            Op::ClientRevokes { nth } => {
                let Some(number) = back(nth, self.held.len()) else { return nothing() };
                let (client_id, token) = (Some(client("agent").id), self.held[number].access);
                said(&RevokeGrant { client_id, token, origin: Origin::default() }.run(tx)?)
            }
            _ => nothing(),
        }
    }

    /// From the request to the user's decision; 0 scopes are a no.
    fn ask(
        &mut self,
        tx: &mut Tx<'_>,
        who: Who,
        user: usize,
        scopes: u8,
        credential: AppCredential,
    ) -> Result<String, StoreError> {
        let ask =
            AuthorizationAsk { resource: resource(who).parse().unwrap(), scopes: vec![], ..ask() };
        let requested = match request(&ask).run(tx)? {
            Ok(requested) => requested,
            refused => return said(&refused),
        };
        let app_id = requested.request.tenant.app_id;
        let bound = match bind_by(credential, app_id, &requested.request, USERS[user]).run(tx)? {
            Ok(bound) => bound,
            refused => return said(&refused),
        };
        let entered = match come_back(&requested, &bound).run(tx)? {
            Ok(entered) => entered,
            refused => return said(&refused),
        };
        let page = Page { id: entered.session.id, cookie: entered.cookie.hash() };
        let mut decide = yes(page, &[]);
        match &mut decide.decision {
            Decision::Grant { scopes: names, .. } if scopes > 0 => *names = chosen(scopes),
            decision => *decision = Decision::Deny,
        }
        let answer = DecideConsent::run(&decide, tx)?;
        if let Ok(DecidedConsent { outcome: ConsentOutcome::Authorized { code, .. }, .. }) = &answer
        {
            self.codes.extend(code.as_ref().map(Secret::hash));
        }
        said(&answer)
    }
}
