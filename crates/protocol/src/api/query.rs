//! Query strings and forms: every parameter once, none empty where that could widen a filter.

use core::fmt;

use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserialize, Serialize};

use crate::json::fault::Fault;
use crate::json::node::Node;
use crate::json::tree::Tree;
use crate::text::{InvalidText, texts};

/// What is wrong with a query string or a form: 400 `invalid_request`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct BadQuery {
    /// The parameter; empty for the whole.
    pub field: String,
    /// A sentence that a developer can act on.
    pub description: String,
}

/// Reads a query string (what follows the `?`).
///
/// # Errors
/// A parameter that is unknown, repeated, empty ("never 'no filter'": PROTOCOL, Errors), or breaks
/// its rule.
pub fn from_str<T: DeserializeOwned>(query: &str) -> Result<T, BadQuery> {
    read(query, false)
}

/// Reads a form (`application/x-www-form-urlencoded`) as OAuth wants it: a parameter without a
/// value is as good as absent, one that nobody knows is ignored (RFC 6749 section 3.1).
///
/// # Errors
/// A parameter that is repeated or breaks its rule; bytes that are no UTF-8.
pub fn from_form<T: DeserializeOwned>(form: &[u8]) -> Result<T, BadQuery> {
    read(form_text(form)?, true)
}

fn read<T: DeserializeOwned>(text: &str, skip_empty: bool) -> Result<T, BadQuery> {
    let tree = parameters(text, skip_empty)?;
    if let Some(fault) = tree.repeated() {
        return Err(fault.into());
    }
    T::deserialize(Node(&tree)).map_err(BadQuery::from)
}

/// The names and values of a form, in their order; what has no value is left out.
///
/// # Errors
/// Bytes that are no UTF-8, percent-encoded or not.
pub fn form_pairs(form: &[u8]) -> Result<Vec<(String, String)>, BadQuery> {
    pairs(form_text(form)?, true)
}

fn form_text(form: &[u8]) -> Result<&str, BadQuery> {
    core::str::from_utf8(form).map_err(|_| BadQuery {
        field: String::new(),
        description: "the form is not UTF-8".to_owned(),
    })
}

fn parameters(text: &str, skip_empty: bool) -> Result<Tree, BadQuery> {
    let pairs = pairs(text, skip_empty)?.into_iter();
    Ok(Tree::Object(pairs.map(|(name, value)| (name, Tree::String(value))).collect()))
}

fn pairs(text: &str, skip_empty: bool) -> Result<Vec<(String, String)>, BadQuery> {
    let mut pairs = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = url::form_urlencoded::parse(part.as_bytes()).next().unwrap_or_default();
        // The decoder leaves a stray `%` as it is, and puts U+FFFD in place of what is no UTF-8.
        if !is_percent_encoded(part) || name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(Fault::body("must be percent-encoded UTF-8").in_member(&name).into());
        }
        if !value.is_empty() {
            pairs.push((name.into_owned(), value.into_owned()));
        } else if !skip_empty {
            let rule = "must not be empty: leave the parameter out, or give it a value";
            return Err(Fault::body(rule).in_member(&name).into());
        }
    }
    Ok(pairs)
}

/// Whether every `%` stands before two hexadecimal digits (RFC 3986 section 2.1).
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| {
        let mut digits = behind.bytes();
        let mut is_digit = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        is_digit() && is_digit()
    })
}

impl From<Fault> for BadQuery {
    fn from(fault: Fault) -> Self {
        let (field, description) = fault.into_parts("the query");
        Self { field, description }
    }
}

texts! {
    /// Where a page of a list goes on: opaque to clients, at most 512 of `A-Za-z0-9_-`.
    Cursor, "a cursor", cursor,
        crate::schema::pattern("^[A-Za-z0-9_-]{1,512}$", "Opaque: the `next_cursor` of the page before.", "AAAB");
}

fn cursor(text: &str) -> Result<(), InvalidText> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=512).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(());
    }
    Err(InvalidText::Rule("must be the `next_cursor` of the page before, unchanged"))
}

/// How many items a page holds, at most: 1 to 1000, 50 when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PageLimit(u16);

impl PageLimit {
    /// The largest page.
    pub const MAX: u16 = 1_000;

    /// The limit, if it is within the bounds.
    pub const fn new(limit: u16) -> Option<Self> {
        if limit == 0 || limit > Self::MAX { None } else { Some(Self(limit)) }
    }

    /// How many items.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl<'de> Deserialize<'de> for PageLimit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PageLimitVisitor)
    }
}

struct PageLimitVisitor;

impl Visitor<'_> for PageLimitVisitor {
    type Value = PageLimit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 1 to 1000")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PageLimit, E> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        is_plain
            .then(|| text.parse().ok())
            .flatten()
            .and_then(PageLimit::new)
            .ok_or_else(|| E::custom("must be a whole number from 1 to 1000"))
    }
}

crate::schema::impl_schema!(
    PageLimit,
    crate::schema::whole(1, 1_000, Some(50), "How many items, at most.")
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::audit::AuditQuery;
    use crate::api::connections::ConnectionsQuery;
    use crate::api::oauth::TokenForm;

    fn refused(query: &str) -> String {
        from_str::<ConnectionsQuery>(query).unwrap_err().field
    }

    #[test]
    fn filters_are_read() {
        let query: ConnectionsQuery =
            from_str("user_id=a%20b%2Bc&status=active&limit=1000&cursor=x_-9").unwrap();
        assert_eq!(query.user_id.unwrap().as_str(), "a b+c");
        assert_eq!(query.limit.unwrap().get(), 1_000);
        assert_eq!(from_str::<ConnectionsQuery>("").unwrap(), ConnectionsQuery::default());
        let query: AuditQuery =
            from_str("event=connection_created&from=2026-01-01T00%3A00%3A00Z").unwrap();
        assert!(query.from.is_some() && query.event.is_some());
    }

    #[test]
    fn empty_repeated_unknown_and_broken_parameters_are_refused() {
        for (query, field) in [
            ("user_id=", "user_id"),
            ("user_id", "user_id"),
            ("user_id=a&user_id=a", "user_id"),
            ("user_id=a&user_id=b", "user_id"),
            ("user=a", "user"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=+1", "limit"),
            ("limit=01", "limit"),
            ("limit=1e2", "limit"),
            ("limit=99999999999999999999", "limit"),
            ("status=Active", "status"),
            ("cursor=a.b", "cursor"),
            ("user_id=%ff", "user_id"),
            ("user_id=%00", "user_id"),
            ("user_id=%", "user_id"),
            ("user_id=100%&limit=1", "user_id"),
            ("user_id=%4", "user_id"),
            ("user_id=%zz", "user_id"),
            ("user_id=%%41", "user_id"),
            ("%zz=x", "%zz"),
            ("=x", ""),
        ] {
            assert_eq!(refused(query), field, "{query}");
        }
    }

    #[test]
    fn forms_ignore_what_oauth_ignores() {
        let form: TokenForm = from_form(b"token=x&client_id=&resource=y").unwrap();
        assert_eq!(form.client_id, None);
        assert_eq!(from_form::<TokenForm>(b"client_id=a").unwrap_err().field, "token");
        assert_eq!(from_form::<TokenForm>(b"token=a&token=b").unwrap_err().field, "token");
        assert!(from_form::<TokenForm>(b"token=\xff").is_err());
    }
}
