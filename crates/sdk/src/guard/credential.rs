//! Whose request it is: an agent's, when an agent's token stands in `Authorization`, and only there
//! (PROTOCOL, "Whose request").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use zeroize::Zeroizing;

use crate::refusal::Refused;

/// What agents' tokens begin with, in any case.
const TOKEN_PREFIXES: [&str; 3] = ["ag_at_", "ag_ct_", "ag_rt_"];

/// The agent's token, as it came; `None` is a request that is not an agent's.
///
/// # Errors
/// 400 for two `Authorization` headers and for a token in the query or a cookie; 401 for a
/// connection token and for a token that does not stand there as a Bearer.
pub(crate) fn agent_token(parts: &Parts) -> Result<Option<Zeroizing<String>>, Refused> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let authorization = values.next();
    if values.next().is_some() {
        return Err(bad_request("there are two `Authorization` headers: send one"));
    }
    if parts.uri.query().is_some_and(|query| holds_token(query.as_bytes())) {
        return Err(misplaced("the query"));
    }
    if cookies_hold_token(&parts.headers) {
        return Err(misplaced("a cookie"));
    }
    authorization.map_or(Ok(None), |value| of_header(&String::from_utf8_lossy(value.as_bytes())))
}

fn of_header(value: &str) -> Result<Option<Zeroizing<String>>, Refused> {
    let is_separator =
        |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '=' | ':' | '"' | '\'');
    let mut words = value.split(is_separator).filter(|word| !word.is_empty());
    let is_agents = words.clone().any(|word| begins_with(word, "ag_"));
    if !is_agents {
        return if basic_holds_token(value) { Err(not_bearer()) } else { Ok(None) };
    }
    if words.clone().any(|word| begins_with(word, "ag_ct_")) {
        return Err(Refused::invalid_token(
            "this is a connection token: exchange it first, at the `token_exchange_endpoint` of \
             `/.well-known/agentadmit`, and call with the access token",
        ));
    }
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None)
            if scheme.eq_ignore_ascii_case("bearer") && value.trim_end().ends_with(token) =>
        {
            Ok(Some(Zeroizing::new(token.to_owned())))
        }
        _ => Err(not_bearer()),
    }
}

/// A token that a client sends as user or password of HTTP Basic.
fn basic_holds_token(value: &str) -> bool {
    let Some((scheme, encoded)) = value.trim().split_once(' ') else { return false };
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let decoded = STANDARD.decode(encoded.trim()).map(Zeroizing::new).unwrap_or_default();
    decoded.split(|byte| *byte == b':').any(is_token)
}

/// Whether a value of a query or of a form is an agent's token.
pub(crate) fn holds_token(form: &[u8]) -> bool {
    // most queries hold nothing like it; decoding is for those that may
    form.contains(&b'=')
        && url::form_urlencoded::parse(form).any(|(_, value)| is_token(value.trim().as_bytes()))
}

fn cookies_hold_token(headers: &HeaderMap) -> bool {
    let pairs =
        headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(|pair| pair.splitn(2, |byte| *byte == b'=').nth(1)).any(|value| {
        let value = value.trim_ascii();
        let unquoted = value.strip_prefix(b"\"").unwrap_or(value);
        is_token(unquoted) || (unquoted.contains(&b'%') && holds_token(&[b"v=", unquoted].concat()))
    })
}

fn is_token(value: &[u8]) -> bool {
    let value = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
        _ => value,
    };
    TOKEN_PREFIXES.iter().any(|prefix| {
        value.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
    })
}

fn begins_with(word: &str, prefix: &str) -> bool {
    word.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

fn not_bearer() -> Refused {
    Refused::invalid_token("send the access token as `Authorization: Bearer ag_at_…`, alone")
}

fn bad_request(text: &'static str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid_request", text)
}

/// 400: tokens in addresses end in logs, and a cookie is sent by whoever makes a browser send it.
pub(crate) fn misplaced(place: &str) -> Refused {
    let text = format!("an agent's token stands in {place}: send it in `Authorization` alone");
    Refused::new(StatusCode::BAD_REQUEST, "invalid_request", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const TOKEN: &str = "ag_at_0000000000000000000000000000000000000000000000000";

    fn classify(uri: &str, headers: &[(&str, &str)]) -> Result<Option<String>, u16> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match agent_token(&parts) {
            Ok(token) => Ok(token.map(|token| token.to_string())),
            Err(refused) => Err(refused.status.as_u16()),
        }
    }

    #[test]
    fn a_bearer_in_authorization_is_the_agents() {
        for value in [format!("Bearer {TOKEN}"), format!("bEaReR  {TOKEN}")] {
            assert_eq!(classify("/", &[("authorization", &value)]), Ok(Some(TOKEN.to_owned())));
        }
        // in any case: the service says what is wrong with it
        let shouted = format!("Bearer {}", TOKEN.to_uppercase());
        assert_eq!(classify("/", &[("authorization", &shouted)]), Ok(Some(TOKEN.to_uppercase())));
        assert_eq!(classify("/", &[("authorization", "Bearer ag_x")]), Ok(Some("ag_x".to_owned())));
    }

    #[test]
    fn the_apps_own_credentials_are_not() {
        for value in [
            "Bearer eyJhbGciOiJub25lIn0.eyJhIjoiYWdfYXRfIn0.ag_at_",
            "Basic YWxpY2U6c2VjcmV0",
            "Bearer tag_at_1",
            "Digest username=\"alice\"",
            "",
        ] {
            assert_eq!(classify("/", &[("authorization", value)]), Ok(None), "{value}");
        }
        assert_eq!(classify("/?tag=ag_something&q=x", &[("cookie", "s=1; t=ag_x")]), Ok(None));
    }

    #[test]
    fn a_token_that_stands_elsewhere_is_refused() {
        let bearer = format!("Bearer {TOKEN}");
        for (uri, headers) in [
            (format!("/?access_token={TOKEN}"), vec![]),
            (format!("/?a=b&x=%61g_ct_{TOKEN}"), vec![("authorization", bearer.as_str())]),
            ("/?t=Bearer+AG_AT_1".to_owned(), vec![]),
            ("/".to_owned(), vec![("cookie", "a=b; t=ag_at_1")]),
            ("/".to_owned(), vec![("cookie", "t=\"Ag_rt_1\"")]),
            ("/".to_owned(), vec![("cookie", "t=%61g_at_1")]),
            ("/".to_owned(), vec![("cookie", "a=b"), ("cookie", "t=ag_at_1")]),
            ("/".to_owned(), vec![("authorization", &bearer), ("authorization", "Basic x")]),
            ("/".to_owned(), vec![("authorization", "Basic x"), ("authorization", "Basic x")]),
        ] {
            assert_eq!(classify(&uri, &headers), Err(400), "{uri} {headers:?}");
        }
    }

    #[test]
    fn a_connection_token_and_other_schemes_are_401() {
        for value in [
            "Bearer ag_ct_1".to_owned(),
            "bearer AG_CT_1".to_owned(),
            TOKEN.to_owned(),
            format!("Token {TOKEN}"),
            format!("Token token=\"{TOKEN}\""),
            format!("Bearer {TOKEN}, Bearer {TOKEN}"),
            format!("Bearer {TOKEN},Basic x"),
            format!("Bearer \"{TOKEN}\""),
            format!("Basic {}", STANDARD.encode(format!("x:{TOKEN}"))),
        ] {
            assert_eq!(classify("/", &[("authorization", &value)]), Err(401), "{value}");
        }
    }
}
