//! The body of a verify as clients write it, read without a JSON parser.
//!
//! Nearly every body is one object of a few known members, each a string without an escape, with at
//! most one space behind a colon or a comma, as `JSON.stringify`, `json.dumps` and the SDKs write
//! it. Of such a body nothing is looked at twice: the end of a string is looked for in words of eight
//! bytes. Whatever is written in another way, or wrong, is not judged here; [`json`](crate::json) is
//! the one that says what a body is, and never disagrees with what is read here.

use crate::api::verify::VerifyRequest;
use crate::json::plain::plain_bytes;
use crate::secret::{self, Presented};
use crate::text::{InvalidText, ValidText};

/// Reads a body that is plain and right; `None` says nothing about any other.
pub fn verify_request(body: &[u8]) -> Option<VerifyRequest> {
    let Members { token, scope_used, endpoint, method, agent_ip } =
        Members::read(core::str::from_utf8(body).ok()?)?;
    Some(VerifyRequest {
        token: Presented(secret::parse(token?)),
        scope_used: checked(scope_used).ok()?,
        endpoint: checked(endpoint).ok()?,
        method: checked(method).ok()?,
        agent_ip: checked(agent_ip).ok()?,
    })
}

/// The members' texts as they stand between their quotes.
#[derive(Default)]
struct Members<'b> {
    token: Option<&'b str>,
    scope_used: Option<&'b str>,
    endpoint: Option<&'b str>,
    method: Option<&'b str>,
    agent_ip: Option<&'b str>,
}

impl<'b> Members<'b> {
    fn read(body: &'b str) -> Option<Self> {
        let mut members = Self::default();
        let mut rest = body.strip_prefix('{')?;
        loop {
            let (member, value) = members.named(rest)?;
            let (text, behind) = string(value.strip_prefix(' ').unwrap_or(value))?;
            if member.replace(text).is_some() {
                return None;
            }
            rest = match behind.strip_prefix(',') {
                Some(next) => next.strip_prefix(' ').unwrap_or(next),
                None if behind == "}" => return Some(members),
                None => return None,
            };
        }
    }

    /// The member that is named next, and what stands behind the colon.
    fn named(&mut self, rest: &'b str) -> Option<(&mut Option<&'b str>, &'b str)> {
        let names = [
            ("\"token\":", &mut self.token),
            ("\"scope_used\":", &mut self.scope_used),
            ("\"endpoint\":", &mut self.endpoint),
            ("\"method\":", &mut self.method),
            ("\"agent_ip\":", &mut self.agent_ip),
        ];
        names.into_iter().find_map(|(name, member)| Some((member, rest.strip_prefix(name)?)))
    }
}

/// The text of the string that begins here, and what stands behind it.
fn string(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix('"')?;
    let (text, behind) = rest.split_at_checked(plain_bytes(rest.as_bytes()))?;
    Some((text, behind.strip_prefix('"')?))
}

/// A text that keeps its rule, if there is one.
fn checked<T: ValidText>(text: Option<&str>) -> Result<Option<T>, InvalidText> {
    let checked = |text: &str| T::check(text).map(|()| T::wrap(text.into()));
    text.map(checked).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::secret::{Secret, SecretKind};
    use proptest::prelude::*;

    /// What is read here is what JSON says; whether it was.
    fn agrees(body: &[u8]) -> bool {
        let Some(quick) = verify_request(body) else { return false };
        let slow: VerifyRequest = json::from_slice(body).unwrap();
        assert_eq!(format!("{quick:?}"), format!("{slow:?}"), "{}", body.escape_ascii());
        true
    }

    fn token() -> String {
        Secret::mint(SecretKind::AccessToken, [7; 32]).expose().to_owned()
    }

    #[test]
    fn what_clients_write_is_plain() {
        let token = token();
        for body in [
            format!(r#"{{"token":"{token}"}}"#),
            format!(r#"{{"token": "{token}", "scope_used": "a:b c:d", "method": "GET"}}"#),
            format!(r#"{{"agent_ip":"::1","endpoint":"/é/{{id}}","token":"{token}"}}"#),
            r#"{"token":"nonsense"}"#.to_owned(),
            r#"{"token":""}"#.to_owned(),
        ] {
            assert!(agrees(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn anything_else_is_left_to_json() {
        for body in [
            "",
            "{",
            "{}",
            "{ }",
            "[]",
            r#"{"token":"x"} "#,
            r#"{"token":"x"}}"#,
            r#"{"token":"x",}"#,
            r#"{"token":"x" }"#,
            r#"{"token" :"x"}"#,
            r#"{"token":  "x"}"#,
            r#"{"token":1}"#,
            r#"{"token":"x","token":"x"}"#,
            r#"{"token":"x","more":"x"}"#,
            r#"{"token":"a\\"}"#,
            r#"{"method":"GET"}"#,
            r#"{"token":"x","method":"get"}"#,
            r#"{"token":"x","method":null}"#,
            r#"{"token":"x","endpoint":""}"#,
            "{\"token\":\"\n\"}",
            "{\"token\":\"x",
        ] {
            assert!(verify_request(body.as_bytes()).is_none(), "{body}");
        }
        assert!(verify_request(b"{\"token\":\"\xff\"}").is_none());
    }

    #[test]
    fn no_byte_makes_a_difference() {
        let body = format!(
            r#"{{"token":"{}", "scope_used":"a:b","endpoint": "/o","method":"GET","agent_ip":"::1"}}"#,
            token()
        );
        for at in 0..body.len() {
            let (before, after) = body.as_bytes().split_at(at);
            agrees(&[before, &after[1..]].concat());
            for byte in 0..=255 {
                agrees(&[before, &[byte], after].concat());
                agrees(&[before, &[byte], &after[1..]].concat());
            }
        }
    }

    proptest! {
        #[test]
        fn members_in_any_order_and_form_are_those_of_json(
            members in prop::collection::vec((0_usize..8, 0_usize..8, " ?", " ?"), 0..6),
        ) {
            const NAMES: [&str; 8] =
                ["token", "token", "scope_used", "endpoint", "method", "agent_ip", "more", "TOKEN"];
            const VALUES: [&str; 8] =
                ["\"a:b\"", "\"GET\"", "\"::1\"", "\"/o\"", "null", "\"\\u0041\"", "\"\u{e9}\"", "1"];
            let member = |(name, value, before, after): &(usize, usize, String, String)| {
                format!("{before}\"{}\":{after}{}", NAMES[*name], VALUES[*value])
            };
            let members: Vec<String> = members.iter().map(member).collect();
            agrees(format!("{{{}}}", members.join(",")).as_bytes());
        }

        #[test]
        fn any_text_in_its_place_is_that_of_json(text: String, plain in "[ -~]{0,30}") {
            for text in [text, plain] {
                for name in ["token", "endpoint", "scope_used", "method", "agent_ip"] {
                    agrees(format!(r#"{{"{name}":"{text}"}}"#).as_bytes());
                    agrees(format!(r#"{{"token":"x","{name}":"{text}"}}"#).as_bytes());
                }
            }
        }
    }
}
