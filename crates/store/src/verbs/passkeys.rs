//! Passkeys of developers: challenges, signing in, adding and removing (PROTOCOL, Developers). What an
//! authenticator signed was checked before: here is what is decided in the transaction.

use agentadmit_core::account::{self, Account, Invite, InvitePurpose};
use agentadmit_core::dashboard::{Holder, MAX_SESSIONS, SessionLimits, SignInMethod};
use agentadmit_core::passkey::{
    self, CHALLENGE_SECONDS, Challenge, ChallengePurpose, MAX_PASSKEYS, NewPasskey, Passkey, Signed,
};
use agentadmit_core::refusal::Refusal;
use agentadmit_protocol::account::SignUp;
use agentadmit_protocol::audit::{Actor, AuditEvent, Outcome};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AccountId;
use agentadmit_protocol::secret::{Secret, SecretHash};
use agentadmit_protocol::text::Label;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::OperatorCredential;
use crate::verbs::dashboard::OpenedSession;
use crate::verbs::{Answered, Verb, granted};

/// How many challenges that are over go with each new one.
const FORGOTTEN: usize = 20;

/// What a browser wants a challenge for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// To sign in.
    SignIn,
    /// To make an account.
    SignUp {
        /// What it will be called.
        label: Label,
        /// The hash of a link's code.
        invite: Option<SecretHash>,
        /// Who may make one.
        mode: SignUp,
    },
    /// To add a passkey to the account of this session.
    Add(OperatorCredential),
}

/// Makes a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginCeremony {
    /// For what.
    pub wanted: Wanted,
}

/// A challenge that was made.
#[derive(Debug)]
pub struct Begun {
    /// What the browser is asked to sign.
    pub challenge: Secret,
    /// Whose passkey it will be, and what the account is called; `None` where it is to sign in.
    pub account: Option<(AccountId, Label)>,
    /// The passkeys that the account has.
    pub known: Vec<Passkey>,
}

impl Verb for BeginCeremony {
    type Answer = Answered<Begun>;
    const NAME: &'static str = "begin_ceremony";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let (purpose, account, known) = match &self.wanted {
            Wanted::SignIn => (ChallengePurpose::SignIn, None, Vec::new()),
            Wanted::SignUp { label, invite, mode } => {
                granted!(tx.may_sign_up(invite.as_ref(), *mode)?);
                let account_id = AccountId::v7(tx.now, tx.writer.random_id());
                let (label, invite) = (label.clone(), *invite);
                let account = Some((account_id, label.clone()));
                (ChallengePurpose::SignUp { account_id, label, invite }, account, Vec::new())
            }
            Wanted::Add(credential) => {
                let account = granted!(tx.developer(credential)?);
                let known = granted!(tx.room_for_a_passkey(account.id)?);
                let purpose = ChallengePurpose::Add { account_id: account.id };
                (purpose, Some((account.id, account.label)), known)
            }
        };
        tx.rows.forget_challenges(tx.now, FORGOTTEN)?;
        let secret = tx.writer.mint_plain();
        let expires_at = tx.now.plus_seconds(CHALLENGE_SECONDS);
        tx.rows.put_challenge(&Challenge { hash: secret.hash(), purpose, expires_at })?;
        Ok(Ok(Begun { challenge: secret, account, known }))
    }
}

/// Takes a challenge that is answered, well or badly: nobody answers it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeChallenge {
    /// Its hash.
    pub hash: SecretHash,
}

impl Verb for TakeChallenge {
    type Answer = Answered<Challenge>;
    const NAME: &'static str = "take_challenge";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let found = tx.rows.challenge(&self.hash)?.filter(|challenge| challenge.is_good(tx.now));
        let Some(challenge) = found else { return Ok(Err(passkey::invalid_passkey())) };
        tx.rows.remove_challenge(&self.hash)?;
        Ok(Ok(challenge))
    }
}

/// A passkey signed a challenge well: its developer comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInWithPasskey {
    /// The passkey as it was when what it signed was checked.
    pub passkey: Passkey,
    /// What it signed.
    pub signed: Signed,
    /// How long the session lasts.
    pub limits: SessionLimits,
    /// The browser's former session, which ends with this.
    pub former: Option<SecretHash>,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for SignInWithPasskey {
    type Answer = Answered<OpenedSession>;
    const NAME: &'static str = "sign_in_with_passkey";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let is_same = |known: &Passkey| {
            known.account_id == self.passkey.account_id
                && known.public_key == self.passkey.public_key
        };
        let found = tx.rows.passkey(&self.passkey.key())?.filter(is_same);
        let Some(known) = found else { return Ok(Err(passkey::invalid_passkey())) };
        let account = tx.rows.account(known.account_id)?.filter(Account::is_good);
        let Some(account) = account else { return Ok(Err(passkey::invalid_passkey())) };
        if !known.counts_on(self.signed.counter) {
            tx.record(self.went_back(&known)?)?;
            return Ok(Err(passkey::invalid_passkey()));
        }
        tx.rows.put_passkey(&known.used(self.signed, tx.now))?;
        tx.end_former(self.former.as_ref(), &self.origin)?;
        let holder = Holder::PasskeyOwner { account_id: account.id, passkey: self.passkey.key() };
        tx.open_session(holder, SignInMethod::Passkey, self.limits, &self.origin).map(Ok)
    }
}

impl SignInWithPasskey {
    /// A counter that goes back says that somebody has a copy of the passkey.
    fn went_back(&self, known: &Passkey) -> Result<Entry, StoreError> {
        let details = details([
            ("account_id", known.account_id.to_string().into()),
            ("passkey", known.name.as_str().into()),
            ("counter", self.signed.counter.into()),
            ("counter_before", known.counter.into()),
        ])?;
        Ok(Entry::new(AuditEvent::SignInRefused, Actor::System)
            .outcome(Outcome::Refused)
            .reason(ErrorCode::InvalidPasskey.as_str())
            .details(details)
            .origin(&self.origin))
    }
}

/// A first passkey was made for a challenge: the account comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignUpWithPasskey {
    /// The account, as the challenge has it.
    pub account_id: AccountId,
    /// What it is called.
    pub label: Label,
    /// The hash of the link's code, if by one.
    pub invite: Option<SecretHash>,
    /// Who may make an account.
    pub mode: SignUp,
    /// The passkey.
    pub passkey: NewPasskey,
    /// How long the session lasts.
    pub limits: SessionLimits,
    /// The browser's former session, which ends with this.
    pub former: Option<SecretHash>,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for SignUpWithPasskey {
    type Answer = Answered<OpenedSession>;
    const NAME: &'static str = "sign_up_with_passkey";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let invite = granted!(tx.may_sign_up(self.invite.as_ref(), self.mode)?);
        let account = Account { id: self.account_id, ..tx.new_account(self.label.clone()) };
        let joins = match &invite {
            Some(invite) => granted!(tx.joins(invite, account.id)?),
            None => None,
        };
        granted!(tx.is_nobodys(&self.passkey)?);
        if let Some(invite) = &invite {
            tx.spend_invite(invite, account.id, &self.origin)?;
        }
        tx.create_account(&account, &self.origin)?;
        if let Some(member) = joins {
            tx.add_member(&member, Actor::Account(account.id), &self.origin)?;
        }
        let passkey = tx.add_passkey(&self.passkey, account.id, &self.origin)?;
        tx.end_former(self.former.as_ref(), &self.origin)?;
        let holder = Holder::PasskeyOwner { account_id: account.id, passkey: passkey.key() };
        tx.open_session(holder, SignInMethod::Passkey, self.limits, &self.origin).map(Ok)
    }
}

/// A further passkey was made for a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPasskey {
    /// The developer.
    pub credential: OperatorCredential,
    /// Whose the challenge was.
    pub account_id: AccountId,
    /// The passkey.
    pub passkey: NewPasskey,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for AddPasskey {
    type Answer = Answered<Passkey>;
    const NAME: &'static str = "add_passkey";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let account = granted!(tx.developer(&self.credential)?);
        if account.id != self.account_id {
            return Ok(Err(passkey::invalid_passkey()));
        }
        granted!(tx.room_for_a_passkey(account.id)?);
        granted!(tx.is_nobodys(&self.passkey)?);
        tx.add_passkey(&self.passkey, account.id, &self.origin).map(Ok)
    }
}

/// A developer takes the own passkey away, and the sessions that it opened end with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovePasskey {
    /// The developer.
    pub credential: OperatorCredential,
    /// The hash of the authenticator's name for it.
    pub key: SecretHash,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for RemovePasskey {
    type Answer = Answered<Passkey>;
    const NAME: &'static str = "remove_passkey";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let account = granted!(tx.developer(&self.credential)?);
        let found = tx.rows.passkey(&self.key)?.filter(|known| known.account_id == account.id);
        let Some(known) = found else { return Ok(Err(Refusal::not_found("passkey"))) };
        tx.rows.remove_passkey(&self.key)?;
        tx.record(about(AuditEvent::PasskeyRemoved, &known, &self.origin)?)?;
        tx.end_sessions_of_passkey(&known, &self.origin)?;
        Ok(Ok(known))
    }
}

impl Tx<'_> {
    /// Whether a new account may be made now, and the link that says so, where one came.
    fn may_sign_up(
        &mut self,
        invite: Option<&SecretHash>,
        mode: SignUp,
    ) -> Result<Answered<Option<Invite>>, StoreError> {
        let now = self.now;
        let invite = match invite {
            None => None,
            Some(code) => {
                let found = self.rows.invite(code)?.filter(|invite| invite.is_good(now));
                let makes_one =
                    |invite: &Invite| !matches!(invite.purpose, InvitePurpose::SignIn { .. });
                let Some(invite) = found.filter(makes_one) else {
                    return Ok(Err(account::invalid_invite()));
                };
                Some(invite)
            }
        };
        Ok(account::require_sign_up(mode, invite.is_some()).map(|()| invite))
    }

    /// The passkeys of an account that may have one more.
    fn room_for_a_passkey(
        &mut self,
        account_id: AccountId,
    ) -> Result<Answered<Vec<Passkey>>, StoreError> {
        let known = self.rows.passkeys_of(account_id)?;
        if known.len() < MAX_PASSKEYS {
            return Ok(Ok(known));
        }
        let text = "this account has 20 passkeys: remove one first";
        Ok(Err(Refusal::new(ErrorCode::Conflict, text)))
    }

    /// An authenticator's name for a passkey is never given to two.
    fn is_nobodys(&mut self, passkey: &NewPasskey) -> Result<Answered<()>, StoreError> {
        if self.rows.passkey(&SecretHash::of(&passkey.credential))?.is_none() {
            return Ok(Ok(()));
        }
        let text = "this passkey is known already: sign in with it";
        Ok(Err(Refusal::new(ErrorCode::Conflict, text)))
    }

    fn add_passkey(
        &mut self,
        passkey: &NewPasskey,
        account_id: AccountId,
        origin: &Origin,
    ) -> Result<Passkey, StoreError> {
        let passkey = passkey.clone().of(account_id, self.now);
        self.rows.put_passkey(&passkey)?;
        self.record(about(AuditEvent::PasskeyAdded, &passkey, origin)?)?;
        Ok(passkey)
    }

    /// Ends the sessions that a passkey opened: whoever had it may still sit in one of them.
    fn end_sessions_of_passkey(
        &mut self,
        passkey: &Passkey,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let holder =
            Holder::PasskeyOwner { account_id: passkey.account_id, passkey: passkey.key() };
        let (account_id, mut before) = (Some(passkey.account_id), None);
        loop {
            let page = self.rows.sessions_of(account_id, before, MAX_SESSIONS)?;
            before = page.last().map(|session| session.id);
            for session in page.into_iter().filter(|session| session.holder == holder) {
                self.end_session(session, Actor::Account(passkey.account_id), origin)?;
            }
            if before.is_none() {
                return Ok(());
            }
        }
    }

    /// Takes all passkeys of an account that is gone.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn drop_passkeys(&mut self, known: &[Passkey]) -> Result<(), StoreError> {
        known.iter().try_for_each(|passkey| self.rows.remove_passkey(&passkey.key()))
    }
}

fn about(event: AuditEvent, passkey: &Passkey, origin: &Origin) -> Result<Entry, StoreError> {
    let details = details([
        ("account_id", passkey.account_id.to_string().into()),
        ("passkey", passkey.name.as_str().into()),
    ])?;
    let entry = Entry::new(event, Actor::Account(passkey.account_id));
    Ok(entry.details(details).origin(origin))
}
