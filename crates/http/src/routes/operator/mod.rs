//! The operator API: `/v1/operator/…` (PROTOCOL, Operator API).

pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod connections;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod operators;
pub(crate) mod public_keys;
mod rsa;

use agentadmit_engine::verbs::Answered;
use agentadmit_engine::verbs::auth::OperatorCredential;
use agentadmit_engine::{StoreError, Views};
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
