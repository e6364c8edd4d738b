//! Links that let a developer in, once: to a new account, to an app, or back into the own account
//! (PROTOCOL, Developers).

use agentadmit_core::account::{
    self, Account, Invite, InvitePurpose, MAX_APPS, MAX_INVITES, MAX_MEMBERS, Member, Need,
};
use agentadmit_core::app::{App, Tenant};
use agentadmit_core::dashboard::{Holder, SessionLimits, SignInMethod};
use agentadmit_core::refusal::Refusal;
use agentadmit_protocol::account::{Role, SignUp};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use agentadmit_protocol::secret::{Secret, SecretHash};
use agentadmit_protocol::text::Label;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{OperatorCredential, session_of};
use crate::verbs::dashboard::OpenedSession;
use crate::verbs::{Answered, Verb, granted};

/// A link that was made.
#[derive(Debug)]
pub struct Invited {
    /// The link.
    pub invite: Invite,
    /// Its code, shown this once.
    pub code: Secret,
}

/// An operator makes a link to a new account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteDeveloper {
    /// The operator.
    pub credential: OperatorCredential,
    /// How long the link is good.
    pub seconds: i64,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for InviteDeveloper {
    type Answer = Answered<Invited>;
    const NAME: &'static str = "invite_developer";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.full_operator(&self.credential)?).actor();
        granted!(tx.room_for_an_invite(None)?);
        tx.make_invite(InvitePurpose::SignUp, by, self.seconds, &self.origin).map(Ok)
    }
}

/// An operator makes a link that signs a developer in who has no passkey, or lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeSignInLink {
    /// The operator.
    pub credential: OperatorCredential,
    /// Whom it signs in.
    pub account_id: AccountId,
    /// How long the link is good.
    pub seconds: i64,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for MakeSignInLink {
    type Answer = Answered<Invited>;
    const NAME: &'static str = "make_sign_in_link";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.full_operator(&self.credential)?).actor();
        let account = granted!(tx.known_account(self.account_id)?);
        if account.suspended_at.is_some() {
            let text = "this account is suspended: resume it first";
            return Ok(Err(Refusal::new(ErrorCode::Conflict, text)));
        }
        granted!(tx.room_for_an_invite(None)?);
        let purpose = InvitePurpose::SignIn { account_id: account.id };
        tx.make_invite(purpose, by, self.seconds, &self.origin).map(Ok)
    }
}

/// An owner of an app, or an operator, makes a link to membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteMember {
    /// Who does it.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// As what.
    pub role: Role,
    /// How long the link is good.
    pub seconds: i64,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for InviteMember {
    type Answer = Answered<Invited>;
    const NAME: &'static str = "invite_member";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = granted!(tx.keeper(&self.credential, self.app_id, Need::Write)?).actor();
        granted!(tx.room_for_an_invite(Some(self.app_id))?);
        granted!(tx.known_app(self.app_id)?);
        let purpose = InvitePurpose::Member { app_id: self.app_id, role: self.role };
        tx.make_invite(purpose, by, self.seconds, &self.origin).map(Ok)
    }
}

/// Takes a link back that nobody has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeInvite {
    /// Who does it.
    pub credential: OperatorCredential,
    /// The app whose it is; `None` for the service's own.
    pub app_id: Option<AppId>,
    /// The link.
    pub invite_id: InviteId,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RevokeInvite {
    type Answer = Answered<Invite>;
    const NAME: &'static str = "revoke_invite";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let by = match self.app_id {
            Some(app_id) => granted!(tx.keeper(&self.credential, app_id, Need::Write)?),
            None => granted!(tx.full_operator(&self.credential)?),
        };
        let found = tx.rows.invite_by_id(self.invite_id)?;
        let found = found.filter(|found| found.app_id() == self.app_id && found.is_good(tx.now));
        let Some(invite) = found else { return Ok(Err(Refusal::not_found("link"))) };
        if let Some(app_id) = self.app_id {
            granted!(tx.known_app(app_id)?);
        }
        tx.rows.remove_invite(&invite)?;
        tx.record(about(AuditEvent::InviteRevoked, by.actor(), &invite, &self.origin)?)?;
        Ok(Ok(invite))
    }
}

/// Somebody comes with the code of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseInvite {
    /// The hash of the code.
    pub code: SecretHash,
    /// What a new account is called.
    pub label: Option<Label>,
    /// Who may make an account.
    pub sign_up: SignUp,
    /// How long the session lasts.
    pub limits: SessionLimits,
    /// The browser's former session, which ends with this. A developer who is signed in there joins
    /// with the account that there is.
    pub former: Option<SecretHash>,
    /// Where the call came from.
    pub origin: Origin,
}

/// A link that was used.
#[derive(Debug)]
pub struct UsedInvite {
    /// The link, which is gone now.
    pub invite: Invite,
    /// Who came in.
    pub account: Account,
    /// Whether the account is new.
    pub is_new: bool,
    /// The session that began with this.
    pub opened: OpenedSession,
}

impl Verb for UseInvite {
    type Answer = Answered<UsedInvite>;
    const NAME: &'static str = "use_invite";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let found = tx.rows.invite(&self.code)?.filter(|invite| invite.is_good(tx.now));
        let Some(invite) = found else { return Ok(Err(account::invalid_invite())) };
        let (account, is_new) = match invite.purpose {
            InvitePurpose::SignIn { account_id } => {
                let found = tx.rows.account(account_id)?.filter(Account::is_good);
                let Some(found) = found else { return Ok(Err(account::invalid_invite())) };
                (found, false)
            }
            InvitePurpose::SignUp => (granted!(self.new_account(tx)), true),
            InvitePurpose::Member { .. } => match granted!(self.signed_in(tx)?) {
                Some(known) => (known, false),
                None => (granted!(self.new_account(tx)), true),
            },
        };
        let joins = granted!(tx.joins(&invite, account.id)?);
        tx.spend_invite(&invite, account.id, &self.origin)?;
        let actor = Actor::Account(account.id);
        if is_new {
            tx.create_account(&account, &self.origin)?;
        }
        if let Some(member) = joins {
            tx.add_member(&member, actor, &self.origin)?;
        }
        tx.end_former(self.former.as_ref(), &self.origin)?;
        let holder = Holder::Developer { account_id: account.id };
        let opened = tx.open_session(holder, SignInMethod::Link, self.limits, &self.origin)?;
        Ok(Ok(UsedInvite { invite, account, is_new, opened }))
    }
}

impl UseInvite {
    /// The account that is signed in, if one is and may come in.
    fn signed_in(&self, tx: &mut Tx<'_>) -> Result<Answered<Option<Account>>, StoreError> {
        let Some(cookie) = &self.former else { return Ok(Ok(None)) };
        // whoever was signed in and is no longer comes as anybody does
        let Ok(session) = session_of(tx.rows, cookie, tx.now)? else { return Ok(Ok(None)) };
        let Some(id) = session.holder.account_id() else { return Ok(Ok(None)) };
        let found = tx.rows.account(id)?.filter(Account::is_good);
        Ok(found.map(Some).ok_or_else(account::invalid_invite))
    }

    fn new_account(&self, tx: &mut Tx<'_>) -> Answered<Account> {
        account::require_sign_up(self.sign_up, true)?;
        let Some(label) = self.label.clone() else {
            let text = "a new account needs a name: send `label`";
            return Err(Refusal::new(ErrorCode::UnprocessableRequest, text).field("label"));
        };
        Ok(tx.new_account(label))
    }
}

impl Tx<'_> {
    /// Whether one more link may wait.
    fn room_for_an_invite(&mut self, app_id: Option<AppId>) -> Result<Answered<()>, StoreError> {
        let now = self.now;
        let waiting = self.rows.invites_of(app_id)?;
        if waiting.iter().filter(|invite| invite.is_good(now)).count() < MAX_INVITES {
            return Ok(Ok(()));
        }
        let text = "100 links wait to be used: take some back first";
        Ok(Err(Refusal::new(ErrorCode::Conflict, text)))
    }

    fn make_invite(
        &mut self,
        purpose: InvitePurpose,
        by: Actor,
        seconds: i64,
        origin: &Origin,
    ) -> Result<Invited, StoreError> {
        let code = self.writer.mint_plain();
        let invite = Invite {
            id: InviteId::v7(self.now, self.writer.random_id()),
            purpose,
            by,
            hash: code.hash(),
            created_at: self.now,
            expires_at: self.now.plus_seconds(seconds),
        };
        self.rows.put_invite(&invite)?;
        self.record(about(AuditEvent::InviteCreated, by, &invite, origin)?)?;
        Ok(Invited { invite, code })
    }

    /// What an account becomes by a link, if it becomes a member.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn joins(
        &mut self,
        invite: &Invite,
        account_id: AccountId,
    ) -> Result<Answered<Option<Member>>, StoreError> {
        let InvitePurpose::Member { app_id, role } = invite.purpose else { return Ok(Ok(None)) };
        granted!(self.may_join(app_id, account_id)?);
        Ok(Ok(Some(Member { app_id, account_id, role, joined_at: self.now })))
    }

    /// A link was used by an account.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn spend_invite(
        &mut self,
        invite: &Invite,
        account_id: AccountId,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        self.rows.remove_invite(invite)?;
        let by = Actor::Account(account_id);
        self.record(about(AuditEvent::InviteUsed, by, invite, origin)?)?;
        Ok(())
    }

    /// Whether an account may become a member of an app.
    fn may_join(
        &mut self,
        app_id: AppId,
        account_id: AccountId,
    ) -> Result<Answered<App>, StoreError> {
        let members = self.rows.members_of(app_id)?;
        if members.iter().any(|member| member.account_id == account_id) {
            let text = "you are a member of this app already: the link is left for somebody else";
            return Ok(Err(Refusal::new(ErrorCode::Conflict, text)));
        }
        if members.len() >= MAX_MEMBERS {
            let text = "this app has 100 members: one of its owners must remove somebody first";
            return Ok(Err(Refusal::new(ErrorCode::Conflict, text)));
        }
        granted!(self.room_for_an_app(account_id)?);
        // whoever has a link knows of the app: when it is gone, the link is
        Ok(self.known_app(app_id)?.map_err(|_| account::invalid_invite()))
    }

    /// Whether an account may be a member of one more app.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn room_for_an_app(
        &mut self,
        account_id: AccountId,
    ) -> Result<Answered<()>, StoreError> {
        if self.rows.memberships_of(account_id)?.len() < MAX_APPS {
            return Ok(Ok(()));
        }
        let text = "this account is a member of 100 apps: leave some first";
        Ok(Err(Refusal::new(ErrorCode::Conflict, text)))
    }
}

/// A record about a link: in the app's log where it is an app's, in the service's own otherwise.
fn about(
    event: AuditEvent,
    actor: Actor,
    invite: &Invite,
    origin: &Origin,
) -> Result<Entry, StoreError> {
    let (account_id, role) = match invite.purpose {
        InvitePurpose::SignIn { account_id } => (Some(account_id.to_string()), None),
        InvitePurpose::Member { role, .. } => (None, Some(role.as_str())),
        InvitePurpose::SignUp => (None, None),
    };
    let details = details([
        ("invite_id", invite.id.to_string().into()),
        ("kind", invite.kind().as_str().into()),
        ("account_id", account_id.into()),
        ("role", role.into()),
        ("expires_at", invite.expires_at.to_string().into()),
    ])?;
    let entry = Entry::new(event, actor).details(details).origin(origin);
    Ok(match invite.app_id() {
        Some(app_id) => entry.tenant(Tenant::new(app_id, Environment::Live)),
        None => entry,
    })
}
