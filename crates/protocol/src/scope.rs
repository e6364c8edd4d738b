//! Scopes: the names of what an agent may do (PROTOCOL, Scopes).

use serde::{Deserialize, Serialize};

use crate::text::{InvalidText, Label, Text, texts};
use crate::wire::object;

/// Scopes that only an app's admins may grant, whatever its catalogue says.
pub const ADMIN_SCOPES: [&str; 3] = ["manage:connections", "read:usage", "read:audit"];

/// The most characters of one scope's name.
pub const MAX_NAME_LENGTH: usize = 64;
/// The most scopes of one environment's catalogue, and of one request.
pub const MAX_SCOPES: usize = 500;
/// The most names in one space-separated list.
pub const MAX_LISTED: usize = 50;

texts! {
    /// A scope's name, such as `orders:read`: compared byte by byte, never a pattern.
    ScopeName, "a scope name", scope_name,
        crate::schema::scope_name();
    /// One or more distinct scope names, separated by single spaces (RFC 6749 section 3.3).
    ScopeList, "scope names separated by spaces", scope_list,
        crate::schema::scope_list();
}

impl ScopeList {
    /// The names in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = ScopeName> {
        self.as_str().split(' ').map(|name| ScopeName(name.into()))
    }

    /// The same, of a list that is not needed any more: one that has a single name is that name.
    pub fn into_names(self) -> Vec<ScopeName> {
        if self.0.contains(' ') { self.iter().collect() } else { vec![ScopeName(self.0)] }
    }
}

impl PartialEq<str> for ScopeName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl ScopeName {
    /// Whether only an app's admins may grant it, whatever its catalogue says.
    pub fn is_always_admin(&self) -> bool {
        ADMIN_SCOPES.contains(&self.as_str())
    }
}

/// Names as the wire writes them in one string: separated by single spaces.
pub fn join(names: &[ScopeName]) -> String {
    let mut text = String::with_capacity(names.iter().map(|name| name.as_str().len() + 1).sum());
    for name in names {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(name.as_str());
    }
    text
}

/// A scope of an app's catalogue. Also the row that a store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scope {
    /// Unique in the catalogue.
    pub name: ScopeName,
    /// What an agent that holds it can do, for the person who grants it.
    pub description: Text,
    /// Under which heading it is shown.
    #[serde(default)]
    pub category: Option<Label>,
    /// Shown with a warning.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub sensitive: bool,
    /// Only an app's admins may grant it.
    #[serde(default, deserialize_with = "crate::wire::null_is_default")]
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub admin: bool,
}
object!(Scope);

/// `^[a-z0-9_.-]+:[a-z0-9_.:-]+$`, at most 64 characters.
fn scope_name(name: &str) -> Result<(), InvalidText> {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
    let holds = name.len() <= MAX_NAME_LENGTH
        && name.split_once(':').is_some_and(|(head, tail)| {
            !head.is_empty()
                && !tail.is_empty()
                && head.bytes().all(is_plain)
                && tail.bytes().all(|byte| is_plain(byte) || byte == b':')
        });
    if holds {
        return Ok(());
    }
    Err(InvalidText::Rule(
        "must be a scope name such as orders:read: at most 64 of a-z 0-9 _ . - with a colon inside",
    ))
}

fn scope_list(text: &str) -> Result<(), InvalidText> {
    // most lists have one name, and no name has a space in it
    if scope_name(text).is_ok() {
        return Ok(());
    }
    let mut names: Vec<&str> = Vec::new();
    for name in text.split(' ') {
        if names.len() == MAX_LISTED {
            return Err(InvalidText::Rule("must name at most 50 scopes"));
        }
        if scope_name(name).is_err() {
            return Err(InvalidText::Rule(
                "must be scope names such as orders:read, separated by single spaces",
            ));
        }
        if names.contains(&name) {
            return Err(InvalidText::Rule("must name each scope once"));
        }
        names.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_the_regular_expression_of_the_contract() {
        for name in ["a:b", "orders:read", "a.b-c_9:x:y", "a:::", &format!("a:{}", "b".repeat(62))]
        {
            assert!(ScopeName::new(name).is_ok(), "{name:?}");
        }
        let too_long = format!("a:{}", "b".repeat(63));
        for name in [
            "", "a", ":", "a:", ":b", "A:b", "a:B", "a b:c", "a:b ", "é:b", "a/b:c", "a:*",
            &too_long,
        ] {
            assert!(ScopeName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn lists_are_separated_by_single_spaces() {
        let list = ScopeList::new("a:b c:d").unwrap();
        let names: Vec<_> = list.iter().collect();
        assert_eq!(join(&names), "a:b c:d");
        assert_eq!(list.into_names(), names);
        let one = ScopeList::new("a:b").unwrap();
        assert_eq!(one.clone().into_names(), one.iter().collect::<Vec<_>>());
        for text in ["", " ", "a:b  c:d", " a:b", "a:b ", "a:b\tc:d", "a:b,c:d", "a:b a:b"] {
            assert!(ScopeList::new(text).is_err(), "{text:?}");
        }
        let many: Vec<_> = (0..=MAX_LISTED).map(|n| format!("a:{n}")).collect();
        assert!(ScopeList::new(many.join(" ")).is_err());
    }

    #[test]
    fn a_scope_is_an_object_with_defaults() {
        let scope: Scope =
            serde_json::from_str(r#"{"name":"a:b","description":"x","admin":null}"#).unwrap();
        assert!(!scope.sensitive && !scope.admin && scope.category.is_none());
        assert!(serde_json::from_str::<Scope>(r#"["a:b","x"]"#).is_err());
        let row = postcard::to_allocvec(&scope).unwrap();
        assert_eq!(postcard::from_bytes::<Scope>(&row).unwrap(), scope);
    }
}
