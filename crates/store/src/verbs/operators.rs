//! Operators: whoever runs the service (PROTOCOL, operator API).

use agentadmit_core::Refusal;
use agentadmit_core::credential::Operator;
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::OperatorId;
use agentadmit_protocol::secret::{Secret, SecretHash, SecretKind};
use agentadmit_protocol::time::Timestamp;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AuthenticatedOperator, OperatorCredential};
use crate::verbs::{Answered, Verb, granted};

/// The most operators that are good at a time.
pub const MAX_OPERATORS: usize = 1_000;

/// Makes an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOperator {
    /// The operator who does it.
    pub credential: OperatorCredential,
    /// A name for people.
    pub name: Option<String>,
    /// `true` for a token that may set plans and nothing else.
    pub billing_only: bool,
    /// Its end.
    pub expires_at: Option<Timestamp>,
    /// Where the call came from.
    pub origin: Origin,
}

/// An operator with a token that is shown this once.
#[derive(Debug)]
pub struct CreatedOperator {
    /// The operator.
    pub operator: Operator,
    /// The token.
    pub token: Secret,
}

impl Verb for CreateOperator {
    type Answer = Answered<CreatedOperator>;
    const NAME: &'static str = "create_operator";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.full_operator(&self.credential)?);
        if self.expires_at.is_some_and(|end| end <= tx.now) {
            return Ok(Err(Refusal::new(
                ErrorCode::UnprocessableRequest,
                "the end of the token lies in the past",
            )
            .field("expires_at")));
        }
        let now = tx.now;
        let good = tx.rows.operators()?.iter().filter(|known| known.is_good(now)).count();
        if good >= MAX_OPERATORS {
            return Ok(Err(Refusal::new(
                ErrorCode::Conflict,
                "there are 1000 operators: revoke some first",
            )));
        }
        let token = tx.writer.mint(SecretKind::OperatorToken);
        let operator = Operator {
            id: OperatorId::v7(tx.now, tx.writer.random_id()),
            name: self.name.clone(),
            billing_only: self.billing_only,
            hash: token.hash(),
            created_at: tx.now,
            expires_at: self.expires_at,
            revoked_at: None,
        };
        tx.rows.put_operator(&operator)?;
        tx.record(entry(AuditEvent::OperatorCreated, by.actor(), &operator, &self.origin)?)?;
        Ok(Ok(CreatedOperator { operator, token }))
    }
}

/// Makes the first operator from a token that the environment gave (`AGENTADMIT_OPERATOR_TOKEN`).
/// It counts only in a store that never had an operator; otherwise nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptFirstOperator {
    /// The hash of the token.
    pub hash: SecretHash,
}

impl Verb for AdoptFirstOperator {
    type Answer = Option<Operator>;
    const NAME: &'static str = "adopt_first_operator";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        if !tx.rows.operators()?.is_empty() {
            return Ok(None);
        }
        let operator = Operator {
            id: OperatorId::v7(tx.now, tx.writer.random_id()),
            name: Some("first".to_owned()),
            billing_only: false,
            hash: self.hash,
            created_at: tx.now,
            expires_at: None,
            revoked_at: None,
        };
        tx.rows.put_operator(&operator)?;
        let origin = Origin::default();
        tx.record(entry(AuditEvent::OperatorCreated, Actor::System, &operator, &origin)?)?;
        Ok(Some(operator))
    }
}

/// Replaces an operator's token; the old one is dead when the answer leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateOperator {
    /// The operator who does it.
    pub credential: OperatorCredential,
    /// Whose token is replaced.
    pub operator_id: OperatorId,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RotateOperator {
    type Answer = Answered<CreatedOperator>;
    const NAME: &'static str = "rotate_operator";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.full_operator(&self.credential)?);
        let known = tx.rows.operator_by_id(self.operator_id)?;
        let Some(before) = known.filter(|known| known.is_good(tx.now)) else {
            return Ok(Err(Refusal::not_found("operator")));
        };
        let token = tx.writer.mint(SecretKind::OperatorToken);
        let operator = Operator { hash: token.hash(), ..before };
        tx.rows.put_operator(&operator)?;
        tx.record(entry(AuditEvent::OperatorRotated, by.actor(), &operator, &self.origin)?)?;
        Ok(Ok(CreatedOperator { operator, token }))
    }
}

/// Ends an operator. The last one who may do everything stays, except for the command line on the
/// machine: nobody shall lock everybody out by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeOperator {
    /// The operator who does it.
    pub credential: OperatorCredential,
    /// Who is ended.
    pub operator_id: OperatorId,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RevokeOperator {
    type Answer = Answered<Operator>;
    const NAME: &'static str = "revoke_operator";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.full_operator(&self.credential)?);
        let Some(before) = tx.rows.operator_by_id(self.operator_id)? else {
            return Ok(Err(Refusal::not_found("operator")));
        };
        if before.revoked_at.is_some() {
            return Ok(Ok(before));
        }
        let now = tx.now;
        let others = tx.rows.operators()?;
        let others = others
            .iter()
            .filter(|known| known.id != before.id && known.is_good(now) && !known.billing_only);
        if by != AuthenticatedOperator::Local && others.count() == 0 {
            return Ok(Err(Refusal::new(
                ErrorCode::Conflict,
                "this is the last operator: make another one first, or revoke it on the machine",
            )));
        }
        let operator = Operator { revoked_at: Some(tx.now), ..before };
        tx.rows.put_operator(&operator)?;
        tx.record(entry(AuditEvent::OperatorRevoked, by.actor(), &operator, &self.origin)?)?;
        Ok(Ok(operator))
    }
}

fn entry(
    event: AuditEvent,
    actor: Actor,
    operator: &Operator,
    origin: &Origin,
) -> Result<Entry, StoreError> {
    let details = details([
        ("operator_id", operator.id.to_string().into()),
        ("name", operator.name.clone().into()),
        ("billing_only", operator.billing_only.into()),
    ])?;
    Ok(Entry::new(event, actor).details(details).origin(origin))
}
