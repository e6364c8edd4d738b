//! How a scope catalogue changes (PROTOCOL, `PUT /v1/apps/{app_id}/scopes`).

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::scope::{ADMIN_SCOPES, Scope, ScopeName};

use crate::app::CatalogueScope;
use crate::refusal::Refusal;

/// The most scopes that one environment's catalogue holds.
pub const MAX_SCOPES: usize = 500;

/// What a new list of scopes means for the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Names that are new.
    pub added: Vec<Scope>,
    /// Scopes that stay, as they were and as they will be, where something differs.
    pub updated: Vec<(CatalogueScope, Scope)>,
    /// Scopes that leave the catalogue, and so every connection.
    pub removed: Vec<CatalogueScope>,
}

impl Change {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.updated.is_empty() && self.removed.is_empty()
    }
}

/// Compares the catalogue with the list that shall hold from now on.
///
/// Names in `remove` leave even when connections hold them; whether a name that is in neither list
/// may leave is the caller's question (it must ask who holds it).
///
/// # Errors
/// 422 `invalid_request` for a repeated name, a name in both lists, or too many scopes.
pub fn compare(
    current: &[CatalogueScope],
    wanted: &[Scope],
    remove: &[ScopeName],
) -> Result<Change, Refusal> {
    if wanted.len() > MAX_SCOPES {
        return Err(invalid("scopes", format!("at most {MAX_SCOPES} scopes")));
    }
    for (index, scope) in wanted.iter().enumerate() {
        if wanted.iter().take(index).any(|earlier| earlier.name == scope.name) {
            let text = format!("the scope `{}` is named twice", scope.name);
            return Err(invalid(&format!("scopes[{index}].name"), text));
        }
        if remove.contains(&scope.name) {
            let text = format!("the scope `{}` is in `scopes` and in `remove`", scope.name);
            return Err(invalid("remove", text));
        }
    }
    let mut change = Change::default();
    for scope in wanted.iter().map(settled) {
        match current.iter().find(|entry| entry.scope.name == scope.name) {
            None => change.added.push(scope),
            Some(entry) if entry.scope != scope => change.updated.push((entry.clone(), scope)),
            Some(_) => {}
        }
    }
    change.removed = current
        .iter()
        .filter(|entry| !wanted.iter().any(|scope| scope.name == entry.scope.name))
        .cloned()
        .collect();
    Ok(change)
}

/// The scope as the catalogue keeps it: some names are `admin` scopes whatever an app says.
fn settled(scope: &Scope) -> Scope {
    let admin = scope.admin || ADMIN_SCOPES.contains(&scope.name.as_str());
    Scope { admin, ..scope.clone() }
}

fn invalid(field: &str, description: String) -> Refusal {
    Refusal::new(ErrorCode::UnprocessableRequest, description).field(field)
}
