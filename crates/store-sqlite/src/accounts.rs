//! Developers of apps, over SQL.

use agentadmit_core::account::{Account, Invite, Member};
use agentadmit_core::passkey::{Challenge, Passkey};
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;
use agentadmit_store::accounts::{AccountRows, AccountViews};
use agentadmit_store::tables::column::limit;
use agentadmit_store::views::Found;

use crate::codec::Packed;
use crate::connections::key_is_taken;
use crate::session::Session;
use crate::sql;
use crate::statements as st;
use crate::views::packed;

/// What a link of no app has for one.
fn whose(app_id: Option<AppId>) -> [u8; 16] {
    app_id.map_or([0; 16], |id| *id.as_bytes())
}

impl AccountViews for Session<'_> {
    fn account(&mut self, id: AccountId) -> Found<Account> {
        sql::one(self.conn, st::ACCOUNT, [id.as_bytes()], packed)
    }

    fn accounts(
        &mut self,
        after: Option<AccountId>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        match after {
            None => sql::many(self.conn, st::FIRST_ACCOUNTS, [limit(most)], packed),
            Some(id) => {
                sql::many(self.conn, st::ACCOUNTS_AFTER, (id.as_bytes(), limit(most)), packed)
            }
        }
    }

    fn member(&mut self, app_id: AppId, account_id: AccountId) -> Found<Member> {
        sql::one(self.conn, st::MEMBER, (app_id.as_bytes(), account_id.as_bytes()), packed)
    }

    fn members_of(&mut self, app_id: AppId) -> Result<Vec<Member>, StoreError> {
        sql::many(self.conn, st::MEMBERS_OF, [app_id.as_bytes()], packed)
    }

    fn memberships_of(&mut self, account_id: AccountId) -> Result<Vec<Member>, StoreError> {
        sql::many(self.conn, st::MEMBERSHIPS_OF, [account_id.as_bytes()], packed)
    }

    fn invite(&mut self, hash: &SecretHash) -> Found<Invite> {
        let found: Option<Invite> = sql::one(self.conn, st::INVITE, [hash.key()], packed)?;
        Ok(found.filter(|invite| invite.hash.ct_eq(hash)))
    }

    fn invite_by_id(&mut self, id: InviteId) -> Found<Invite> {
        sql::one(self.conn, st::INVITE_BY_ID, [id.as_bytes()], packed)
    }

    fn invites_of(&mut self, app_id: Option<AppId>) -> Result<Vec<Invite>, StoreError> {
        sql::many(self.conn, st::INVITES_OF, [whose(app_id)], packed)
    }

    fn passkey(&mut self, key: &SecretHash) -> Found<Passkey> {
        sql::one(self.conn, st::PASSKEY, [key.as_bytes()], packed)
    }

    fn passkeys_of(&mut self, account_id: AccountId) -> Result<Vec<Passkey>, StoreError> {
        sql::many(self.conn, st::PASSKEYS_OF, [account_id.as_bytes()], packed)
    }

    fn challenge(&mut self, hash: &SecretHash) -> Found<Challenge> {
        sql::one(self.conn, st::CHALLENGE, [hash.as_bytes()], packed)
    }
}

impl AccountRows for Session<'_> {
    fn put_account(&mut self, account: &Account) -> Result<(), StoreError> {
        sql::run(self.conn, st::PUT_ACCOUNT, (account.id.as_bytes(), Packed(account)))?;
        Ok(())
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        let (app_id, account_id) = (member.app_id.as_bytes(), member.account_id.as_bytes());
        sql::run(self.conn, st::PUT_MEMBER, (app_id, account_id, Packed(member)))?;
        Ok(())
    }

    fn remove_member(&mut self, app_id: AppId, account_id: AccountId) -> Result<(), StoreError> {
        sql::run(self.conn, st::REMOVE_MEMBER, (app_id.as_bytes(), account_id.as_bytes()))?;
        Ok(())
    }

    fn put_invite(&mut self, invite: &Invite) -> Result<(), StoreError> {
        let token_key = invite.hash.key();
        let known: Option<Invite> = sql::one(self.conn, st::INVITE, [token_key], packed)?;
        if known.is_some() {
            return Err(key_is_taken());
        }
        let row = (
            token_key,
            invite.id.as_bytes(),
            whose(invite.app_id()),
            invite.expires_at.as_millis(),
            Packed(invite),
        );
        sql::run(self.conn, st::PUT_INVITE, row)?;
        Ok(())
    }

    fn remove_invite(&mut self, invite: &Invite) -> Result<(), StoreError> {
        sql::run(self.conn, st::REMOVE_INVITE, [invite.hash.key()])?;
        Ok(())
    }

    fn forget_invites(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let over: Vec<i64> =
            sql::many(self.conn, st::OVER_INVITES, (now.as_millis(), limit(most)), |row| {
                row.get(0)
            })?;
        for key in &over {
            sql::run(self.conn, st::REMOVE_INVITE, [key])?;
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }

    fn put_passkey(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        let key = passkey.key();
        let account_id = passkey.account_id.as_bytes();
        let row = (key.as_bytes(), account_id, passkey.created_at.as_millis(), Packed(passkey));
        sql::run(self.conn, st::PUT_PASSKEY, row)?;
        Ok(())
    }

    fn remove_passkey(&mut self, key: &SecretHash) -> Result<(), StoreError> {
        sql::run(self.conn, st::REMOVE_PASSKEY, [key.as_bytes()])?;
        Ok(())
    }

    fn put_challenge(&mut self, challenge: &Challenge) -> Result<(), StoreError> {
        let expires_at = challenge.expires_at.as_millis();
        let row = (challenge.hash.as_bytes(), expires_at, Packed(challenge));
        sql::run(self.conn, st::PUT_CHALLENGE, row)?;
        Ok(())
    }

    fn remove_challenge(&mut self, hash: &SecretHash) -> Result<(), StoreError> {
        sql::run(self.conn, st::REMOVE_CHALLENGE, [hash.as_bytes()])?;
        Ok(())
    }

    fn forget_challenges(&mut self, now: Timestamp, most: usize) -> Result<u64, StoreError> {
        let bounds = (now.as_millis(), limit(most));
        let over: Vec<[u8; 32]> =
            sql::many(self.conn, st::OVER_CHALLENGES, bounds, |row| row.get(0))?;
        for challenge in &over {
            sql::run(self.conn, st::REMOVE_CHALLENGE, [challenge])?;
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }
}
