//! Which path is whose.

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::consent as pages;
use crate::dashboard::{account, join, page, passkeys, session};
use crate::envelope::{envelope, panicked, unknown_method, unknown_route};
use crate::oauth::{device, pushed, register, server_metadata, token as oauth_token};
use crate::routes::operator::scopes as app_scopes;
use crate::routes::operator::sessions;
use crate::routes::operator::{accounts, apps, audit as all_audit, connections as all_connections};
use crate::routes::operator::{health, invites, keys, members, operators, overview, public_keys};
use crate::routes::{
    audit, authorization, connections, consent, credential, oauth, revoke, scopes, service, token,
};
use crate::routes::{usage, verify};
use crate::state::ServiceState;

/// The routes of apps and agents, and those of operators, for an address each.
pub struct Routers {
    /// What apps and agents call.
    pub app: Router,
    /// What operators call, and `/metrics`.
    pub operator: Router,
}

/// All routes, for one address.
pub fn router(state: ServiceState) -> Router {
    let routes = app_routes().merge(operator_routes()).merge(health_routes());
    let for_people = app_pages().merge(dashboard_pages(&state));
    finished(with_dashboard(routes, &state), for_people, state)
}

/// All routes, for two addresses (`serve --operator-listen`).
pub fn routers(state: ServiceState) -> Routers {
    let operator = with_dashboard(operator_routes().merge(health_routes()), &state);
    Routers {
        app: finished(app_routes().merge(health_routes()), app_pages(), state.clone()),
        operator: finished(operator, dashboard_pages(&state), state),
    }
}

/// Every route with its documentation.
pub(crate) fn documented() -> utoipa::openapi::OpenApi {
    let routes = app_routes().merge(operator_routes()).merge(health_routes());
    routes.merge(dashboard_routes()).into_openapi()
}

fn app_routes() -> OpenApiRouter<ServiceState> {
    let both_prefixes = [
        routes!(verify::verify),
        routes!(token::issue),
        routes!(token::exchange),
        routes!(consent::open),
        routes!(authorization::show, authorization::bind),
        routes!(revoke::revoke),
        routes!(connections::list),
        routes!(connections::show, connections::narrow, revoke::delete_connection),
        routes!(scopes::get, scopes::put),
        routes!(audit::search),
        routes!(audit::export),
        routes!(audit::keys),
        routes!(usage::usage),
        routes!(credential::show),
        routes!(service::jwks),
    ];
    both_prefixes
        .into_iter()
        .fold(OpenApiRouter::default(), also_under_api)
        .routes(routes!(oauth::introspect))
        .routes(routes!(service::document))
        .merge(authorization_server())
}

/// What OAuth clients call, from a browser too.
fn authorization_server() -> OpenApiRouter<ServiceState> {
    OpenApiRouter::default()
        .routes(routes!(server_metadata::show))
        .routes(routes!(server_metadata::alias))
        .routes(routes!(pushed::push))
        .routes(routes!(oauth_token::token))
        .routes(routes!(device::begin))
        .routes(routes!(register::register))
        .routes(routes!(oauth::revoke))
}

fn operator_routes() -> OpenApiRouter<ServiceState> {
    OpenApiRouter::default()
        .routes(routes!(apps::create, apps::list))
        .routes(routes!(apps::show, apps::update, apps::delete))
        .routes(routes!(apps::put_plan))
        .routes(routes!(apps::usage))
        .routes(routes!(app_scopes::get, app_scopes::put))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(public_keys::put, public_keys::list))
        .routes(routes!(members::list))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(invites::create, invites::list))
        .routes(routes!(invites::revoke))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::invite, accounts::invites))
        .routes(routes!(accounts::revoke_invite))
        .routes(routes!(accounts::delete))
        .routes(routes!(accounts::sign_in_link))
        .routes(routes!(accounts::suspend))
        .routes(routes!(accounts::resume))
        .routes(routes!(overview::show))
        .routes(routes!(overview::users))
        .routes(routes!(all_connections::list))
        .routes(routes!(all_connections::show, all_connections::narrow))
        .routes(routes!(all_connections::revoke))
        .routes(routes!(all_connections::resume))
        .routes(routes!(all_audit::search))
        .routes(routes!(all_audit::export))
        .routes(routes!(all_audit::verification, all_audit::verify))
        .routes(routes!(all_audit::accept_clock))
        .routes(routes!(health::show))
        .routes(routes!(operators::create, operators::list))
        .routes(routes!(operators::revoke))
        .routes(routes!(operators::rotate))
        .routes(routes!(sessions::create_code))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(service::metrics))
}

/// What users of apps see.
fn app_pages() -> Router<ServiceState> {
    pages::routes().merge(crate::oauth::routes())
}

/// Adds the dashboard, where there is one: it stands where the operator API does.
fn with_dashboard(
    routes: OpenApiRouter<ServiceState>,
    state: &ServiceState,
) -> OpenApiRouter<ServiceState> {
    if state.dashboard().is_ok() { routes.merge(dashboard_routes()) } else { routes }
}

fn dashboard_pages(state: &ServiceState) -> Router<ServiceState> {
    if state.dashboard().is_ok() { page::routes() } else { Router::new() }
}

fn dashboard_routes() -> OpenApiRouter<ServiceState> {
    OpenApiRouter::default()
        .routes(routes!(session::sign_in, session::show, session::sign_out))
        .routes(routes!(join::sign_up))
        .routes(routes!(join::show))
        .routes(routes!(join::use_invite))
        .routes(routes!(account::show, account::rename))
        .routes(routes!(passkeys::sign_in_options))
        .routes(routes!(passkeys::sign_in))
        .routes(routes!(passkeys::sign_up_options))
        .routes(routes!(passkeys::sign_up))
        .routes(routes!(passkeys::options))
        .routes(routes!(passkeys::add))
        .routes(routes!(passkeys::remove))
}

fn health_routes() -> OpenApiRouter<ServiceState> {
    OpenApiRouter::default().routes(routes!(service::healthz)).routes(routes!(service::readyz))
}

/// Adds a route of `/v1`, and the same under `/api/v1`, which the document does not repeat.
fn also_under_api(
    router: OpenApiRouter<ServiceState>,
    (schemas, paths, handlers): UtoipaMethodRouter<ServiceState>,
) -> OpenApiRouter<ServiceState> {
    let aliases: Vec<String> = paths.paths.keys().map(|path| format!("/api{path}")).collect();
    let router = aliases.iter().fold(router, |router, alias| router.route(alias, handlers.clone()));
    router.routes((schemas, paths, handlers))
}

/// `pages` are for people and stand in no document.
fn finished(
    routes: OpenApiRouter<ServiceState>,
    pages: Router<ServiceState>,
    state: ServiceState,
) -> Router {
    Router::from(routes)
        .merge(pages)
        .method_not_allowed_fallback(unknown_method)
        .fallback(unknown_route)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(crate::oauth::for_browsers))
        .layer(from_fn_with_state(state.clone(), envelope))
        .with_state(state)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agentadmit_engine::admission::AdmissionLimits;
    use agentadmit_engine::keyring::SecretKey;
    use agentadmit_engine::{Engine, EngineOptions, Keyring, WriterOptions};
    use agentadmit_testkit::store::{SystemClock, model::ModelStore};
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::state::HttpOptions;

    async fn panics() {
        panic!("on purpose, with aa_live_secrets");
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_that_tells_nothing() {
        let clock = Arc::new(SystemClock::new());
        let store = ModelStore::new([1; 32], WriterOptions::default(), Arc::clone(&clock) as _);
        let keyring = Keyring::open(&store, &SecretKey::new([2; 32])).unwrap();
        let options = EngineOptions {
            issuer: "https://service.example".to_owned(),
            limits: AdmissionLimits::patient(),
            retention: None,
            is_service: true,
        };
        let engine = Engine::start(Arc::new(store), clock, keyring, options).unwrap();
        let state = ServiceState::new(engine, HttpOptions::default());
        let panicking = OpenApiRouter::default().route("/v1/panics", get(panics));
        let router = finished(panicking, Router::new(), state);
        let request = http::Request::get("/v1/panics").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["error"], &body["request_id"]), (&"internal".into(), &id.into()));
        assert!(!body.to_string().contains("secrets"), "{body}");
    }
}
