//! A router whose every route is guarded, or closed to agents.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, on};
use http::Method;
#[cfg(feature = "mcp")]
use {
    crate::mcp::{MessageBody, ToolGuard},
    crate::stream::BoxError,
    bytes::Bytes,
    http::{Request, Response},
    std::convert::Infallible,
    tower_layer::Layer as _,
    tower_service::Service,
};

use crate::admit::AgentAdmit;
use crate::app::App;
use crate::axum::form::refuse_tokens_in_forms;
use crate::axum::mounted;
use crate::guard::{Guard, GuardedRoute};
use crate::tower::GuardLayer;

/// Collects an app's routes with their guards. [`AgentRouter::with_state`] makes an axum router of
/// them, in which every route without a guard, and whatever answers to unknown paths, is closed to
/// agents (403 `agent_not_allowed`).
///
/// Like axum's own router it panics while it is built when a path is none, or when a method of a path
/// has two handlers.
///
/// Layers that must see every request, such as sessions and logs, go around the finished router.
pub struct AgentRouter<A: App, S = ()> {
    agents: AgentAdmit<A>,
    guarded: Router<S>,
    plain: Router<S>,
    routes: Vec<GuardedRoute>,
}

impl<A: App> AgentAdmit<A> {
    /// A router without routes.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> AgentRouter<A, S> {
        AgentRouter {
            agents: self.clone(),
            guarded: Router::new(),
            plain: Router::new(),
            routes: Vec::new(),
        }
    }
}

impl<A: App, S: Clone + Send + Sync + 'static> AgentRouter<A, S> {
    /// Whose router it is: `router.agents().router()` is an empty one, to be nested.
    pub const fn agents(&self) -> &AgentAdmit<A> {
        &self.agents
    }

    /// A guarded `GET`, which answers `HEAD` too.
    #[must_use]
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, guard: Guard, handler: H) -> Self {
        self.on(Method::GET, path, guard, handler)
    }

    /// A guarded `POST`.
    #[must_use]
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, guard: Guard, handler: H) -> Self {
        self.on(Method::POST, path, guard, handler)
    }

    /// A guarded `PUT`.
    #[must_use]
    pub fn put<H: Handler<T, S>, T: 'static>(self, path: &str, guard: Guard, handler: H) -> Self {
        self.on(Method::PUT, path, guard, handler)
    }

    /// A guarded `PATCH`.
    #[must_use]
    pub fn patch<H: Handler<T, S>, T: 'static>(self, path: &str, guard: Guard, handler: H) -> Self {
        self.on(Method::PATCH, path, guard, handler)
    }

    /// A guarded `DELETE`.
    #[must_use]
    pub fn delete<H: Handler<T, S>, T: 'static>(
        self,
        path: &str,
        guard: Guard,
        handler: H,
    ) -> Self {
        self.on(Method::DELETE, path, guard, handler)
    }

    /// A guarded route of one method. Of a method that axum does not route, no route comes into
    /// being.
    #[must_use]
    pub fn on<H, T>(mut self, method: Method, path: &str, guard: Guard, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let Ok(filter) = MethodFilter::try_from(method.clone()) else {
            tracing::error!(%method, path, "this method cannot be routed: there is no such route");
            return self;
        };
        let layer = GuardLayer::new(self.agents.clone(), guard.clone());
        self.guarded = self.guarded.route(path, on(filter, handler).route_layer(layer));
        self.routes.push(GuardedRoute { method, path: path.to_owned(), guard });
        self
    }

    /// An MCP server at a path, for agents alone. The guard is the whole protection of its tools: see
    /// [`crate::mcp`].
    #[cfg(feature = "mcp")]
    #[must_use]
    pub fn mcp<T, R>(mut self, path: &str, guard: &ToolGuard, server: T) -> Self
    where
        T: Service<Request<MessageBody>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        T::Future: Send,
        R: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        R::Error: Into<BoxError>,
    {
        let guarded = guard.over_http(&self.agents).layer(server);
        self.guarded = self.guarded.route_service(path, guarded);
        self
    }

    /// Routes without guards: closed to agents, untouched for everybody else.
    #[must_use]
    pub fn merge(mut self, router: impl Into<Router<S>>) -> Self {
        self.plain = self.plain.merge(router);
        self
    }

    /// Another router of guarded routes, under the same paths.
    #[must_use]
    pub fn merge_guarded(mut self, other: Self) -> Self {
        self.guarded = self.guarded.merge(other.guarded);
        self.plain = self.plain.merge(other.plain);
        self.routes.extend(other.routes);
        self
    }

    /// Another router of guarded routes, under a prefix. What answers to its unknown paths is this
    /// router's fallback.
    #[must_use]
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        self.guarded = self.guarded.nest(prefix, other.guarded);
        self.plain = self.plain.nest(prefix, other.plain);
        let prefix = prefix.trim_end_matches('/');
        let below = |route: GuardedRoute| {
            // the prefix itself is what axum serves the inner `/` at
            let inner = if route.path == "/" { "" } else { &route.path };
            GuardedRoute { path: format!("{prefix}{inner}"), ..route }
        };
        self.routes.extend(other.routes.into_iter().map(below));
        self
    }

    /// The finished router: guarded routes, closed ones, the mounted routes and the discovery
    /// document.
    pub fn with_state<S2>(self, state: S) -> Router<S2> {
        let Self { agents, guarded, plain, routes, .. } = self;
        for route in routes {
            agents.add_route(route);
        }
        let closed = GuardLayer::closed(agents.clone());
        // the fallback of what is merged last stays
        let app = guarded.merge(mounted::routes(&agents)).merge(plain.layer(closed));
        app.layer(from_fn(refuse_tokens_in_forms)).with_state(state)
    }
}
