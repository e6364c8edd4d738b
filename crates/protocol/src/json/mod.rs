//! Reading a request body: strict, quick when it is right, and exact about what is wrong.
//!
//! A body that is right is read by `serde_json` alone. Any other is read a second time, into a
//! tree that keeps repeated members, to find out whether it is no JSON (400) or breaks a rule (422), and which
//! member it is about. The member's name comes out of the structure, never out of a message, and
//! no value is ever repeated: it may be a secret.

pub(crate) mod fault;
pub(crate) mod node;
pub mod plain;
pub(crate) mod tree;

use serde::de::DeserializeOwned;

use crate::json::fault::Fault;
use crate::json::node::Node;
use crate::json::tree::Tree;

/// The deepest nesting of a body.
pub const MAX_DEPTH: usize = 32;

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// 400 `invalid_request`: no JSON, no UTF-8, something behind the JSON, nested too deep.
    #[error("{description}")]
    Syntax {
        /// A sentence that a developer can act on.
        description: String,
    },
    /// 422 `invalid_request` with `field`: a member that is unknown, repeated, missing, or breaks
    /// its rule.
    #[error("{description}")]
    Member {
        /// The path to the member, such as `scopes[0].name`; empty for the body itself.
        field: String,
        /// A sentence that a developer can act on.
        description: String,
    },
}

impl BadBody {
    /// A member that breaks a rule which concerns more than its own value.
    pub fn member(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Member { field: field.into(), description: description.into() }
    }
}

/// Reads a body that must be one JSON object.
///
/// # Errors
/// What is wrong with it, the first thing found.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadBody> {
    from_slice_if_right(body).map_or_else(|| explain(body), Ok)
}

/// The same, without finding out what is wrong.
pub fn from_slice_if_right<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    // A derived struct also reads an array of its members in order: not from the wire.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    // checked once for all strings in it
    serde_json::from_str(core::str::from_utf8(body).ok()?).ok()
}

/// Reads the body again, slowly, for the sake of the error.
fn explain<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadBody> {
    let text = core::str::from_utf8(body).map_err(|error| {
        syntax(format!("the body is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(syntax("the body is empty: send a JSON object".to_owned()));
    }
    if depth(text) > MAX_DEPTH {
        return Err(syntax(format!("the body is nested deeper than {MAX_DEPTH} levels")));
    }
    let tree: Tree = serde_json::from_str(text)
        .map_err(|error| syntax(format!("the body is not JSON: {error}")))?;
    if !matches!(tree, Tree::Object(_)) {
        return Err(Fault::body("must be a JSON object").into());
    }
    if let Some(fault) = tree.repeated() {
        return Err(fault.into());
    }
    T::deserialize(Node(&tree)).map_err(BadBody::from)
}

fn syntax(description: String) -> BadBody {
    BadBody::Syntax { description }
}

/// The deepest nesting of brackets outside of strings, whether the text is JSON or not.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
