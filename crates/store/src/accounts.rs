//! What stores keep about developers of apps: accounts, members, links. As [`Views`](crate::Views) and
//! [`Rows`](crate::Rows), of which these are a part.

use agentadmit_core::account::{Account, Invite, Member};
use agentadmit_core::passkey::{Challenge, Passkey};
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;

use crate::store::StoreError;
use crate::views::Found;

/// Reads about developers.
pub trait AccountViews {
    /// An account by its id, whatever became of it.
    fn account(&mut self, id: AccountId) -> Found<Account>;
    /// Accounts by id, after `after`, at most `limit`; suspended and deleted ones too.
    fn accounts(
        &mut self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError>;
    /// That an account is a member of an app, if it is.
    fn member(&mut self, app_id: AppId, account_id: AccountId) -> Found<Member>;
    /// The members of an app, by the id of their account.
    fn members_of(&mut self, app_id: AppId) -> Result<Vec<Member>, StoreError>;
    /// Of which apps an account is a member, by the id of the app; deleted apps too.
    fn memberships_of(&mut self, account_id: AccountId) -> Result<Vec<Member>, StoreError>;
    /// A link by the hash of its code; gone once it was used or taken back.
    fn invite(&mut self, hash: &SecretHash) -> Found<Invite>;
    /// A link by its id.
    fn invite_by_id(&mut self, id: InviteId) -> Found<Invite>;
    /// Links of an app, or the service's own (`None`), oldest first; those too whose time is over and
    /// that are not forgotten yet.
    fn invites_of(&mut self, app_id: Option<AppId>) -> Result<Vec<Invite>, StoreError>;
    /// A passkey by the hash of its authenticator's name for it.
    fn passkey(&mut self, key: &SecretHash) -> Found<Passkey>;
    /// The passkeys of an account, oldest first.
    fn passkeys_of(&mut self, account_id: AccountId) -> Result<Vec<Passkey>, StoreError>;
    /// A challenge by its hash; gone once it was answered.
    fn challenge(&mut self, hash: &SecretHash) -> Found<Challenge>;
}

/// Writes about developers.
pub trait AccountRows: AccountViews {
    /// Adds or replaces an account.
    fn put_account(&mut self, account: &Account) -> Result<(), StoreError>;
    /// Adds or replaces a member.
    fn put_member(&mut self, member: &Member) -> Result<(), StoreError>;
    /// An account is no member of this app any more.
    fn remove_member(&mut self, app_id: AppId, account_id: AccountId) -> Result<(), StoreError>;
    /// Adds a link.
    fn put_invite(&mut self, invite: &Invite) -> Result<(), StoreError>;
    /// A link is gone.
    fn remove_invite(&mut self, invite: &Invite) -> Result<(), StoreError>;
    /// Forgets links whose time is over at `now`, at most `limit`.
    fn forget_invites(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError>;
    /// Adds or replaces a passkey.
    fn put_passkey(&mut self, passkey: &Passkey) -> Result<(), StoreError>;
    /// A passkey is gone.
    fn remove_passkey(&mut self, key: &SecretHash) -> Result<(), StoreError>;
    /// Adds a challenge.
    fn put_challenge(&mut self, challenge: &Challenge) -> Result<(), StoreError>;
    /// A challenge is gone.
    fn remove_challenge(&mut self, hash: &SecretHash) -> Result<(), StoreError>;
    /// Forgets challenges whose time is over at `now`, at most `limit`.
    fn forget_challenges(&mut self, now: Timestamp, limit: usize) -> Result<u64, StoreError>;
}
