//! Developers of apps, over SQL. Whoever reads of them in order to write holds the lock of the service:
//! what an account may do changes rarely, and never while a call that goes by it is decided.

use agentadmit_core::account::{Account, Invite, Member};
use agentadmit_core::passkey::{Challenge, Passkey};
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::accounts::{AccountRows, AccountViews};
use agentadmit_store::tables::column::limit;
use agentadmit_store::tables::pack;
use agentadmit_store::views::Found;
use uuid::Uuid;

use crate::codec::{app_uuid, uuid};
use crate::session::Session;
use crate::statements as st;

/// What a link of no app has for one.
fn whose(app_id: Option<AppId>) -> Uuid {
    app_id.map_or(Uuid::nil(), app_uuid)
}

impl AccountViews for Session<'_> {
    fn account(&mut self, id: AccountId) -> Found<Account> {
        self.lock_service()?;
        self.value(st::ACCOUNT, &[&uuid(id.as_bytes())])
    }

    fn accounts(
        &mut self,
        after: Option<AccountId>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.lock_service()?;
        match after {
            None => self.values(st::FIRST_ACCOUNTS, &[&limit(most)]),
            Some(id) => self.values(st::ACCOUNTS_AFTER, &[&uuid(id.as_bytes()), &limit(most)]),
        }
    }

    fn member(&mut self, app_id: AppId, account_id: AccountId) -> Found<Member> {
        self.lock_service()?;
        self.value(st::MEMBER, &[&app_uuid(app_id), &uuid(account_id.as_bytes())])
    }

    fn members_of(&mut self, app_id: AppId) -> Result<Vec<Member>, StoreError> {
        self.lock_service()?;
        self.values(st::MEMBERS_OF, &[&app_uuid(app_id)])
    }

    fn memberships_of(&mut self, account_id: AccountId) -> Result<Vec<Member>, StoreError> {
        self.lock_service()?;
        self.values(st::MEMBERSHIPS_OF, &[&uuid(account_id.as_bytes())])
    }

    fn invite(&mut self, hash: &SecretHash) -> Found<Invite> {
        self.lock_service()?;
        let found: Option<Invite> = self.value(st::INVITE, &[&hash.key()])?;
        Ok(found.filter(|invite| invite.hash.ct_eq(hash)))
    }

    fn invite_by_id(&mut self, id: InviteId) -> Found<Invite> {
        self.lock_service()?;
        self.value(st::INVITE_BY_ID, &[&uuid(id.as_bytes())])
    }

    fn invites_of(&mut self, app_id: Option<AppId>) -> Result<Vec<Invite>, StoreError> {
        self.lock_service()?;
        self.values(st::INVITES_OF, &[&whose(app_id)])
    }

    fn passkey(&mut self, key: &SecretHash) -> Found<Passkey> {
        self.lock_service()?;
        self.value(st::PASSKEY, &[&key.as_bytes().as_slice()])
    }

    fn passkeys_of(&mut self, account_id: AccountId) -> Result<Vec<Passkey>, StoreError> {
        self.lock_service()?;
        self.values(st::PASSKEYS_OF, &[&uuid(account_id.as_bytes())])
    }

    fn challenge(&mut self, hash: &SecretHash) -> Found<Challenge> {
        self.lock_service()?;
        self.value(st::CHALLENGE, &[&hash.as_bytes().as_slice()])
    }
}

impl AccountRows for Session<'_> {
    fn put_account(&mut self, account: &Account) -> Result<(), StoreError> {
        self.lock_service()?;
        let row = pack(account)?;
        self.later(st::PUT_ACCOUNT, vec![Box::new(uuid(account.id.as_bytes())), Box::new(row)])
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        self.lock_service()?;
        let (app_id, row) = (app_uuid(member.app_id), pack(member)?);
        let account_id = uuid(member.account_id.as_bytes());
        self.later(st::PUT_MEMBER, vec![Box::new(app_id), Box::new(account_id), Box::new(row)])
    }

    fn remove_member(&mut self, app_id: AppId, account_id: AccountId) -> Result<(), StoreError> {
        self.lock_service()?;
        let account_id = uuid(account_id.as_bytes());
        self.later(st::REMOVE_MEMBER, vec![Box::new(app_uuid(app_id)), Box::new(account_id)])
    }

    fn put_invite(&mut self, invite: &Invite) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(
            st::PUT_INVITE,
            vec![
                Box::new(invite.hash.key()),
                Box::new(uuid(invite.id.as_bytes())),
                Box::new(whose(invite.app_id())),
                Box::new(invite.expires_at.as_millis()),
                Box::new(pack(invite)?),
            ],
        )
    }

    fn remove_invite(&mut self, invite: &Invite) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(st::REMOVE_INVITE, vec![Box::new(invite.hash.key())])
    }

    fn forget_invites(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.now(st::FORGET_INVITES, &[&now.as_millis(), &limit(most)])
    }

    fn put_passkey(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(
            st::PUT_PASSKEY,
            vec![
                Box::new(passkey.key().as_bytes().to_vec()),
                Box::new(uuid(passkey.account_id.as_bytes())),
                Box::new(passkey.created_at.as_millis()),
                Box::new(pack(passkey)?),
            ],
        )
    }

    fn remove_passkey(&mut self, key: &SecretHash) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(st::REMOVE_PASSKEY, vec![Box::new(key.as_bytes().to_vec())])
    }

    fn put_challenge(&mut self, challenge: &Challenge) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(
            st::PUT_CHALLENGE,
            vec![
                Box::new(challenge.hash.as_bytes().to_vec()),
                Box::new(challenge.expires_at.as_millis()),
                Box::new(pack(challenge)?),
            ],
        )
    }

    fn remove_challenge(&mut self, hash: &SecretHash) -> Result<(), StoreError> {
        self.lock_service()?;
        self.later(st::REMOVE_CHALLENGE, vec![Box::new(hash.as_bytes().to_vec())])
    }

    fn forget_challenges(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.lock_service()?;
        self.now(st::FORGET_CHALLENGES, &[&now.as_millis(), &limit(most)])
    }
}
