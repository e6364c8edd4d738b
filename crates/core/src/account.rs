//! Developers of apps: their accounts, which apps they are members of, and the links that let them in.
//!
//! A developer is not an operator: the apps of which the account is a member are all that it sees. What
//! belongs to somebody else answers as what is not there.

use agentadmit_protocol::RedirectUri;
use agentadmit_protocol::account::{InviteKind, Role, SignUp};
use agentadmit_protocol::audit::Actor;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AccountId, AppId, InviteId};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::settings::{RateLimits, Settings, SettingsPatch};
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// The most members of an app.
pub const MAX_MEMBERS: usize = 100;
/// The most apps of which one account is a member.
pub const MAX_APPS: usize = 100;
/// The most links that wait to be used: of one app, and of the service itself.
pub const MAX_INVITES: usize = 100;
/// How long a link is good for that says nothing else.
pub const INVITE_SECONDS: i64 = 259_200;

/// A developer's account. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub id: AccountId,
    /// What its owner calls it.
    pub label: Label,
    /// When it was made.
    pub created_at: Timestamp,
    /// An operator has closed the door: nobody gets in until it is opened again.
    pub suspended_at: Option<Timestamp>,
    /// It is gone for good; the row stays, so that its name is never given to another.
    pub deleted_at: Option<Timestamp>,
}

impl Account {
    /// Whether its developer may come in.
    pub fn is_good(&self) -> bool {
        self.suspended_at.is_none() && self.deleted_at.is_none()
    }
}

/// That an account is a member of an app. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The app.
    pub app_id: AppId,
    /// The account.
    pub account_id: AccountId,
    /// What it may do there.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

/// What a call does with an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It looks.
    Read,
    /// It changes something.
    Write,
}

/// Whether a member may do this with the app.
///
/// # Errors
/// `not_found` for whoever is no member, as if there were no such app; `forbidden` for a viewer who
/// wants to change something.
pub fn require_member(member: Option<&Member>, need: Need) -> Result<(), Refusal> {
    match (member.map(|member| member.role), need) {
        (Some(Role::Owner), _) | (Some(Role::Viewer), Need::Read) => Ok(()),
        (Some(Role::Viewer), Need::Write) => Err(Refusal::new(
            ErrorCode::Forbidden,
            "you are a `viewer` of this app: ask one of its owners to change this, or your role",
        )),
        (None, _) => Err(Refusal::not_found("app")),
    }
}

/// What is the operator's alone.
pub fn operators_only() -> Refusal {
    let text = "only an operator of the service may do this; a developer's account may not";
    Refusal::new(ErrorCode::Forbidden, text)
}

/// What only a developer has.
pub fn developers_only() -> Refusal {
    let text = "only a developer who is signed in has an account; an operator has none";
    Refusal::new(ErrorCode::Forbidden, text)
}

/// Whether a developer may change these settings of an app: rates protect the service, and so are the
/// operator's; so are the addresses that tokens are for and that the consent page shows as the app's own,
/// since nothing else proves whose they are. Addresses to come back to that an operator has registered stay
/// or go, and those on the developer's own machine come, which are nobody's.
///
/// # Errors
/// `forbidden`, naming the member.
pub fn require_own_settings(patch: &SettingsPatch, before: &Settings) -> Result<(), Refusal> {
    let is_own = |uri: &RedirectUri| uri.is_loopback() || before.redirect_uris.contains(uri);
    own_settings(
        patch.rate_limit.is_none(),
        patch.resources.is_none(),
        patch.redirect_uris.iter().flatten().all(is_own),
    )
}

/// As [`require_own_settings`], for an app that a developer makes.
///
/// # Errors
/// `forbidden`, naming the member.
pub fn require_own_first_settings(settings: &Settings) -> Result<(), Refusal> {
    own_settings(
        settings.rate_limit == RateLimits::default(),
        settings.resources.is_empty(),
        settings.redirect_uris.iter().all(RedirectUri::is_loopback),
    )
}

fn own_settings(
    leaves_rates: bool,
    leaves_resources: bool,
    leaves_redirects: bool,
) -> Result<(), Refusal> {
    if !leaves_rates {
        return Err(operators_only().field("settings.rate_limit"));
    }
    if !leaves_resources {
        return Err(operators_only().field("settings.resources"));
    }
    if !leaves_redirects {
        let text = "only an operator of the service registers an address that is not on this machine: the \
                    consent page shows it as the app's own";
        return Err(Refusal::new(ErrorCode::Forbidden, text).field("settings.redirect_uris"));
    }
    Ok(())
}

/// Whether an account may be made now.
///
/// # Errors
/// `forbidden`, saying what to do instead.
pub fn require_sign_up(mode: SignUp, is_invited: bool) -> Result<(), Refusal> {
    let text = match (mode, is_invited) {
        (SignUp::Open, _) | (SignUp::Invite, true) => return Ok(()),
        (SignUp::Invite, false) => {
            "new accounts need a link: ask the operator of this service, or an owner of the app"
        }
        (SignUp::Closed, _) => {
            "this service makes no new accounts: its operator can start it with `--sign-up invite`"
        }
    };
    Err(Refusal::new(ErrorCode::Forbidden, text))
}

/// Whether an app still has an owner when this member has another role, or none.
///
/// # Errors
/// `conflict` for the last owner.
pub fn require_owner_left(
    members: &[Member],
    changed: AccountId,
    role: Option<Role>,
) -> Result<(), Refusal> {
    let is_owner = |member: &Member| member.role == Role::Owner;
    let was_owner = members.iter().any(|member| member.account_id == changed && is_owner(member));
    let others = members.iter().any(|member| member.account_id != changed && is_owner(member));
    if !was_owner || others || role == Some(Role::Owner) {
        return Ok(());
    }
    let text = "this is the app's last owner: make somebody else an owner first, or delete the app";
    Err(Refusal::new(ErrorCode::Conflict, text))
}

/// A link that lets somebody in, once. Also the row that a store keeps, until the link is used, is taken
/// back, or its time is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Its name.
    pub id: InviteId,
    /// What it is good for.
    pub purpose: InvitePurpose,
    /// Who made it.
    pub by: Actor,
    /// SHA-256 of its code.
    pub hash: SecretHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
}

/// What a link is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InvitePurpose {
    /// A new account.
    SignUp,
    /// To sign in.
    SignIn {
        /// As whom.
        account_id: AccountId,
    },
    /// To become a member of an app.
    Member {
        /// The app.
        app_id: AppId,
        /// As what.
        role: Role,
    },
}

impl Invite {
    /// The app whose it is; `None` for the service's own.
    pub fn app_id(&self) -> Option<AppId> {
        match self.purpose {
            InvitePurpose::Member { app_id, .. } => Some(app_id),
            InvitePurpose::SignUp | InvitePurpose::SignIn { .. } => None,
        }
    }

    /// What it is good for, in a word.
    pub fn kind(&self) -> InviteKind {
        match self.purpose {
            InvitePurpose::SignUp => InviteKind::SignUp,
            InvitePurpose::SignIn { .. } => InviteKind::SignIn,
            InvitePurpose::Member { .. } => InviteKind::Member,
        }
    }

    /// Whether it may still be used.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// One text for every link that lets nobody in: unknown, used, taken back, or over.
pub fn invalid_invite() -> Refusal {
    let text = "this link is not good any more, or never was: ask whoever sent it for a new one";
    Refusal::new(ErrorCode::NotFound, text).field("code")
}

#[cfg(test)]
mod tests {
    use agentadmit_protocol::settings::RateLimitsPatch;

    use super::*;

    fn member(number: u8, role: Role) -> Member {
        Member {
            app_id: AppId::from_bytes([1; 16]),
            account_id: AccountId::from_bytes([number; 16]),
            role,
            joined_at: Timestamp::from_millis(0),
        }
    }

    fn code(answer: Result<(), Refusal>) -> Option<ErrorCode> {
        answer.err().map(|refusal| refusal.code)
    }

    #[test]
    fn viewers_look_and_strangers_see_nothing() {
        let table = [
            (Some(Role::Owner), Need::Read, None),
            (Some(Role::Owner), Need::Write, None),
            (Some(Role::Viewer), Need::Read, None),
            (Some(Role::Viewer), Need::Write, Some(ErrorCode::Forbidden)),
            (None, Need::Read, Some(ErrorCode::NotFound)),
            (None, Need::Write, Some(ErrorCode::NotFound)),
        ];
        for (role, need, expected) in table {
            let member = role.map(|role| member(1, role));
            assert_eq!(code(require_member(member.as_ref(), need)), expected, "{role:?} {need:?}");
        }
    }

    #[test]
    fn accounts_are_made_where_the_operator_lets_them() {
        let may = |mode, is_invited| require_sign_up(mode, is_invited).is_ok();
        assert!(may(SignUp::Open, false) && may(SignUp::Open, true));
        assert!(!may(SignUp::Invite, false) && may(SignUp::Invite, true));
        assert!(!may(SignUp::Closed, false) && !may(SignUp::Closed, true));
        assert_eq!(SignUp::default(), SignUp::Closed);
    }

    #[test]
    fn an_app_keeps_an_owner() {
        let (ann, bob) = (member(1, Role::Owner), member(2, Role::Owner));
        let eve = member(3, Role::Viewer);
        let left = |members: &[Member], who: &Member, role| {
            require_owner_left(members, who.account_id, role).is_ok()
        };
        let (alone, both) = ([ann.clone(), eve.clone()], [ann.clone(), bob, eve.clone()]);
        for role in [None, Some(Role::Viewer)] {
            assert!(!left(&alone, &ann, role));
            assert!(left(&both, &ann, role));
            assert!(left(&alone, &eve, role), "who is no owner may go");
        }
        assert!(left(&alone, &ann, Some(Role::Owner)));
        assert!(left(&alone, &eve, Some(Role::Owner)));
    }

    #[test]
    fn rates_and_addresses_are_the_operators() {
        let none = Settings::default();
        let own = SettingsPatch { allow_until_revoked: Some(false), ..SettingsPatch::default() };
        assert_eq!(code(require_own_settings(&own, &none)), None);
        let rates = SettingsPatch { rate_limit: Some(RateLimitsPatch::default()), ..own.clone() };
        let refusal = require_own_settings(&rates, &none).unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some("settings.rate_limit"));
        // naming none is giving up those that an operator has set
        let resources = SettingsPatch { resources: Some(Vec::new()), ..own.clone() };
        let refusal = require_own_settings(&resources, &none).unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some("settings.resources"));
        assert_eq!(code(require_own_first_settings(&none)), None);

        let uris = |texts: &[&str]| -> Vec<RedirectUri> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let (bank, shop) = ("https://bank.example/", "https://shop.example/");
        let here = "http://127.0.0.1:8000/";
        let registered = Settings { redirect_uris: uris(&[shop]), ..Settings::default() };
        for (texts, is_own) in [
            (&[][..], true),
            (&[shop], true),
            (&[here, shop], true),
            (&[bank], false),
            (&[shop, bank], false),
            (&["https://shop.example"], false),
        ] {
            let patch = SettingsPatch { redirect_uris: Some(uris(texts)), ..own.clone() };
            let refused = require_own_settings(&patch, &registered);
            assert_eq!(refused.is_ok(), is_own, "{texts:?}");
            let named = refused.err().and_then(|refusal| refusal.field);
            assert_eq!(named.as_deref(), (!is_own).then_some("settings.redirect_uris"));
        }
        for (text, is_own) in [(here, true), (shop, false)] {
            let first = Settings { redirect_uris: uris(&[text]), ..Settings::default() };
            assert_eq!(require_own_first_settings(&first).is_ok(), is_own, "{text}");
        }
    }
}
