//! A broken rule and the place where it was broken.

use core::fmt::{self, Write};

use serde::de::{Error, Expected, Unexpected};

use crate::json::BadBody;
use crate::secret::SecretKind;

/// The longest member name that is repeated to the caller.
const MAX_SHOWN: usize = 64;

/// A rule that a body breaks: a sentence without its subject, and the path to the member.
#[derive(Debug)]
pub(crate) struct Fault {
    /// From the inside to the outside: it is built while errors travel up.
    path: Vec<Step>,
    rule: String,
}

#[derive(Debug)]
enum Step {
    Member(String),
    Item(usize),
}

impl Fault {
    /// A rule about the value itself: a sentence that begins with a verb.
    pub(crate) fn body(rule: impl Into<String>) -> Self {
        Self { path: Vec::new(), rule: rule.into() }
    }

    /// The same fault, seen from the object that holds the member.
    pub(crate) fn in_member(mut self, name: &str) -> Self {
        self.path.push(Step::Member(name.to_owned()));
        self
    }

    /// The same fault, seen from the array that holds the item.
    pub(crate) fn in_item(mut self, index: usize) -> Self {
        self.path.push(Step::Item(index));
        self
    }

    /// A value of the wrong kind.
    pub(crate) fn mismatch(kind: &str, expected: &dyn Expected) -> Self {
        Self::body(format!("must be {}, not {kind}", in_json(&expected.to_string())))
    }

    /// The path from the outside to the inside, such as `scopes[0].name`.
    fn field(&self) -> String {
        let mut field = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Member(name) => {
                    if !field.is_empty() {
                        field.push('.');
                    }
                    field.push_str(shown(name));
                }
                Step::Item(index) => {
                    // Writing to a string cannot fail.
                    let _ = write!(field, "[{index}]");
                }
            }
        }
        field
    }

    /// The path, and the whole sentence; `whole` is the subject where there is no path.
    pub(crate) fn into_parts(self, whole: &str) -> (String, String) {
        let field = self.field();
        let description = if field.is_empty() {
            format!("{whole} {}", self.rule)
        } else {
            format!("`{field}` {}", self.rule)
        };
        (field, description)
    }
}

impl From<Fault> for BadBody {
    fn from(fault: Fault) -> Self {
        let (field, description) = fault.into_parts("the body");
        Self::Member { field, description }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::body(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(kind(unexpected), expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::body(format!("must be {}", in_json(&expected.to_string())))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::body(format!("has {length} items, must be {}", in_json(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::body(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = match nearest(field, expected) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the members are {}", expected.join(", ")),
        };
        Self::body(format!("is not a member of this request: {hint}")).in_member(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::body("is required").in_member(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::body("must stand there once").in_member(field)
    }
}

/// A member's name as it may be repeated: not when it is long, and not when it looks like a
/// secret in the wrong place.
fn shown(name: &str) -> &str {
    let is_secret = SecretKind::ALL.iter().any(|kind| name.contains(kind.prefix()));
    if is_secret || name.chars().count() > MAX_SHOWN || name.chars().any(char::is_control) {
        "…"
    } else {
        name
    }
}

/// What serde's own types expect, in the words of JSON.
fn in_json(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        "a borrowed string" => "a string",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

fn kind(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
        Unexpected::Float(_) => "a number with a fraction or an exponent",
        Unexpected::Str(_) | Unexpected::Char(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "something else",
    }
}

/// The known name that a typo most likely meant: at most two edits away, or a third of it.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if name.len() > MAX_SHOWN {
        return None;
    }
    let allowed = (name.len() / 3).clamp(1, 2);
    known
        .iter()
        .map(|candidate| (edits(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in bytes, one row at a time.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.bytes().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != to);
            left = replaced.min(left + 1).min(above + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_neighbour() {
        let known = ["user_id", "scopes", "until_revoked"];
        assert_eq!(nearest("userid", &known), Some("user_id"));
        assert_eq!(nearest("scope", &known), Some("scopes"));
        assert_eq!(nearest("until_revokd", &known), Some("until_revoked"));
        assert_eq!(nearest("x", &known), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }

    #[test]
    fn names_that_look_like_secrets_are_not_repeated() {
        assert_eq!(shown("ag_at_0123"), "…");
        assert_eq!(shown(&"a".repeat(65)), "…");
        assert_eq!(shown("user_id"), "user_id");
    }
}
