//! The operator API: `/v1/operator/…` (PROTOCOL, Operator API).

pub(crate) mod accounts;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod connections;
pub(crate) mod health;
pub(crate) mod invites;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod operators;
pub(crate) mod overview;
pub(crate) mod public_keys;
mod rsa;
pub(crate) mod scopes;
pub(crate) mod sessions;

use agentadmit_core::account::Need;
use agentadmit_core::refusal::Refusal;
use agentadmit_engine::verbs::Answered;
use agentadmit_engine::verbs::auth::OperatorCredential;
use agentadmit_engine::verbs::members::require_keeper;
use agentadmit_engine::{StoreError, Views};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::time::Timestamp;

use crate::error::Answer;
use crate::state::ServiceState;

/// Asks something for an operator who is not limited to plans.
async fn ask<R: Send + 'static>(
    state: &ServiceState,
    credential: OperatorCredential,
    name: &'static str,
    question: impl Fn(&mut dyn Views, Timestamp) -> Result<Answered<R>, StoreError> + Send + 'static,
) -> Answer<R> {
    let answer =
        state.engine().ask_as_operator(
            credential,
            name,
            move |views, operator, now| match operator.require_full() {
                Ok(()) => question(views, now),
                Err(refusal) => Ok(Err(refusal)),
            },
        );
    Ok(answer.await?)
}

/// Asks something about an app, for an operator who is not limited to plans or for a member of it.
async fn ask_about<R: Send + 'static>(
    state: &ServiceState,
    credential: OperatorCredential,
    name: &'static str,
    app_id: AppId,
    question: impl Fn(&mut dyn Views, Timestamp) -> Result<Answered<R>, StoreError> + Send + 'static,
) -> Answer<R> {
    ask_within(state, credential, name, Some(app_id), question).await
}

/// Asks something of one app or of all: a developer must name one, of which the account is a member.
async fn ask_within<R: Send + 'static>(
    state: &ServiceState,
    credential: OperatorCredential,
    name: &'static str,
    app_id: Option<AppId>,
    question: impl Fn(&mut dyn Views, Timestamp) -> Result<Answered<R>, StoreError> + Send + 'static,
) -> Answer<R> {
    let asked = state.engine().ask_as_operator(credential, name, move |views, who, now| {
        let may = match (app_id, who.account_id()) {
            (Some(app_id), Some(_)) => require_keeper(views, who, app_id, Need::Read)?,
            (None, Some(_)) => Err(which_app()),
            (_, None) => who.require_full(),
        };
        match may {
            Ok(()) => question(views, now),
            Err(refusal) => Ok(Err(refusal)),
        }
    });
    Ok(asked.await?)
}

/// Nothing is asked across apps by who is a member of some.
fn which_app() -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, "name one of your apps: only an operator sees them all")
        .field("app_id")
}
