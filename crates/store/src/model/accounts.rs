//! The model's part about developers.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use agentadmit_core::account::{Account, Invite, Member};
use agentadmit_core::passkey::{Challenge, Passkey};
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use super::rows::Table;
use super::state::State;
use crate::accounts::{AccountRows, AccountViews};
use crate::store::StoreError;
use crate::views::Found;

/// The tables about developers.
#[derive(Debug, Clone, Default)]
pub(super) struct Developers {
    accounts: BTreeMap<AccountId, Account>,
    members: BTreeMap<(AppId, AccountId), Member>,
    invites: BTreeMap<InviteId, Invite>,
    passkeys: BTreeMap<SecretHash, Passkey>,
    challenges: BTreeMap<SecretHash, Challenge>,
}

impl<S: Borrow<State>> AccountViews for Table<S> {
    fn account(&mut self, id: AccountId) -> Found<Account> {
        Ok(self.state().developers.accounts.get(&id).cloned())
    }

    fn accounts(
        &mut self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let accounts = self.state().developers.accounts.values();
        Ok(accounts.filter(|account| Some(account.id) > after).take(limit).cloned().collect())
    }

    fn member(&mut self, app_id: AppId, account_id: AccountId) -> Found<Member> {
        Ok(self.state().developers.members.get(&(app_id, account_id)).cloned())
    }

    fn members_of(&mut self, app_id: AppId) -> Result<Vec<Member>, StoreError> {
        let members = self.state().developers.members.values();
        Ok(members.filter(|member| member.app_id == app_id).cloned().collect())
    }

    fn memberships_of(&mut self, account_id: AccountId) -> Result<Vec<Member>, StoreError> {
        let members = self.state().developers.members.values();
        Ok(members.filter(|member| member.account_id == account_id).cloned().collect())
    }

    fn invite(&mut self, hash: &SecretHash) -> Found<Invite> {
        let mut invites = self.state().developers.invites.values();
        Ok(invites.find(|invite| invite.hash.ct_eq(hash)).cloned())
    }

    fn invite_by_id(&mut self, id: InviteId) -> Found<Invite> {
        Ok(self.state().developers.invites.get(&id).cloned())
    }

    fn invites_of(&mut self, app_id: Option<AppId>) -> Result<Vec<Invite>, StoreError> {
        let invites = self.state().developers.invites.values();
        Ok(invites.filter(|invite| invite.app_id() == app_id).cloned().collect())
    }

    fn passkey(&mut self, key: &SecretHash) -> Found<Passkey> {
        Ok(self.state().developers.passkeys.get(key).cloned())
    }

    fn passkeys_of(&mut self, account_id: AccountId) -> Result<Vec<Passkey>, StoreError> {
        let passkeys = self.state().developers.passkeys.iter();
        let mut own: Vec<_> =
            passkeys.filter(|(_, passkey)| passkey.account_id == account_id).collect();
        own.sort_by_key(|(key, passkey)| (passkey.created_at, **key));
        Ok(own.into_iter().map(|(_, passkey)| passkey.clone()).collect())
    }

    fn challenge(&mut self, hash: &SecretHash) -> Found<Challenge> {
        Ok(self.state().developers.challenges.get(hash).cloned())
    }
}

impl AccountRows for Table<&mut State> {
    fn put_account(&mut self, account: &Account) -> Result<(), StoreError> {
        self.0.developers.accounts.insert(account.id, account.clone());
        Ok(())
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        self.0.developers.members.insert((member.app_id, member.account_id), member.clone());
        Ok(())
    }

    fn remove_member(&mut self, app_id: AppId, account_id: AccountId) -> Result<(), StoreError> {
        self.0.developers.members.remove(&(app_id, account_id));
        Ok(())
    }

    fn put_invite(&mut self, invite: &Invite) -> Result<(), StoreError> {
        self.0.developers.invites.insert(invite.id, invite.clone());
        Ok(())
    }

    fn remove_invite(&mut self, invite: &Invite) -> Result<(), StoreError> {
        self.0.developers.invites.remove(&invite.id);
        Ok(())
    }

    fn forget_invites(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let invites = self.0.developers.invites.values();
        let over: Vec<_> = invites
            .filter(|invite| !invite.is_good(now))
            .take(limit)
            .map(|invite| invite.id)
            .collect();
        for id in &over {
            self.0.developers.invites.remove(id);
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }

    fn put_passkey(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        self.0.developers.passkeys.insert(passkey.key(), passkey.clone());
        Ok(())
    }

    fn remove_passkey(&mut self, key: &SecretHash) -> Result<(), StoreError> {
        self.0.developers.passkeys.remove(key);
        Ok(())
    }

    fn put_challenge(&mut self, challenge: &Challenge) -> Result<(), StoreError> {
        self.0.developers.challenges.insert(challenge.hash, challenge.clone());
        Ok(())
    }

    fn remove_challenge(&mut self, hash: &SecretHash) -> Result<(), StoreError> {
        self.0.developers.challenges.remove(hash);
        Ok(())
    }

    fn forget_challenges(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let challenges = self.0.developers.challenges.values();
        let over = challenges.filter(|challenge| !challenge.is_good(now));
        let over: Vec<_> = over.take(limit).map(|challenge| challenge.hash).collect();
        for hash in &over {
            self.0.developers.challenges.remove(hash);
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }
}
