//! Developers' accounts (PROTOCOL, Developers).

use agentadmit_core::account::{self, Account};
use agentadmit_core::refusal::Refusal;
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::id::AccountId;
use agentadmit_protocol::text::Label;
use serde_json::Value;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::{Answered, Verb, granted};

/// What an operator does to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountChange {
    /// Nobody gets in, from the answer on, until it is resumed.
    Suspend,
    /// Its developer may come in again.
    Resume,
    /// It is gone for good. Its apps stay, those too of which it was the only owner: they are the
    /// operator's then.
    Delete,
}

/// An operator suspends, resumes or deletes an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeAccount {
    /// The operator.
    pub credential: OperatorCredential,
    /// The account.
    pub account_id: AccountId,
    /// What is done.
    pub change: AccountChange,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for ChangeAccount {
    type Answer = Answered<Account>;
    const NAME: &'static str = "change_account";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.full_operator(&self.credential)?).actor();
        let before = granted!(tx.known_account(self.account_id)?);
        let (after, event) = match self.change {
            AccountChange::Suspend => {
                let suspended_at = before.suspended_at.or(Some(tx.now));
                (Account { suspended_at, ..before.clone() }, AuditEvent::AccountSuspended)
            }
            AccountChange::Resume => {
                (Account { suspended_at: None, ..before.clone() }, AuditEvent::AccountResumed)
            }
            AccountChange::Delete => {
                let deleted_at = Some(tx.now);
                (Account { deleted_at, ..before.clone() }, AuditEvent::AccountDeleted)
            }
        };
        if after == before {
            return Ok(Ok(before));
        }
        let (mut left, mut passkeys) = (Vec::new(), Vec::new());
        if self.change == AccountChange::Delete {
            left = tx.rows.memberships_of(before.id)?;
            passkeys = tx.rows.passkeys_of(before.id)?;
        }
        tx.rows.put_account(&after)?;
        tx.record(entry(event, by, &after, &self.origin)?)?;
        tx.drop_passkeys(&passkeys)?;
        for member in &left {
            tx.drop_member(member, by, &self.origin)?;
        }
        Ok(Ok(after))
    }
}

impl Tx<'_> {
    /// An account that is not deleted.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn known_account(&mut self, id: AccountId) -> Result<Answered<Account>, StoreError> {
        let found = self.rows.account(id)?.filter(|account| account.deleted_at.is_none());
        Ok(found.ok_or_else(|| Refusal::not_found("account")))
    }

    /// An account that is not written yet.
    pub(crate) fn new_account(&mut self, label: Label) -> Account {
        Account {
            id: AccountId::v7(self.now, self.writer.random_id()),
            label,
            created_at: self.now,
            suspended_at: None,
            deleted_at: None,
        }
    }

    /// Writes a new account, and that it came by itself.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn create_account(
        &mut self,
        account: &Account,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        self.rows.put_account(account)?;
        let actor = Actor::Account(account.id);
        self.record(entry(AuditEvent::AccountCreated, actor, account, origin)?)?;
        Ok(())
    }
}

fn entry(
    event: AuditEvent,
    actor: Actor,
    account: &Account,
    origin: &Origin,
) -> Result<Entry, StoreError> {
    let details = details([
        ("account_id", account.id.to_string().into()),
        ("label", Value::from(account.label.as_str())),
    ])?;
    Ok(Entry::new(event, actor).details(details).origin(origin))
}

/// A developer gives the own account another label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameAccount {
    /// The developer.
    pub credential: OperatorCredential,
    /// The new label.
    pub label: Label,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RenameAccount {
    type Answer = Answered<Account>;
    const NAME: &'static str = "rename_account";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let before = granted!(tx.developer(&self.credential)?);
        let after = Account { label: self.label.clone(), ..before.clone() };
        if after == before {
            return Ok(Ok(before));
        }
        tx.rows.put_account(&after)?;
        let details = details([
            ("account_id", after.id.to_string().into()),
            ("old", before.label.as_str().into()),
            ("new", after.label.as_str().into()),
        ])?;
        let entry = Entry::new(AuditEvent::AccountChanged, Actor::Account(after.id));
        tx.record(entry.details(details).origin(&self.origin))?;
        Ok(Ok(after))
    }
}

impl Tx<'_> {
    /// The developer behind a credential.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn developer(
        &mut self,
        credential: &OperatorCredential,
    ) -> Result<Answered<Account>, StoreError> {
        Ok(self.operator(credential)?.and_then(|who| match who.account() {
            Some(account) => Ok(account.clone()),
            None => Err(account::developers_only()),
        }))
    }
}
