//! A JSON value that keeps repeated members, so that they can be found.

use core::fmt;
use std::collections::HashSet;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::json::fault::Fault;

/// Any JSON value. Not `Debug`: it may hold secrets.
pub(crate) enum Tree {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A whole number of 64 bits with sign.
    Whole(i64),
    /// Any other number.
    Other(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Tree>),
    /// An object: its members in the order in which they came, repeated ones too.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// What it is, in words.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Whole(_) | Self::Other(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The first member that stands twice in its object, if there is one.
    pub(crate) fn repeated(&self) -> Option<Fault> {
        match self {
            Self::Array(items) => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| item.repeated().map(|fault| fault.in_item(index))),
            Self::Object(members) => {
                let mut seen = HashSet::with_capacity(members.len());
                members.iter().find_map(|(name, value)| {
                    if seen.insert(name.as_str()) {
                        value.repeated().map(|fault| fault.in_member(name))
                    } else {
                        Some(Fault::body("must stand there once").in_member(name))
                    }
                })
            }
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Whole(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "only told to be too large, never computed with"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Other(value as f64), Tree::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Other(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Tree::Object(object))
    }
}
