//! Members of apps: developers, and what each may do there (PROTOCOL, Developers).

use agentadmit_core::account::{self, Member, Need};
use agentadmit_core::app::Tenant;
use agentadmit_core::connection::Connection;
use agentadmit_core::refusal::Refusal;
use agentadmit_protocol::account::Role;
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AccountId, AppId, ConnectionId};

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::auth::{AuthenticatedOperator, OperatorCredential};
use crate::verbs::{Answered, Verb, granted};
use crate::views::Views;

/// Gives a member another role, or takes the membership away. An app that has owners keeps one, unless
/// an operator takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMember {
    /// Who does it: an owner, an operator; everybody may leave.
    pub credential: OperatorCredential,
    /// The app.
    pub app_id: AppId,
    /// Whose membership it is.
    pub account_id: AccountId,
    /// The role from now on; `None` for none.
    pub role: Option<Role>,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for ChangeMember {
    /// The member, as it was where there is none any more.
    type Answer = Answered<Member>;
    const NAME: &'static str = "change_member";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let who = granted!(tx.operator(&self.credential)?);
        let leaves = self.role.is_none() && who.account_id() == Some(self.account_id);
        let need = if leaves { Need::Read } else { Need::Write };
        granted!(tx.require_keeper(&who, self.app_id, need)?);
        let members = tx.rows.members_of(self.app_id)?;
        granted!(tx.known_app(self.app_id)?);
        let found = members.iter().find(|member| member.account_id == self.account_id);
        let Some(before) = found else { return Ok(Err(Refusal::not_found("member"))) };
        if self.role == Some(before.role) {
            return Ok(Ok(before.clone()));
        }
        if who.account_id().is_some() {
            granted!(account::require_owner_left(&members, self.account_id, self.role));
        }
        let Some(role) = self.role else {
            tx.drop_member(before, who.actor(), &self.origin)?;
            return Ok(Ok(before.clone()));
        };
        let after = Member { role, ..before.clone() };
        tx.rows.put_member(&after)?;
        let changed = entry(AuditEvent::MemberChanged, who.actor(), &after, &self.origin)?;
        tx.record(changed)?;
        Ok(Ok(after))
    }
}

/// Whether somebody who was found good may do this with an app: an operator who is not limited to
/// plans, or a member.
///
/// # Errors
/// The store's.
pub fn require_keeper(
    views: &mut dyn Views,
    who: &AuthenticatedOperator,
    app_id: AppId,
    need: Need,
) -> Result<Answered<()>, StoreError> {
    let Some(account_id) = who.account_id() else { return Ok(who.require_full()) };
    let member = views.member(app_id, account_id)?;
    Ok(account::require_member(member.as_ref(), need))
}

impl Tx<'_> {
    /// Who may do this with an app: an operator who is not limited to plans, or a member.
    ///
    /// # Errors
    /// The store's.
    pub fn keeper(
        &mut self,
        credential: &OperatorCredential,
        app_id: AppId,
        need: Need,
    ) -> Result<Answered<AuthenticatedOperator>, StoreError> {
        let who = granted!(self.operator(credential)?);
        granted!(self.require_keeper(&who, app_id, need)?);
        Ok(Ok(who))
    }

    /// A connection of which somebody who was found good may do this with the app. One of somebody
    /// else's app is as if it were not there.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn connection_of(
        &mut self,
        who: &AuthenticatedOperator,
        id: ConnectionId,
        need: Need,
    ) -> Result<Answered<Connection>, StoreError> {
        let found = self.rows.connection(id)?;
        let Some(account_id) = who.account_id() else {
            granted!(who.require_full());
            return Ok(found.ok_or_else(|| Refusal::not_found("connection")));
        };
        let Some(connection) = found else { return Ok(Err(Refusal::not_found("connection"))) };
        let Some(member) = self.rows.member(connection.tenant.app_id, account_id)? else {
            return Ok(Err(Refusal::not_found("connection")));
        };
        Ok(account::require_member(Some(&member), need).map(|()| connection))
    }

    /// Whether somebody who was found good may do this with an app.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn require_keeper(
        &mut self,
        who: &AuthenticatedOperator,
        app_id: AppId,
        need: Need,
    ) -> Result<Answered<()>, StoreError> {
        require_keeper(self.rows, who, app_id, need)
    }

    /// Writes a new member.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn add_member(
        &mut self,
        member: &Member,
        by: Actor,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        self.rows.put_member(member)?;
        self.record(entry(AuditEvent::MemberAdded, by, member, origin)?)?;
        Ok(())
    }

    /// Takes a membership away.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn drop_member(
        &mut self,
        member: &Member,
        by: Actor,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        self.rows.remove_member(member.app_id, member.account_id)?;
        self.record(entry(AuditEvent::MemberRemoved, by, member, origin)?)?;
        Ok(())
    }
}

fn entry(
    event: AuditEvent,
    actor: Actor,
    member: &Member,
    origin: &Origin,
) -> Result<Entry, StoreError> {
    let details = details([
        ("account_id", member.account_id.to_string().into()),
        ("role", member.role.as_str().into()),
    ])?;
    Ok(Entry::new(event, actor)
        .tenant(Tenant::new(member.app_id, Environment::Live))
        .details(details)
        .origin(origin))
}
