//! What belongs to an audit record and has no member of its own: a JSON object in canonical form.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::json::tree::Tree;

/// A JSON object, kept as the text of its RFC 8785 form, so that hashing a record copies it.
///
/// Numbers are whole and at most 2^53 - 1 in size: their form needs no floating point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Details(Box<str>);

/// Why a value cannot be the details of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDetails {
    /// Not an object.
    #[error("must be an object")]
    NotAnObject,
    /// A member stands there twice.
    #[error("must not name a member twice")]
    Repeated,
    /// A number with a fraction, or larger than every JSON reader keeps exact.
    #[error("must hold whole numbers of at most 53 bits")]
    Number,
    /// The value could not be turned into JSON at all.
    #[error("must be JSON with string keys")]
    NotJson,
}

impl Details {
    /// The details that a value is in JSON.
    ///
    /// # Errors
    /// Where the value is no object, or holds a number that has no exact form.
    pub fn new(value: &impl Serialize) -> Result<Self, InvalidDetails> {
        let value = serde_json::to_value(value).map_err(|_| InvalidDetails::NotJson)?;
        Self::from_tree(&Tree::deserialize(value).map_err(|_| InvalidDetails::NotJson)?)
    }

    /// The canonical text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The details as a JSON value, to look things up in.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    pub(crate) fn from_tree(tree: &Tree) -> Result<Self, InvalidDetails> {
        if !matches!(tree, Tree::Object(_)) {
            return Err(InvalidDetails::NotAnObject);
        }
        let mut text = String::new();
        write(tree, &mut text)?;
        Ok(Self(text.into_boxed_str()))
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// On the wire the object itself, in rows its text.
impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let raw: &serde_json::value::RawValue =
                serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
            raw.serialize(serializer)
        } else {
            serializer.serialize_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::from_tree(&Tree::deserialize(deserializer)?).map_err(de::Error::custom)
        } else {
            Box::<str>::deserialize(deserializer).map(Self)
        }
    }
}

crate::schema::impl_schema!(
    Details,
    crate::schema::any_object("What belongs to the event and has no member of its own.")
);

/// RFC 8785: no blanks, members by UTF-16 code units, strings with the shortest escapes.
fn write(tree: &Tree, out: &mut String) -> Result<(), InvalidDetails> {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Tree::Whole(value) if value.unsigned_abs() < 1 << 53 => out.push_str(&value.to_string()),
        Tree::Whole(_) | Tree::Other(_) => return Err(InvalidDetails::Number),
        Tree::String(value) => write_string(value, out)?,
        Tree::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Tree::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            if sorted.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                return Err(InvalidDetails::Repeated);
            }
            out.push('{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(name, out)?;
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// `serde_json` escapes strings exactly as RFC 8785 section 3.2.2.2 wants it.
fn write_string(text: &str, out: &mut String) -> Result<(), InvalidDetails> {
    out.push_str(&serde_json::to_string(text).map_err(|_| InvalidDetails::NotJson)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_text_is_canonical() {
        let details = Details::new(&json!({
            "\u{fb33}": 1, "\u{1f600}": -2, "a": [true, null, "\u{1}\n\"é\u{7f}"], "A": {}
        }))
        .unwrap();
        assert_eq!(
            details.as_str(),
            "{\"A\":{},\"a\":[true,null,\"\\u0001\\n\\\"é\u{7f}\"],\"\u{1f600}\":-2,\"\u{fb33}\":1}"
        );
    }

    #[test]
    fn what_has_no_exact_form_is_refused() {
        assert_eq!(Details::new(&json!([])), Err(InvalidDetails::NotAnObject));
        assert_eq!(Details::new(&json!({"a": 0.5})), Err(InvalidDetails::Number));
        assert_eq!(Details::new(&json!({"a": 1_u64 << 53})), Err(InvalidDetails::Number));
        assert!(Details::new(&json!({"a": (1_u64 << 53) - 1})).is_ok());
        assert!(serde_json::from_str::<Details>(r#"{"a":{"b":1,"b":2}}"#).is_err());
    }

    #[test]
    fn any_spelling_is_read_and_one_is_written() {
        let details: Details = serde_json::from_str("{ \"b\" : 1 , \"\\u0061\" : 2 }").unwrap();
        assert_eq!(serde_json::to_string(&details).unwrap(), r#"{"a":2,"b":1}"#);
        assert_eq!(details.to_value(), json!({"a": 2, "b": 1}));
    }
}
