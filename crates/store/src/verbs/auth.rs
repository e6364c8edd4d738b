//! Credentials, checked inside the transaction of the call that they are for: a revocation that was
//! answered holds for every call that starts after it.

use std::sync::Arc;

use agentadmit_core::Refusal;
use agentadmit_core::account::{self, Account};
use agentadmit_core::app::App;
use agentadmit_core::credential::{AppCaller, Operator};
use agentadmit_core::dashboard::{Holder, Session};
use agentadmit_protocol::audit::Actor;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AccountId, AppId};
use agentadmit_protocol::permission::Permission;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::{Answered, Verb, granted};
use crate::views::Views;

/// An app's credential as it was presented, already parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppCredential {
    /// The hash of an API key.
    ApiKey(SecretHash),
    /// A client assertion whose signature and claims were checked against a registered key.
    Assertion(Assertion),
}

/// What of a client assertion (RFC 7523) is decided inside the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// `iss` and `sub`.
    pub app_id: AppId,
    /// The key that signed it; it must still be registered.
    pub kid: String,
    /// The hash of its `jti`, spent by this transaction.
    pub jti: SecretHash,
    /// Until when the `jti` must be remembered.
    pub remember_until: Timestamp,
}

/// An app's credential that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedApp {
    /// Who calls, and what it may do.
    pub caller: AppCaller,
    /// Its app.
    pub app: Arc<App>,
}

impl AuthenticatedApp {
    /// The caller as records name it.
    pub fn actor(&self) -> Actor {
        Actor::Key(self.caller.key)
    }
}

/// Who runs the service, as a call shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorCredential {
    /// The hash of an operator token.
    Token(SecretHash),
    /// The command line on the service's own machine: whoever can write the store.
    Local,
    /// A session of the dashboard: the hash of its cookie.
    Session(SecretHash),
}

/// An operator that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthenticatedOperator {
    /// By token.
    Operator(Operator),
    /// On the machine.
    Local,
    /// No operator, but a developer of apps: sees those of which the account is a member.
    Developer(Account),
    /// In the dashboard, whoever runs the service.
    Session(Session),
}

impl AuthenticatedOperator {
    /// The caller as records name it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Operator(operator) => Actor::Operator(operator.id),
            Self::Local => Actor::System,
            Self::Developer(account) => Actor::Account(account.id),
            Self::Session(session) => Actor::Session(session.id),
        }
    }

    /// The account of a developer; an operator has none.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Developer(account) => Some(account),
            Self::Operator(_) | Self::Local | Self::Session(_) => None,
        }
    }

    /// The id of a developer's account.
    pub fn account_id(&self) -> Option<AccountId> {
        self.account().map(|account| account.id)
    }

    /// Whether this is an operator at all, be it one who may only set plans.
    ///
    /// # Errors
    /// `forbidden` for a developer.
    pub fn require_operator(&self) -> Result<(), Refusal> {
        match self {
            Self::Developer(_) => Err(account::operators_only()),
            Self::Operator(_) | Self::Local | Self::Session(_) => Ok(()),
        }
    }

    /// Whether this operator may do more than set plans.
    ///
    /// # Errors
    /// `forbidden` for a token that is limited to `billing`, and for a developer.
    pub fn require_full(&self) -> Result<(), Refusal> {
        match self {
            Self::Operator(operator) if operator.billing_only => Err(Refusal::new(
                ErrorCode::Forbidden,
                "this operator token is limited to `billing`: it may set plans and nothing else",
            )),
            Self::Developer(_) => Err(account::operators_only()),
            Self::Operator(_) | Self::Local | Self::Session(_) => Ok(()),
        }
    }
}

/// Looks an API key up, without spending anything: for reads.
///
/// # Errors
/// The store's.
pub fn api_key(
    views: &mut dyn Views,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<Answered<AuthenticatedApp>, StoreError> {
    let Some(key) = views.api_key(hash)? else { return Ok(Err(Refusal::invalid_api_key())) };
    let Some(app) = views.app(key.app_id)? else { return Ok(Err(Refusal::invalid_api_key())) };
    Ok(AppCaller::from_api_key(&key, &app, now).map(|caller| AuthenticatedApp { caller, app }))
}

/// Looks an operator up: for reads.
///
/// # Errors
/// The store's.
pub fn operator(
    views: &mut dyn Views,
    credential: &OperatorCredential,
    now: Timestamp,
) -> Result<Answered<AuthenticatedOperator>, StoreError> {
    let hash = match credential {
        OperatorCredential::Local => return Ok(Ok(AuthenticatedOperator::Local)),
        OperatorCredential::Session(cookie) => {
            let session = granted!(session_of(views, cookie, now)?);
            return Ok(match session.holder {
                Holder::Operator { .. } => Ok(AuthenticatedOperator::Session(session)),
                Holder::Developer { account_id } | Holder::PasskeyOwner { account_id, .. } => views
                    .account(account_id)?
                    .filter(Account::is_good)
                    .map(AuthenticatedOperator::Developer)
                    .ok_or_else(Refusal::unauthenticated),
            });
        }
        OperatorCredential::Token(hash) => hash,
    };
    Ok(views
        .operator(hash)?
        .filter(|operator| operator.is_good(now))
        .map(AuthenticatedOperator::Operator)
        .ok_or_else(Refusal::invalid_operator_token))
}

/// Looks a session of the dashboard up that is good now: neither time nor anybody has ended it, nor
/// the operator's token or the passkey that stands behind it.
///
/// # Errors
/// The store's.
pub fn session_of(
    views: &mut dyn Views,
    cookie: &SecretHash,
    now: Timestamp,
) -> Result<Answered<Session>, StoreError> {
    let Some(session) = views.session(cookie)?.filter(|session| session.is_good(now)) else {
        return Ok(Err(Refusal::unauthenticated()));
    };
    let stands = match session.holder {
        Holder::Operator { behind: Some(behind) } => {
            behind.is_good(views.operator_by_id(behind.operator_id)?.as_ref(), now)
        }
        Holder::PasskeyOwner { passkey, .. } => views.passkey(&passkey)?.is_some(),
        Holder::Operator { behind: None } | Holder::Developer { .. } => true,
    };
    Ok(if stands { Ok(session) } else { Err(Refusal::unauthenticated()) })
}

impl Tx<'_> {
    /// The app behind a credential; a client assertion is spent by this.
    ///
    /// # Errors
    /// The store's.
    pub fn authenticate(
        &mut self,
        credential: &AppCredential,
    ) -> Result<Answered<AuthenticatedApp>, StoreError> {
        match credential {
            AppCredential::ApiKey(hash) => api_key(self.rows, hash, self.now),
            AppCredential::Assertion(assertion) => self.spend(assertion),
        }
    }

    /// The app behind a credential that holds this permission.
    ///
    /// # Errors
    /// The store's.
    pub fn authorize(
        &mut self,
        credential: &AppCredential,
        permission: Permission,
    ) -> Result<Answered<AuthenticatedApp>, StoreError> {
        Ok(self.authenticate(credential)?.and_then(|app| {
            app.caller.require(permission)?;
            Ok(app)
        }))
    }

    /// The operator behind a credential.
    ///
    /// # Errors
    /// The store's.
    pub fn operator(
        &mut self,
        credential: &OperatorCredential,
    ) -> Result<Answered<AuthenticatedOperator>, StoreError> {
        operator(self.rows, credential, self.now)
    }

    /// The operator behind a credential that is not limited to plans.
    ///
    /// # Errors
    /// The store's.
    pub fn full_operator(
        &mut self,
        credential: &OperatorCredential,
    ) -> Result<Answered<AuthenticatedOperator>, StoreError> {
        Ok(self.operator(credential)?.and_then(|operator| {
            operator.require_full()?;
            Ok(operator)
        }))
    }

    fn spend(&mut self, assertion: &Assertion) -> Result<Answered<AuthenticatedApp>, StoreError> {
        let refusal = Refusal::invalid_api_key();
        let Some(app) = self.rows.app(assertion.app_id)? else { return Ok(Err(refusal)) };
        let keys = self.rows.public_keys(assertion.app_id)?;
        let Some(key) = keys.iter().find(|key| key.kid == assertion.kid) else {
            return Ok(Err(refusal));
        };
        let caller = granted!(AppCaller::from_public_key(key, &app));
        let fresh = self.now < assertion.remember_until
            && self.rows.spend_assertion(app.id, &assertion.jti, assertion.remember_until)?;
        Ok(if fresh { Ok(AuthenticatedApp { caller, app }) } else { Err(refusal) })
    }
}

/// Checks an app's credential, and spends it where it is a client assertion, for a call that only
/// reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorize {
    /// The credential.
    pub credential: AppCredential,
    /// What the call needs, if it needs a permission at all.
    pub permission: Option<Permission>,
}

impl Verb for Authorize {
    type Answer = Answered<AuthenticatedApp>;
    const NAME: &'static str = "authorize";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        match self.permission {
            Some(permission) => tx.authorize(&self.credential, permission),
            None => tx.authenticate(&self.credential),
        }
    }
}
