//! What a client asks for, and what of it a user may be offered.

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::scope::{MAX_SCOPES, ScopeName};

use crate::app::CatalogueScope;
use crate::connection::{Connection, GrantedScope};
use crate::consent::{self, Question};
use crate::refusal::Refusal;

/// What clients send to get a refresh token. Everyone gets one here.
const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes of a `scope` parameter (RFC 6749 section 3.3), each once. Nothing is asked for by a
/// parameter that is absent or empty.
///
/// # Errors
/// `invalid_scope` for a name that no scope can have.
pub fn parse(scope: Option<&str>) -> Result<Vec<ScopeName>, Refusal> {
    let mut names: Vec<ScopeName> = Vec::new();
    let words = scope.unwrap_or_default().split(' ');
    for word in words.filter(|word| !word.is_empty() && *word != OFFLINE_ACCESS) {
        let unknown = || invalid("the scope names something that no scope of an app is called");
        let name: ScopeName = word.parse().map_err(|_| unknown())?;
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > MAX_SCOPES {
            return Err(invalid("the scope names more than there can be"));
        }
    }
    Ok(names)
}

/// What a user may be offered of what a client asks for: those scopes, each in the catalogue; the
/// whole catalogue but its `admin` scopes where nothing is named.
///
/// # Errors
/// `invalid_scope`, naming what the catalogue lacks.
pub fn asked(
    names: &[ScopeName],
    catalogue: &[CatalogueScope],
) -> Result<Vec<GrantedScope>, Refusal> {
    let question = consent::grant_question(names, &[], &[], catalogue).map_err(|refusal| {
        // the field of a form, and the client cannot push a catalogue
        let text = if names.is_empty() {
            "the app has no scope that a user could grant".to_owned()
        } else {
            let known = |name: &&ScopeName| !catalogue.iter().any(|e| e.scope.name == **name);
            let unknown: Vec<&str> = names.iter().filter(known).map(ScopeName::as_str).collect();
            format!("the app has no scope {}", unknown.join(", "))
        };
        Refusal { description: text.into(), ..refusal }.field("scope")
    })?;
    match question {
        Question::Grant { offered, .. } => Ok(offered),
        _ => Ok(Vec::new()),
    }
}

/// What this user may be offered of it, as the app says: all of it where it names nothing.
///
/// # Errors
/// `invalid_scope` for what was not asked for, and where nothing is left.
pub fn bound(asked: &[GrantedScope], names: &[ScopeName]) -> Result<Vec<GrantedScope>, Refusal> {
    if names.is_empty() {
        return Ok(asked.to_vec());
    }
    let mut bound: Vec<GrantedScope> = Vec::with_capacity(names.len());
    for name in names {
        let Some(scope) = asked.iter().find(|scope| scope.name == *name) else {
            let text = format!("the client did not ask for `{name}`");
            return Err(Refusal::new(ErrorCode::InvalidScope, text).field("scopes"));
        };
        if !bound.contains(scope) {
            bound.push(scope.clone());
        }
    }
    Ok(bound)
}

/// Whether a refresh may name these scopes (RFC 6749 section 6): nothing, or something that was
/// granted. The token holds what the grant holds, whatever is named, and the answer says so (section
/// 3.3): many clients name for ever what they asked for at first, of which their user left some out.
///
/// # Errors
/// `invalid_scope`.
pub fn within_grant(connection: &Connection, names: &[ScopeName]) -> Result<(), Refusal> {
    let granted = |name: &ScopeName| connection.scopes.iter().any(|scope| scope.name == *name);
    if names.is_empty() || names.iter().any(granted) {
        return Ok(());
    }
    Err(invalid("the scope names nothing that the user has granted"))
}

fn invalid(text: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidScope, text).field("scope")
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentadmit_protocol::scope::Scope;
    use agentadmit_protocol::text::Text;
    use proptest::prelude::*;

    fn catalogue() -> Vec<CatalogueScope> {
        ["a:read", "a:write", "b:read", "b:admin"]
            .iter()
            .zip(1_u32..)
            .map(|(name, id)| CatalogueScope {
                id,
                scope: Scope {
                    name: name.parse().unwrap(),
                    description: Text::new("x").unwrap(),
                    category: None,
                    sensitive: false,
                    admin: name.ends_with("admin"),
                },
            })
            .collect()
    }

    fn names(scopes: &[GrantedScope]) -> Vec<&str> {
        scopes.iter().map(|scope| scope.name.as_str()).collect()
    }

    #[test]
    fn nothing_named_is_everything_but_admin() {
        let all = asked(&parse(None).unwrap(), &catalogue()).unwrap();
        assert_eq!(names(&all), ["a:read", "a:write", "b:read"]);
        let offline = asked(&parse(Some("offline_access")).unwrap(), &catalogue()).unwrap();
        assert_eq!(all, offline);
        let named = parse(Some("b:admin a:read b:admin offline_access")).unwrap();
        assert_eq!(names(&asked(&named, &catalogue()).unwrap()), ["b:admin", "a:read"]);
        assert_eq!(asked(&[], &[]).unwrap_err().code, ErrorCode::InvalidScope);
        let unknown = asked(&parse(Some("a:read c:read")).unwrap(), &catalogue()).unwrap_err();
        assert_eq!(unknown.code, ErrorCode::InvalidScope);
        assert!(unknown.description.contains("c:read") && !unknown.description.contains("a:read"));
        assert_eq!(parse(Some("openid")).unwrap_err().code, ErrorCode::InvalidScope);
    }

    proptest! {
        #[test]
        fn an_app_can_only_take_away(
            chosen in prop::collection::vec(0_usize..4, 0..6),
            kept in prop::collection::vec(0_usize..4, 0..6),
        ) {
            let all = catalogue();
            let name = |at: &usize| all[*at].scope.name.clone();
            let chosen: Vec<ScopeName> = chosen.iter().map(name).collect();
            let text: Vec<&str> = chosen.iter().map(ScopeName::as_str).collect();
            let asked = asked(&parse(Some(&text.join(" "))).unwrap(), &all).unwrap();
            let kept: Vec<ScopeName> = kept.iter().map(name).collect();
            let is_asked = |name: &ScopeName| asked.iter().any(|scope| scope.name == *name);
            match bound(&asked, &kept) {
                Ok(bound) => {
                    prop_assert!(!bound.is_empty());
                    prop_assert!(bound.iter().all(|scope| asked.contains(scope)));
                    prop_assert!(kept.iter().all(is_asked));
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal.code, ErrorCode::InvalidScope);
                    prop_assert!(!kept.iter().all(is_asked));
                }
            }
        }

        #[test]
        fn any_text_is_answered(text: String) {
            let _ = parse(Some(&text));
        }
    }
}
