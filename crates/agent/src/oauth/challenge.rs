//! What a refusal says of the way to a token: `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750
//! section 3, RFC 9728 section 5.1).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// The `Bearer` challenge of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Why: `invalid_token`, `insufficient_scope`.
    pub error: Option<String>,
    /// What would be enough.
    pub scope: Option<String>,
    /// Where the metadata of the resource is.
    pub resource_metadata: Option<String>,
}

impl Challenge {
    /// The first `Bearer` challenge of some headers.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        values.filter_map(|value| value.to_str().ok()).find_map(parse)
    }

    /// The scopes, one by one.
    pub fn scopes(&self) -> Option<Vec<String>> {
        let names = super::words_of(self.scope.as_deref()?);
        (!names.is_empty()).then_some(names)
    }
}

/// Reads one header: challenges of several schemes may stand in it, separated by commas.
fn parse(text: &str) -> Option<Challenge> {
    let mut rest = text;
    let mut found: Option<Challenge> = None;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        // a sign that begins nothing is passed over
        let (name, behind) = rest.split_at_checked(end.max(1))?;
        let after = behind.trim_start_matches([' ', '\t']);
        let Some(value) = after.strip_prefix('=') else {
            // a scheme: what belongs to ours ends here
            if found.is_some() {
                return found;
            }
            found = name.eq_ignore_ascii_case("bearer").then(Challenge::default);
            rest = behind;
            continue;
        };
        let (value, behind) = value_of(value.trim_start_matches([' ', '\t']));
        rest = behind;
        let Some(challenge) = &mut found else { continue };
        let place = match name.to_ascii_lowercase().as_str() {
            "error" => &mut challenge.error,
            "scope" => &mut challenge.scope,
            "resource_metadata" => &mut challenge.resource_metadata,
            _ => continue,
        };
        // what stands twice counts once
        place.get_or_insert(value);
    }
}

/// A token or a quoted string, and what is behind it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (value, behind) = text.split_at(end);
        return (value.to_owned(), behind);
    };
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, sign) in quoted.char_indices() {
        match sign {
            _ if is_escaped => {
                value.push(sign);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return (value, quoted.get(at.saturating_add(1)..).unwrap_or_default()),
            _ => value.push(sign),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_found_wherever_it_stands() {
        let ours = Challenge {
            error: Some("insufficient_scope".to_owned()),
            scope: Some("a b".to_owned()),
            resource_metadata: Some("https://shop.example/x?a,b".to_owned()),
        };
        for text in [
            "Bearer error=\"insufficient_scope\", scope=\"a b\", resource_metadata=\"https://shop.example/x?a,b\"",
            "Basic realm=\"Bearer scope=x\", bearer scope=\"a b\",error=insufficient_scope , resource_metadata=\"https:\\//shop.example/x?a,b\"",
            "Negotiate abc==, Bearer scope = \"a b\", error=\"insufficient_scope\", resource_metadata=\"https://shop.example/x?a,b\", Digest scope=\"x\", error=y",
        ] {
            assert_eq!(parse(text).unwrap(), ours, "{text}");
        }
        assert_eq!(parse("Bearer"), Some(Challenge::default()));
        for text in ["", "Basic realm=\"x\"", "=", ",=,=\"", "scope=\"x\"", "\u{e9}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
