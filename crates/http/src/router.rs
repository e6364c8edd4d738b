//! Which path is whose.

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::envelope::{envelope, panicked, unknown_method, unknown_route};
use crate::routes::operator::{apps, audit as all_audit, connections as all_connections};
use crate::routes::operator::{health, keys, operators, public_keys};
use crate::routes::{audit, connections, oauth, revoke, scopes, service, token, usage, verify};
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
    finished(routes, state)
}

/// All routes, for two addresses (`serve --operator-listen`).
pub fn routers(state: ServiceState) -> Routers {
    Routers {
        app: finished(app_routes().merge(health_routes()), state.clone()),
        operator: finished(operator_routes().merge(health_routes()), state),
    }
}

/// Every route with its documentation.
pub(crate) fn documented() -> utoipa::openapi::OpenApi {
    app_routes().merge(operator_routes()).merge(health_routes()).into_openapi()
}

fn app_routes() -> OpenApiRouter<ServiceState> {
    let both_prefixes = [
        routes!(verify::verify),
        routes!(token::issue),
        routes!(token::exchange),
        routes!(revoke::revoke),
        routes!(connections::list),
        routes!(connections::show, connections::narrow, revoke::delete_connection),
        routes!(scopes::get, scopes::put),
        routes!(audit::search),
        routes!(audit::export),
        routes!(audit::keys),
        routes!(usage::usage),
        routes!(service::jwks),
    ];
    both_prefixes
        .into_iter()
        .fold(OpenApiRouter::default(), also_under_api)
        .routes(routes!(oauth::introspect))
        .routes(routes!(oauth::revoke))
        .routes(routes!(service::document))
}

fn operator_routes() -> OpenApiRouter<ServiceState> {
    OpenApiRouter::default()
        .routes(routes!(apps::create, apps::list))
        .routes(routes!(apps::show, apps::update, apps::delete))
        .routes(routes!(apps::put_plan))
        .routes(routes!(apps::usage))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(public_keys::put, public_keys::list))
        .routes(routes!(all_connections::list))
        .routes(routes!(all_connections::show))
        .routes(routes!(all_connections::revoke))
        .routes(routes!(all_connections::resume))
        .routes(routes!(all_audit::search))
        .routes(routes!(all_audit::export))
        .routes(routes!(all_audit::accept_clock))
        .routes(routes!(health::show))
        .routes(routes!(operators::create, operators::list))
        .routes(routes!(operators::revoke))
        .routes(routes!(operators::rotate))
        .routes(routes!(service::metrics))
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

fn finished(routes: OpenApiRouter<ServiceState>, state: ServiceState) -> Router {
    Router::from(routes)
        .method_not_allowed_fallback(unknown_method)
        .fallback(unknown_route)
        .layer(CatchPanicLayer::custom(panicked))
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
            limits: AdmissionLimits::default(),
            retention: None,
            is_service: true,
        };
        let engine = Engine::start(Arc::new(store), clock, keyring, options).unwrap();
        let state = ServiceState::new(engine, HttpOptions::default());
        let router = finished(OpenApiRouter::default().route("/v1/panics", get(panics)), state);
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
