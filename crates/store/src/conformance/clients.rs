//! An app with a resource, a client that asks for it, and a browser: what cases of OAuth are played
//! with.

use agentadmit_core::connection::Connection;
use agentadmit_core::issue::Lifetime;
use agentadmit_core::oauth::ClientSummary;
use agentadmit_core::oauth::code::CodePresentation;
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::{AppId, ConsentSessionId};
use agentadmit_protocol::secret::{Secret, SecretHash, SecretKind};
use agentadmit_protocol::settings::{Resource, Settings};

use super::world::{Caller, SCOPES, World, names, user_id};
use crate::record::Origin;
use crate::verbs::auth::AppCredential;
use crate::verbs::consent::{ConsentOutcome, DecideConsent, DecidedConsent, Decision};
use crate::verbs::oauth::request::{
    Asked, AuthorizationAsk, BindUser, Bound, ContinueAuthorization, RequestAuthorization,
    Requested,
};
use crate::verbs::oauth::token::{ExchangeCode, OAuthTokens, Refresh, Successors};

/// What the app of these cases is named by.
pub const RESOURCE: &str = "https://shop.example/mcp";
/// Where the client of these cases is sent back to.
pub const REDIRECT: &str = "https://agent.example/cb";
/// The verifier of the client of these cases, and its challenge (RFC 7636 appendix B).
pub const VERIFIER: &[u8] = b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The settings of an app that clients can ask for.
pub fn settings(resource: &str) -> Settings {
    let resource = Resource { uri: resource.parse().unwrap(), environment: Environment::Live };
    let login_url = Some("https://shop.example/agentadmit/authorize".parse().unwrap());
    Settings { resources: vec![resource], login_url, ..Settings::default() }
}

/// An app that clients can ask for, and its live key.
pub fn shop(world: &World) -> Caller<'_> {
    world.caller_with(settings(RESOURCE))
}

/// A client by the name of its document.
pub fn client(name: &str) -> ClientSummary {
    ClientSummary {
        id: format!("https://{name}.example/client.json").parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

/// What the client of these cases asks for: the first two scopes.
pub fn ask() -> AuthorizationAsk {
    AuthorizationAsk {
        client: client("agent"),
        redirect_uri: REDIRECT.parse().unwrap(),
        state: Some("state of the client".to_owned()),
        code_challenge: CHALLENGE.parse().unwrap(),
        resource: RESOURCE.parse().unwrap(),
        scopes: names(&SCOPES[..2]),
    }
}

/// A browser brings this.
pub fn request(ask: &AuthorizationAsk) -> RequestAuthorization {
    let asked = Asked::Plain(Box::new(ask.clone()));
    RequestAuthorization { asked, origin: Origin::default() }
}

/// The app says that this user sits there.
pub fn bind(caller: &Caller<'_>, request: &AuthorizationRequest, user: &str) -> BindUser {
    bind_by(caller.credential(), caller.tenant.app_id, request, user)
}

/// As [`bind`], by this credential of an app.
pub fn bind_by(
    credential: AppCredential,
    app_id: AppId,
    request: &AuthorizationRequest,
    user: &str,
) -> BindUser {
    BindUser {
        credential,
        app_id,
        request_id: request.id,
        user_id: user_id(user),
        user_label: None,
        scopes: vec![],
        origin: Origin::default(),
    }
}

/// The browser comes back.
pub fn come_back(requested: &Requested, bound: &Bound) -> ContinueAuthorization {
    ContinueAuthorization {
        request_id: requested.request.id,
        browser: requested.cookie.hash(),
        code: bound.code.hash(),
    }
}

/// A page on which a user decides.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The session.
    pub id: ConsentSessionId,
    /// The hash of its cookie.
    pub cookie: SecretHash,
}

/// A request is brought to its page.
pub fn page(caller: &Caller<'_>, requested: &Requested, user: &str) -> Page {
    let world = caller.world;
    let bound = world.granted(&bind(caller, &requested.request, user));
    let entered = world.granted(&come_back(requested, &bound));
    Page { id: entered.session.id, cookie: entered.cookie.hash() }
}

/// Yes to these scopes for an hour.
pub fn yes(page: Page, scopes: &[&str]) -> DecideConsent {
    let decision = Decision::Grant {
        scopes: names(scopes),
        lifetime: Lifetime::Seconds(3_600),
        agent_label: None,
        user_intent: None,
    };
    let origin = Origin::default();
    DecideConsent { session_id: page.id, cookie: page.cookie, decision, origin }
}

/// No.
pub fn no(page: Page) -> DecideConsent {
    DecideConsent { decision: Decision::Deny, ..yes(page, &[]) }
}

/// What a yes made.
pub fn authorized(decided: DecidedConsent) -> (Connection, Option<Secret>) {
    match decided.outcome {
        ConsentOutcome::Authorized { connection, code } => (*connection, code),
        other => panic!("no grant of a client: {other:?}"),
    }
}

/// A user grants the first scope to the client; the connection and the code.
pub fn granted(caller: &Caller<'_>, user: &str) -> (Connection, Secret) {
    let world = caller.world;
    let requested = world.granted(&request(&ask()));
    let page = page(caller, &requested, user);
    let (connection, code) = authorized(world.granted(&yes(page, &SCOPES[..1])));
    (connection, code.expect("a browser brings a code"))
}

/// The client presents its code.
pub fn exchange(code: &Secret) -> ExchangeCode {
    exchange_of(code.hash())
}

/// As [`exchange`], by the code's hash.
pub fn exchange_of(code: SecretHash) -> ExchangeCode {
    ExchangeCode {
        code,
        presentation: CodePresentation {
            client_id: client("agent").id,
            redirect_uri: REDIRECT.parse().unwrap(),
            verifier: SecretHash::of(VERIFIER),
            resource: Some(RESOURCE.parse().unwrap()),
        },
        origin: Origin::default(),
    }
}

/// A user grants, the client has its tokens.
pub fn connected(caller: &Caller<'_>, user: &str) -> OAuthTokens {
    let (_, code) = granted(caller, user);
    caller.world.granted(&exchange(&code))
}

/// The client presents its refresh token. The engine derives the successors; here a hash does.
pub fn refresh(token: &Secret) -> Refresh {
    let derive = |kind: SecretKind| {
        let text = format!("{}{}", kind.prefix(), token.expose());
        Secret::mint(kind, *SecretHash::of(text.as_bytes()).as_bytes())
    };
    Refresh {
        client_id: client("agent").id,
        token: token.hash(),
        successors: Successors {
            access: derive(SecretKind::AccessToken),
            refresh: derive(SecretKind::RefreshToken),
        },
        scopes: vec![],
        resource: None,
        origin: Origin::default(),
    }
}
