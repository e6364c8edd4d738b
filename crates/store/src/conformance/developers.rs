//! The steps of a random sequence that developers of apps take.

use agentadmit_core::dashboard::SessionLimits;
use agentadmit_protocol::account::{Role, SignUp};
use agentadmit_protocol::id::{AccountId, AppId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Label;

use super::player::{LOCAL, back, nothing, said};
use super::sequence::Op;
use crate::record::Origin;
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::Verb;
use crate::verbs::accounts::{AccountChange, ChangeAccount};
use crate::verbs::invites::{InviteDeveloper, InviteMember, UseInvite};
use crate::verbs::members::ChangeMember;

/// What a player remembers of links and accounts.
#[derive(Debug, Clone, Default)]
pub(super) struct Developers {
    links: Vec<SecretHash>,
    accounts: Vec<(AccountId, SecretHash)>,
}

impl Developers {
    pub(super) fn step(
        &mut self,
        tx: &mut Tx<'_>,
        op: &Op,
        apps: &[AppId],
    ) -> Result<String, StoreError> {
        let origin = Origin::default();
        match *op {
            Op::Invite { app, owner } => {
                let answer = match app {
                    Some(app) => InviteMember {
                        credential: LOCAL,
                        app_id: apps[app],
                        role: if owner { Role::Owner } else { Role::Viewer },
                        seconds: 3_600,
                        origin,
                    }
                    .run(tx)?,
                    None => {
                        InviteDeveloper { credential: LOCAL, seconds: 259_200, origin }.run(tx)?
                    }
                };
                if let Ok(invited) = &answer {
                    self.links.push(invited.code.hash());
                }
                said(&answer)
            }
            Op::Come { nth, account } => {
                let Some(number) = back(nth, self.links.len()) else { return nothing() };
                let signed_in = account
                    .and_then(|nth| back(nth, self.accounts.len()))
                    .map(|it| self.accounts[it].1);
                let come = UseInvite {
                    code: self.links[number],
                    limits: SessionLimits::default(),
                    former: signed_in,
                    label: Some(Label::new("Ann").unwrap()),
                    sign_up: SignUp::Invite,
                    origin,
                };
                let answer = come.run(tx)?;
                if let Ok(used) = &answer {
                    self.accounts.retain(|(known, _)| *known != used.account.id);
                    self.accounts.push((used.account.id, used.opened.cookie.hash()));
                }
                said(&answer)
            }
            Op::Member { app, nth, role } => {
                let Some(account_id) = self.account(nth) else { return nothing() };
                let role = [None, Some(Role::Viewer), Some(Role::Owner)][usize::from(role)];
                let app_id = apps[app];
                let change = ChangeMember { credential: LOCAL, app_id, account_id, role, origin };
                said(&change.run(tx)?)
            }
            Op::Account { nth, change } => {
                let Some(account_id) = self.account(nth) else { return nothing() };
                let changes =
                    [AccountChange::Suspend, AccountChange::Resume, AccountChange::Delete];
                let change = changes[usize::from(change)];
                said(&ChangeAccount { credential: LOCAL, account_id, change, origin }.run(tx)?)
            }
            _ => nothing(),
        }
    }

    fn account(&self, nth: usize) -> Option<AccountId> {
        back(nth, self.accounts.len()).map(|number| self.accounts[number].0)
    }
}
