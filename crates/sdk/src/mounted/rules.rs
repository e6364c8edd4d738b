//! The rules of every mounted route: whose request it is, where it comes from, what it may say.

use agentadmit_protocol::api::query;
use agentadmit_protocol::audit::OnBehalfOf;
use agentadmit_protocol::json::{self, BadBody};
use agentadmit_protocol::text::UserId;
use http::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;

use super::Call;
use crate::admit::AgentAdmit;
use crate::app::{App, User as _};
use crate::client::ServiceClient;
use crate::error::Error;
use crate::guard::{agent_token, app_failed};
use crate::refusal::Refused;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The signed-in user of a request, with an id.
pub(super) struct Signed<U> {
    pub(super) user: U,
    pub(super) id: UserId,
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// The app's user, from the app's own session. The session of a request with an agent's token is
    /// not read.
    pub(super) async fn signed_in(&self, call: &Call<'_>) -> Result<Signed<A::User>, Refused> {
        if agent_token(call.parts)?.is_some() {
            return Err(Refused::agent_not_allowed(
                "this is for the app's users: only they grant, see and end connections",
            ));
        }
        self.check_site(&call.parts.method, &call.parts.headers)?;
        let user = self.app().current_user(call.parts).await.map_err(|error| app_failed(&error))?;
        let user = user.ok_or_else(|| Refused::unauthenticated("sign in to the app first"))?;
        let id = user.user_id().and_then(|id| UserId::new(id.as_ref()).ok());
        match id {
            Some(id) => Ok(Signed { user, id }),
            None => Err(Refused::user_unknown("this user has no id of 1 to 128 characters")),
        }
    }

    /// A browser must not be made to change anything from another site.
    fn check_site(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
        if *method == Method::GET || *method == Method::HEAD {
            return Ok(());
        }
        let is_own = |origin: &HeaderValue| {
            let allowed = self.settings().allowed_origins.iter().map(String::as_str);
            std::iter::once(self.identity().origin.as_str())
                .chain(allowed.map(|it| it.trim_end_matches('/')))
                .any(|own| origin.as_bytes() == own.as_bytes())
        };
        let mut origins = headers.get_all(ORIGIN).iter().peekable();
        let mut sites = headers.get_all(&SEC_FETCH_SITE).iter().peekable();
        let is_same_site = if origins.peek().is_some() {
            origins.all(is_own)
        } else if sites.peek().is_some() {
            sites.all(|site| site == "same-origin")
        } else {
            !headers.contains_key(COOKIE)
        };
        if is_same_site { Ok(()) } else { Err(cross_site()) }
    }
}

fn cross_site() -> Refused {
    let text = "this request does not come from a page of this app: `Origin` must be the one of \
                `public_url` or of `allowed_origins`";
    Refused::new(StatusCode::FORBIDDEN, "cross_site_request", text)
}

impl Call<'_> {
    /// The body, which must be one JSON object of known members.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        self.check_media_type()?;
        json::from_slice(self.body).map_err(bad_body)
    }

    /// A request that says everything in its path may have no body, or an empty object.
    pub(super) fn no_body(&self) -> Result<(), Refused> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        if self.body.is_empty() && !self.parts.headers.contains_key(CONTENT_TYPE) {
            return Ok(());
        }
        self.check_media_type()?;
        if self.body.is_empty() { Ok(()) } else { self.json::<Nothing>().map(drop) }
    }

    fn check_media_type(&self) -> Result<(), Refused> {
        let mut types = self.parts.headers.get_all(CONTENT_TYPE).iter();
        let is_json = |value: &HeaderValue| {
            let media_type = value.as_bytes().split(|byte| *byte == b';').next();
            media_type.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"application/json"))
        };
        if types.next().is_some_and(is_json) && types.next().is_none() {
            return Ok(());
        }
        Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the body as `Content-Type: application/json`",
        ))
    }

    /// The query, of known parameters.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        query::from_str(self.parts.uri.query().unwrap_or_default()).map_err(|bad| {
            Refused::new(StatusCode::BAD_REQUEST, "invalid_request", bad.description)
                .of_field(bad.field)
        })
    }
}

fn bad_body(bad: BadBody) -> Refused {
    match bad {
        BadBody::Syntax { description } => {
            Refused::new(StatusCode::BAD_REQUEST, "invalid_request", description)
        }
        BadBody::Member { field, description } => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Refused::new(status, "invalid_request", description).of_field(field)
        }
    }
}

/// `user:ID`: for whom the app acts. Every id that is a user's makes one.
pub(super) fn for_user(id: &UserId) -> Option<OnBehalfOf> {
    OnBehalfOf::new(format!("user:{id}")).ok()
}

/// What a person hears when the service did not do it. What the service says of the request goes
/// through; the app's own trouble goes to the log.
pub(super) fn of_service(error: &Error) -> Refused {
    let refused = match error {
        Error::Refused(refused) if is_about_the_request(refused.status, &refused.body.error) => {
            return told(refused);
        }
        Error::RateLimit(_) => return Refused::from(error),
        Error::ServiceUnavailable(unavailable) => unavailable.retry_after,
        Error::Refused(_) | Error::Configuration(_) => None,
    };
    tracing::error!(%error, "a mounted route could not ask the service");
    let text = "the AgentAdmit service could not be asked, and whether anything was done cannot be \
                found out now: look, and try again later";
    let unavailable = Refused::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text);
    Refused { retry_after: refused.or(Some(std::time::Duration::from_secs(1))), ..unavailable }
}

/// A refused credential, and one that lacks a permission, are the app's trouble.
fn is_about_the_request(status: u16, code: &str) -> bool {
    status != 401 && code != "forbidden"
}

/// The service's own words, without its `request_id`.
pub(super) fn told(refused: &crate::error::RefusedError) -> Refused {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = &refused.body;
    let mut told = Refused::new(status, "", body.error_description.clone().into_owned());
    told.body.error = body.error.clone().into_owned().into();
    told.body.field = body.field.clone().map(Into::into);
    told.body.billing_url.clone_from(&body.billing_url);
    told
}
