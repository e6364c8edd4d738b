//! The way back to the client: a redirect with `state` and `iss` (RFC 6749 section 4.1.2, RFC 9207).

use std::borrow::Cow;

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::oauth::ClientRedirectUri;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::error::ApiError;

/// Where an answer goes, once client and address are known to belong together.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    /// The client's address.
    pub(crate) to: ClientRedirectUri,
    /// What the client wants to see again.
    pub(crate) state: Option<String>,
}

impl Back {
    /// The address with an answer in its query.
    fn url(&self, issuer: &str, answer: &[(&str, &str)]) -> Option<String> {
        let mut url = Url::parse(self.to.as_str()).ok()?;
        let mut query = url.query_pairs_mut();
        for (name, value) in answer {
            query.append_pair(name, value);
        }
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        // what tells one server's answer from another's (mix-up)
        query.append_pair("iss", issuer);
        drop(query);
        Some(url.into())
    }

    /// Sends the browser back with a code.
    pub(crate) fn with_code(&self, issuer: &str, code: &str) -> Response {
        self.with(issuer, &[("code", code)])
    }

    /// Sends the browser back with an error.
    pub(crate) fn with_error(&self, issuer: &str, code: &str, description: &str) -> Response {
        self.with(issuer, &[("error", code), ("error_description", &plain(description))])
    }

    fn with(&self, issuer: &str, answer: &[(&str, &str)]) -> Response {
        let location = self.url(issuer, answer);
        let location = location.and_then(|url| HeaderValue::from_str(&url).ok());
        let Some(mut location) = location else {
            // an address that was checked is an address
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        location.set_sensitive(true);
        let headers = [
            (LOCATION, location),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        (StatusCode::SEE_OTHER, headers).into_response()
    }
}

/// The characters that `error_description` may have (RFC 6749 section 4.1.2.1).
fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| matches!(letter, ' '..='~') && letter != '"' && letter != '\\';
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .map(|letter| if is_plain(letter) { letter } else { '\'' })
        .collect::<String>()
        .into()
}

/// The word for an error in a redirect (RFC 6749 section 4.1.2.1).
pub(crate) fn word(error: &ApiError) -> &'static str {
    match error.code() {
        code @ (ErrorCode::InvalidRequest
        | ErrorCode::InvalidScope
        | ErrorCode::InvalidTarget
        | ErrorCode::UnauthorizedClient
        | ErrorCode::AccessDenied) => code.as_str(),
        ErrorCode::SubscriptionRequired | ErrorCode::Forbidden => "access_denied",
        ErrorCode::Unavailable | ErrorCode::RateLimited | ErrorCode::Conflict => {
            "temporarily_unavailable"
        }
        ErrorCode::Internal => "server_error",
        _ => "invalid_request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_added_to_what_the_address_has() {
        let issuer = "https://service.example";
        for (to, url) in [
            ("https://a.example/cb", "https://a.example/cb?"),
            ("https://a.example/cb?x=%20y&z", "https://a.example/cb?x=%20y&z&"),
            ("http://127.0.0.1:7/cb", "http://127.0.0.1:7/cb?"),
            ("com.example.app:/cb", "com.example.app:/cb?"),
        ] {
            let back = Back {
                to: ClientRedirectUri::new(to).unwrap(),
                state: Some("a&b=\u{e9} #".to_owned()),
            };
            let answer = "code=c&state=a%26b%3D%C3%A9+%23&iss=https%3A%2F%2Fservice.example";
            assert_eq!(back.url(issuer, &[("code", "c")]).unwrap(), format!("{url}{answer}"));
        }
    }

    #[test]
    fn a_description_holds_what_it_may() {
        assert_eq!(plain("`x` is not there"), "`x` is not there");
        assert_eq!(plain("\u{201c}a\"\\\n"), "'a'''");
    }
}
