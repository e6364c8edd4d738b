//! Developers of apps: members of an app, links that let somebody in, accounts. `/dashboard/…` has the
//! half of whoever comes with a link.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::account::{InviteKind, Role, SignUp};
use crate::api::dashboard::SessionApp;
use crate::api::operator::DeletedStatus;
use crate::api::passkeys::PasskeyView;
use crate::api::query::Cursor;
use crate::api::revoke::RevokedStatus;
use crate::audit::Actor;
use crate::id::{AccountId, AppId, InviteId};
use crate::link_code::LinkCode;
use crate::text::Label;
use crate::time::Timestamp;
use crate::wire::{bounded, object, words};

/// A member of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberView {
    /// The developer's account.
    pub account_id: AccountId,
    /// What the developer is called.
    pub label: Label,
    /// What the member may do with the app.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

/// The members of an app: at most 100.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberList {
    /// The members.
    pub members: Vec<MemberView>,
}

/// Gives a member another role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeMemberRequest {
    /// The role from now on.
    pub role: Role,
}
object!(ChangeMemberRequest);

words! {
    /// Where somebody stands who is no member any more.
    pub enum RemovedStatus {
        /// No member any more.
        Removed = "removed",
    }
}

/// 200: the developer sees nothing of the app from the answer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberRemoved {
    /// The app.
    pub app_id: AppId,
    /// Whose membership it was.
    pub account_id: AccountId,
    /// Always `removed`.
    pub status: RemovedStatus,
}

bounded! {
    /// Seconds that a link is good for.
    InviteSeconds: 60..=2_592_000, 259_200, "Seconds that the link can be used."
}

bounded! {
    /// Seconds that a link is good for that signs somebody in.
    SignInLinkSeconds: 60..=86_400, 3_600, "Seconds that the link can be used."
}

/// Makes a link to membership of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteMemberRequest {
    /// What whoever uses it may do with the app.
    pub role: Role,
    /// How long it is good.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<InviteSeconds>))]
    pub seconds: InviteSeconds,
}
object!(InviteMemberRequest);

/// Makes a link to a new account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteDeveloperRequest {
    /// How long it is good.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<InviteSeconds>))]
    pub seconds: InviteSeconds,
}
object!(InviteDeveloperRequest);

/// Makes a link that signs a developer in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInLinkRequest {
    /// How long it is good.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<SignInLinkSeconds>))]
    pub seconds: SignInLinkSeconds,
}
object!(SignInLinkRequest);

/// 201: a link. It is shown this once.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteCreated {
    /// Its public name.
    pub invite_id: InviteId,
    /// Its code, which stands behind the `#` of `url`.
    pub code: LinkCode,
    /// What to hand over; `null` where the answer comes from the command line on a store, which does not
    /// know where its service is reached.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub url: Option<String>,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
}

impl fmt::Debug for InviteCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InviteCreated").field("invite_id", &self.invite_id).finish_non_exhaustive()
    }
}

/// A link that waits to be used: never its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteView {
    /// Its public name.
    pub invite_id: InviteId,
    /// What it is good for.
    pub kind: InviteKind,
    /// What whoever uses it may do with the app; `null` where it is about no app.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub role: Option<Role>,
    /// Whom it signs in; `null` where it signs nobody in who is known.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub account_id: Option<AccountId>,
    /// Who made it.
    pub by: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
}

/// The links that wait: at most 100, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteList {
    /// The links.
    pub invites: Vec<InviteView>,
}

/// 200: the link opens nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteRevoked {
    /// The link.
    pub invite_id: InviteId,
    /// Always `revoked`.
    pub status: RevokedStatus,
}

/// A developer's account, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountView {
    /// The account.
    pub account_id: AccountId,
    /// What its developer calls it.
    pub label: Label,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when nobody gets in.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub suspended_at: Option<Timestamp>,
    /// When it was deleted.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub deleted_at: Option<Timestamp>,
    /// Of which apps it is a member; deleted ones too.
    pub apps: Vec<SessionApp>,
}

/// A page of accounts, oldest first, deleted ones too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountList {
    /// The page.
    pub accounts: Vec<AccountView>,
    /// Where the next page begins; `null` on the last.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_cursor: Option<Cursor>,
}

/// 200: nobody gets in with it any more; its apps stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountDeleted {
    /// The account.
    pub account_id: AccountId,
    /// Always `deleted`.
    pub status: DeletedStatus,
    /// When.
    pub deleted_at: Timestamp,
}

/// 200: who may make an account here, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignUpShown {
    /// Who may.
    pub mode: SignUp,
    /// The host for which passkeys of this dashboard are (`WebAuthn`'s RP ID); `null` where its address
    /// has no name, and so no passkeys.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub rp_id: Option<String>,
}

/// Asks what a link is good for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShowInviteRequest {
    /// What stands behind the `#` of the link.
    pub code: LinkCode,
}
object!(ShowInviteRequest);

/// The app of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteApp {
    /// The app.
    pub app_id: AppId,
    /// What users see.
    pub name: Label,
}

/// 200: what a link is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteShown {
    /// In a word.
    pub kind: InviteKind,
    /// Of which app one becomes a member; `null` where of none.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub app: Option<InviteApp>,
    /// As what; `null` where there is no app.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub role: Option<Role>,
    /// As whom one comes in: whose account it is, or who is signed in and joins; `null` where a new account
    /// is made.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub label: Option<Label>,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
    /// Whether using it makes an account, which needs a name.
    pub makes_account: bool,
}

/// Uses a link.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UseInviteRequest {
    /// What stands behind the `#` of the link.
    pub code: LinkCode,
    /// What a new account is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
}
object!(UseInviteRequest);

/// 200: the own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnAccount {
    /// The account.
    pub account_id: AccountId,
    /// What its developer calls it.
    pub label: Label,
    /// When it was made.
    pub created_at: Timestamp,
    /// What signs its developer in, oldest first.
    pub passkeys: Vec<PasskeyView>,
}

/// Gives the own account another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RenameAccountRequest {
    /// What it is called from now on.
    pub label: Label,
}
object!(RenameAccountRequest);
