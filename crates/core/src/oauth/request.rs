//! Authorization requests, from the client to the user's decision.
//!
//! ```text
//!            the app names its user             that browser comes back with the code
//! waiting -----------------------> bound: a session of ------------------------------> the session
//!    |                             the consent page                                   is open there
//!    +---- time ----> over
//! ```
//! The request belongs to the browser that began it, by a cookie, and to the user whom the app found
//! in front of it, by a code that came through the app. Both must come together: nobody finishes
//! somebody else's request, and nobody lends somebody else a user.

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AuthorizationRequestId, ConsentSessionId};
use agentadmit_protocol::oauth::{ClientRedirectUri, CodeChallenge, ResourceUri};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::{App, Tenant};
use crate::connection::GrantedScope;
use crate::oauth::{ClientSummary, Proof};
use crate::refusal::Refusal;

/// How long a request may be brought to a decision.
pub const REQUEST_SECONDS: i64 = 600;
/// How long a request that is over is kept, so that a page that is opened late can say what happened.
pub const KEPT_SECONDS: i64 = 3_600;

/// What a client asks a user for. Also the row that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Its name.
    pub id: AuthorizationRequestId,
    /// Whose resource it is.
    pub tenant: Tenant,
    /// Who asks.
    pub client: ClientSummary,
    /// Where the answer goes.
    pub reply: Reply,
    /// The resource that was named.
    pub resource: ResourceUri,
    /// What is asked for.
    pub scopes: Vec<GrantedScope>,
    /// When it began.
    pub created_at: Timestamp,
    /// From when on nothing comes of it.
    pub expires_at: Timestamp,
    /// SHA-256 of the cookie of the browser that began it.
    pub browser: SecretHash,
    /// Where it stands.
    pub state: RequestState,
}

/// Where the answer to a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// With the browser, to the client.
    Redirect {
        /// The client's address.
        redirect_uri: ClientRedirectUri,
        /// What the client wants back as it was.
        state: Option<String>,
        /// What its code verifier must answer.
        code_challenge: CodeChallenge,
    },
    /// To a device, when it asks next.
    Device {
        /// SHA-256 of the device code.
        device: SecretHash,
    },
}

impl Reply {
    /// What must be shown for the tokens.
    pub fn proof(&self) -> Proof {
        match self {
            Self::Redirect { redirect_uri, code_challenge, .. } => Proof::Code {
                redirect_uri: redirect_uri.clone(),
                code_challenge: code_challenge.clone(),
            },
            Self::Device { .. } => Proof::Device,
        }
    }

    /// Where a browser goes, as people are told; `None` for a device.
    pub fn destination(&self) -> Option<String> {
        match self {
            Self::Redirect { redirect_uri, .. } => Some(redirect_uri.destination()),
            Self::Device { .. } => None,
        }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestState {
    /// The browser is with the app, which finds out who sits there.
    Waiting,
    /// The app has named its user: all else stands in the session of the consent page, which has
    /// this request's bytes for an id.
    Bound,
}

impl AuthorizationRequest {
    /// The session of the consent page in which the user is asked.
    pub fn session_id(&self) -> ConsentSessionId {
        ConsentSessionId::from_bytes(*self.id.as_bytes())
    }

    /// The request of a session, if there is one.
    pub fn id_of(session: ConsentSessionId) -> AuthorizationRequestId {
        AuthorizationRequestId::from_bytes(*session.as_bytes())
    }

    /// Whether it can still be brought to a decision: neither time nor a mark on the app has ended it.
    pub fn is_live(&self, app: &App, now: Timestamp) -> bool {
        now < self.expires_at && app.revokes(self.created_at).is_none()
    }

    /// When its row may go.
    pub fn kept_until(&self) -> Timestamp {
        self.expires_at.plus_seconds(KEPT_SECONDS)
    }

    /// Whether an app may still say who sits in front of it.
    ///
    /// # Errors
    /// `gone` for one that is over, `conflict` for one that has its user.
    pub fn require_waiting(&self, app: &App, now: Timestamp) -> Result<(), Refusal> {
        if !self.is_live(app, now) {
            return Err(over());
        }
        match self.state {
            RequestState::Waiting => Ok(()),
            RequestState::Bound => Err(Refusal::new(
                ErrorCode::Conflict,
                "this authorization request has its user already: the client must begin anew",
            )),
        }
    }

    /// Whether this is the browser that began it. Compared in constant time.
    ///
    /// # Errors
    /// `conflict`.
    pub fn require_browser(&self, browser: &SecretHash) -> Result<(), Refusal> {
        if self.browser.ct_eq(browser) {
            return Ok(());
        }
        let text = "this authorization request was begun in another browser";
        Err(Refusal::new(ErrorCode::Conflict, text))
    }
}

/// The refusal of a request of which nothing comes any more.
pub fn over() -> Refusal {
    let text = "this authorization request is over: the client must begin anew";
    Refusal::new(ErrorCode::Gone, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentadmit_protocol::environment::Environment;
    use agentadmit_protocol::id::AppId;
    use agentadmit_protocol::settings::{Plan, Settings};
    use proptest::prelude::*;

    fn app(revoked_before: Option<Timestamp>) -> App {
        App {
            id: AppId::from_bytes([1; 16]),
            name: "Shop".to_owned(),
            description: None,
            settings: Settings::default(),
            plan: Plan::default(),
            created_at: Timestamp::from_millis(0),
            deleted_at: None,
            revoked_before,
        }
    }

    fn request(state: RequestState) -> AuthorizationRequest {
        let at = Timestamp::from_millis(1_000);
        AuthorizationRequest {
            id: AuthorizationRequestId::v7(at, [1; 10]),
            tenant: Tenant::new(AppId::from_bytes([1; 16]), Environment::Test),
            client: ClientSummary {
                id: "https://a.example/c".parse().unwrap(),
                name: "Agent".parse().unwrap(),
            },
            reply: Reply::Device { device: SecretHash::of(b"device") },
            resource: "https://app.example/".parse().unwrap(),
            scopes: vec![],
            created_at: at,
            expires_at: at.plus_seconds(REQUEST_SECONDS),
            browser: SecretHash::of(b"browser"),
            state,
        }
    }

    proptest! {
        #[test]
        fn an_app_names_its_user_once_and_in_time(
            seconds in 0_i64..1_200, is_bound: bool, is_marked: bool,
        ) {
            let request =
                request(if is_bound { RequestState::Bound } else { RequestState::Waiting });
            let now = request.created_at.plus_seconds(seconds);
            let waits = request.require_waiting(&app(is_marked.then_some(now)), now);
            let expected = if seconds >= REQUEST_SECONDS || is_marked {
                Err(ErrorCode::Gone)
            } else if is_bound {
                Err(ErrorCode::Conflict)
            } else {
                Ok(())
            };
            prop_assert_eq!(waits.map_err(|refusal| refusal.code), expected);
        }
    }

    #[test]
    fn a_request_is_one_browsers() {
        let request = request(RequestState::Bound);
        assert!(request.require_browser(&SecretHash::of(b"browser")).is_ok());
        let other = request.require_browser(&SecretHash::of(b"another")).unwrap_err();
        assert_eq!(other.code, ErrorCode::Conflict);
    }

    #[test]
    fn a_session_and_its_request_have_the_same_bytes() {
        let request = request(RequestState::Waiting);
        assert_eq!(AuthorizationRequest::id_of(request.session_id()), request.id);
    }
}
