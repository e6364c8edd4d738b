//! What a key may do (PROTOCOL, Operator API, `api-keys`).

use core::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

crate::wire::words! {
    /// One thing that a key may do.
    pub enum Permission {
        /// Verify, introspect, exchange.
        Verify = "verify",
        /// Issue connections.
        Issue = "issue",
        /// Connections, revocation, scopes, audit, usage.
        Manage = "manage",
    }
}

/// A set of permissions: on the wire an array of distinct names, in rows one byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// Everything: what a key gets when nothing is said.
    pub const ALL: Self =
        Self::NONE.with(Permission::Verify).with(Permission::Issue).with(Permission::Manage);
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// This set and one more.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u8)
    }

    /// Whether the permission is in the set.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u8 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The permissions in the order of the contract.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl Default for Permissions {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(self.iter())
        } else {
            serializer.serialize_u8(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_seq(NamesVisitor)
        } else {
            // A bit that this version does not know grants nothing.
            u8::deserialize(deserializer).map(|bits| Self(bits & Self::ALL.0))
        }
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Permissions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of verify, issue, manage")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Permissions, A::Error> {
        let mut permissions = Permissions::NONE;
        while let Some(permission) = names.next_element()? {
            if permissions.contains(permission) {
                return Err(de::Error::custom("must name each permission once"));
            }
            permissions = permissions.with(permission);
        }
        if permissions.is_empty() {
            return Err(de::Error::custom("must name at least one of verify, issue, manage"));
        }
        Ok(permissions)
    }
}

crate::schema::impl_schema!(
    Permissions,
    crate::schema::distinct(
        crate::schema::words(Permission::WORDS),
        1,
        3,
        "What the key may do; all of it when nothing is said.",
    )
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_in_the_order_of_the_contract() {
        let set: Permissions = serde_json::from_str(r#"["manage","verify"]"#).unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["verify","manage"]"#);
        assert!(!set.contains(Permission::Issue));
    }

    #[test]
    fn a_set_is_one_byte_in_a_row() {
        assert_eq!(postcard::to_allocvec(&Permissions::ALL).unwrap(), [7]);
        assert_eq!(postcard::from_bytes::<Permissions>(&[0xff]).unwrap(), Permissions::ALL);
    }

    #[test]
    fn empty_repeated_and_unknown_names_are_refused() {
        for json in ["[]", r#"["verify","verify"]"#, r#"["admin"]"#, r#""verify""#, "null"] {
            assert!(serde_json::from_str::<Permissions>(json).is_err(), "{json}");
        }
    }
}
