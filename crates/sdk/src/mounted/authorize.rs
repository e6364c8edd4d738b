//! `GET /authorize`: the OAuth hand-off. A client has sent a person's browser to the service, and the
//! service sends it here: who that person is, the app alone knows. It says so to the service under
//! its own credential, and the browser goes back with a code that is good once, in this browser.
//!
//! Whoever looks is a person in a browser, so every answer is a page, or the way to the next one.

use agentadmit_protocol::api::authorization::BindRequest;
use agentadmit_protocol::id::AuthorizationRequestId;
use agentadmit_protocol::scope::ScopeName;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;

use super::page::Words;
use super::rules::{Signed, for_user, of_service};
use super::user::label_of;
use super::{Call, method_not_allowed_but};
use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::error::Error;
use crate::refusal::Refused;

/// The route, below the prefix.
pub(super) const AUTHORIZE: &str = "/authorize";

/// What a sign-in page may put beside it is ignored.
#[derive(Deserialize)]
struct Asked {
    request_id: AuthorizationRequestId,
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// `GET /authorize?request_id=ar_…`.
    pub(super) async fn authorize(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        let headers = &call.parts.headers;
        if call.parts.method == Method::HEAD {
            return Ok(method_not_allowed_but("GET"));
        }
        let words = Words::of(headers);
        if is_prefetch(headers) {
            // nobody has come yet: the request is for who does
            return Ok(self.note(words, StatusCode::SERVICE_UNAVAILABLE, words.later));
        }
        let query = call.parts.uri.query().unwrap_or_default();
        let asked = agentadmit_protocol::api::query::from_form::<Asked>(query.as_bytes());
        let Ok(Asked { request_id }) = asked else {
            return Ok(self.note(words, StatusCode::BAD_REQUEST, words.no_request));
        };
        match self.signed_in(call).await {
            Ok(signed) => Ok(self.hand_over(words, request_id, signed).await),
            Err(refused) if refused.body.error == "unauthenticated" => {
                Ok(self.to_sign_in(call, words, request_id).await)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Says who sits in front of the request, and what they may grant of it.
    async fn hand_over(
        &self,
        words: &Words,
        request_id: AuthorizationRequestId,
        signed: Signed<A::User>,
    ) -> Response<Bytes> {
        let request = match self.client().authorization_request(request_id).await {
            Ok(request) => request,
            Err(error) => return self.not_handed_over(words, &error),
        };
        let grantable = self.grantable(&signed.user).await;
        let may_grant = |name: &ScopeName| grantable.iter().any(|scope| scope.name == *name);
        let scopes: Vec<ScopeName> = request.scopes.into_iter().filter(may_grant).collect();
        if scopes.is_empty() {
            return self.note(words, StatusCode::FORBIDDEN, words.nothing_to_grant);
        }
        let bind = BindRequest {
            on_behalf_of: for_user(&signed.id),
            user_label: label_of(&signed.user),
            user_id: signed.id,
            scopes,
        };
        match self.client().bind_authorization(request_id, &bind).await {
            Ok(bound) => self.go_to(words, &bound.continue_url),
            Err(error) => self.not_handed_over(words, &error),
        }
    }

    fn not_handed_over(&self, words: &Words, error: &Error) -> Response<Bytes> {
        let refused = of_service(error);
        let is_over = matches!(refused.status.as_u16(), 404 | 409 | 410);
        let text = if is_over { words.request_over } else { words.later };
        let mut page = self.note(words, refused.status, text);
        if let Some(after) = refused.retry_after {
            page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        page
    }

    /// To where people sign in, and back here afterwards; without such a place a page says to.
    async fn to_sign_in(
        &self,
        call: &Call<'_>,
        words: &Words,
        request_id: AuthorizationRequestId,
    ) -> Response<Bytes> {
        let back = format!("{}{AUTHORIZE}?request_id={request_id}", self.prefix());
        let configured = self.settings().login_path.as_deref().map(|path| filled(path, &back));
        let place = match configured {
            Some(path) => Some(path),
            None => self.app().sign_in_page(call.parts, &back).await,
        };
        match place {
            Some(place) => self.go_to(words, &place),
            None => self.note(words, StatusCode::UNAUTHORIZED, words.sign_in),
        }
    }

    fn go_to(&self, words: &Words, place: &str) -> Response<Bytes> {
        let Ok(location) = HeaderValue::try_from(place) else {
            tracing::error!("the next page of an authorization is no address");
            return self.note(words, StatusCode::INTERNAL_SERVER_ERROR, words.later);
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SEE_OTHER;
        let headers = response.headers_mut();
        headers.insert(LOCATION, location);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

/// `{next}` as the value of a query's parameter.
fn filled(login_path: &str, back: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
    login_path.replace("{next}", &encoded)
}

/// A browser that looks ahead.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("prefetch") || value.contains("preview"))
    })
}
