//! The one object that an app makes: its settings, its client, its own answers about users.

use std::net::IpAddr;
use std::sync::Arc;

use agentadmit_protocol::WebUrl;
use agentadmit_protocol::exchange_failures::ExchangeFailures;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::scope::{Scope, ScopeName};
use http::request::Parts;
use parking_lot::{Mutex, RwLock};

use crate::app::App;
#[cfg(feature = "tower")]
use crate::app::{AppError, BoxFuture, Sessions, SignedIn};
use crate::client::{Client, ServiceClient};
use crate::discovery::Published;
use crate::error::ConfigurationError;
use crate::guard::{GuardedRoute, client_address};
use crate::keys::SigningKey;
use crate::resource::Resource;
use crate::settings::Settings;
use crate::time::{Clock, SystemClock};

/// An app that lets agents in. Cheap to clone; clones are one.
///
/// `C` is how the service is asked: [`Client`], or the frame of another language's web framework
/// that carries each question out of the future and the answer back in.
pub struct AgentAdmit<A: App, C = Client> {
    inner: Arc<Inner<A, C>>,
}

struct Inner<A, C> {
    app: A,
    client: C,
    clock: Arc<dyn Clock>,
    identity: Identity,
    resource: Resource,
    texts: Texts,
    key: Option<SigningKey>,
    routes: RwLock<Vec<GuardedRoute>>,
    published: Published,
    failures: Mutex<ExchangeFailures>,
}

/// What every address and every document of the app is made from.
pub(crate) struct Identity {
    pub(crate) app_id: AppId,
    /// Scheme, host and port of `public_url`, as in a header `Origin`.
    pub(crate) origin: String,
    /// Where the routes are mounted: `route_prefix`, unless the app mounts them elsewhere.
    pub(crate) prefix: String,
}

/// What the discovery document says beside the settings.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) instructions: Option<String>,
    pub(crate) connections_page: Option<WebUrl>,
    pub(crate) logo_uri: Option<WebUrl>,
    pub(crate) documentation_uri: Option<WebUrl>,
    pub(crate) openapi_uri: Option<WebUrl>,
}

impl<A: App, C> Clone for AgentAdmit<A, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<A: App, C> std::fmt::Debug for AgentAdmit<A, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Identity { app_id, origin, .. } = &self.inner.identity;
        f.debug_struct("AgentAdmit")
            .field("app_id", app_id)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

impl<A: App> AgentAdmit<A> {
    /// With a client on the machine's clock and the default texts.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(settings: Settings, app: A) -> Result<Self, ConfigurationError> {
        Self::builder(settings, app).build()
    }

    /// With a client, a clock or texts of the app's own.
    pub fn builder(settings: Settings, app: A) -> Builder<A> {
        Builder::of(settings, app)
    }
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// What it was made with.
    pub fn settings(&self) -> &Settings {
        self.inner.client.settings()
    }

    /// The client that guards and mounted routes ask with.
    pub fn client(&self) -> &C {
        &self.inner.client
    }

    /// The app's own answers.
    pub fn app(&self) -> &A {
        &self.inner.app
    }

    /// Puts a guarded route into the discovery document. `axum::AgentRouter` does it by
    /// itself; around other routers each route that agents may use is named here.
    pub fn add_route(&self, route: GuardedRoute) {
        if let Some(fault) = route.guard.fault() {
            let GuardedRoute { method, path, .. } = &route;
            tracing::error!(%method, path, fault, "this route's guard refuses every agent");
        }
        for scope in route.guard.scopes().filter(|scope| !self.is_in_catalogue(scope)) {
            let GuardedRoute { method, path, .. } = &route;
            tracing::warn!(%method, path, %scope, "no connection can hold a scope outside of `scopes`");
        }
        self.inner.routes.write().push(route);
    }

    /// Replaces the routes of the discovery document, for a framework whose routes are found anew
    /// when the app adds some.
    pub fn set_routes(&self, routes: Vec<GuardedRoute>) {
        self.inner.routes.write().clear();
        for route in routes {
            self.add_route(route);
        }
        self.inner.published.forget();
    }

    /// The routes of the discovery document, in the order in which they were added.
    pub fn routes(&self) -> Vec<GuardedRoute> {
        self.inner.routes.read().clone()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    pub(crate) fn resource(&self) -> &Resource {
        &self.inner.resource
    }

    /// Where the routes are mounted: begins with `/`, ends without.
    pub fn prefix(&self) -> &str {
        &self.inner.identity.prefix
    }

    pub(crate) fn texts(&self) -> &Texts {
        &self.inner.texts
    }

    pub(crate) fn signing_key(&self) -> Option<&SigningKey> {
        self.inner.key.as_ref()
    }

    pub(crate) fn published(&self) -> &Published {
        &self.inner.published
    }

    pub(crate) fn failures(&self) -> &Mutex<ExchangeFailures> {
        &self.inner.failures
    }

    pub(crate) fn route_count(&self) -> usize {
        self.inner.routes.read().len()
    }

    pub(crate) fn is_in_catalogue(&self, scope: &ScopeName) -> bool {
        self.settings().scopes.iter().any(|known| known.name == *scope)
    }

    /// Whether only admins may grant and use a scope.
    pub(crate) fn is_admin_scope(&self, scope: &ScopeName) -> bool {
        let is_marked = |known: &Scope| known.admin && known.name == *scope;
        scope.is_always_admin() || self.settings().scopes.iter().any(is_marked)
    }

    /// Whether the app's admin check passes for this user, now.
    pub(crate) async fn is_admin(&self, user: &A::User) -> bool {
        self.app().admins() && self.app().is_admin(user).await
    }

    /// The address that a request comes from; `None` where the connection's other end is unknown.
    pub(crate) fn client_address(&self, parts: &Parts, peer: Option<IpAddr>) -> Option<IpAddr> {
        peer.map(|peer| client_address(peer, &parts.headers, &self.settings().trusted_proxies))
    }
}

#[cfg(feature = "tower")]
impl<A: App> Sessions<A::User> for AgentAdmit<A> {
    fn current_user<'a>(
        &'a self,
        request: &'a Parts,
    ) -> BoxFuture<'a, Result<Option<A::User>, AppError>> {
        Box::pin(self.app().current_user(request))
    }
}

#[cfg(feature = "tower")]
impl<A: App> SignedIn for AgentAdmit<A> {
    fn is_signed_in<'a>(&'a self, request: &'a Parts) -> BoxFuture<'a, Result<bool, AppError>> {
        Box::pin(async move { Ok(self.app().current_user(request).await?.is_some()) })
    }
}

/// An [`AgentAdmit`] before it is made.
pub struct Builder<A, C = Client> {
    settings: Settings,
    app: A,
    client: Option<C>,
    prefix: Option<String>,
    key: Option<SigningKey>,
    clock: Arc<dyn Clock>,
    texts: Texts,
}

impl<A: App, C: ServiceClient> Builder<A, C> {
    /// One that asks the service as `C` does.
    pub fn of(settings: Settings, app: A) -> Self {
        Self {
            settings,
            app,
            client: None,
            prefix: None,
            key: None,
            clock: Arc::new(SystemClock),
            texts: Texts::default(),
        }
    }

    /// A client that the app has already. Its settings count, not those given here.
    #[must_use]
    pub fn client(mut self, client: C) -> Self {
        self.client = Some(client);
        self
    }

    /// Where the app really mounts the routes, when that is not `route_prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// The app's key pair, where it does not lie at `private_key_path`.
    #[must_use]
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The clock of streams, limits and signatures, for tests of what waits. The client has its own.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What an agent should know before it calls: plain text, at most 1,000 characters.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.texts.instructions = Some(text.into());
        self
    }

    /// The app's own page on which a person gets a token.
    #[must_use]
    pub fn connections_page(mut self, url: WebUrl) -> Self {
        self.texts.connections_page = Some(url);
        self
    }

    /// The app's picture.
    #[must_use]
    pub fn logo_uri(mut self, url: WebUrl) -> Self {
        self.texts.logo_uri = Some(url);
        self
    }

    /// Where the app's API is explained.
    #[must_use]
    pub fn documentation_uri(mut self, url: WebUrl) -> Self {
        self.texts.documentation_uri = Some(url);
        self
    }

    /// Where the app's API is described in OpenAPI.
    #[must_use]
    pub fn openapi_uri(mut self, url: WebUrl) -> Self {
        self.texts.openapi_uri = Some(url);
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// `app_id` or `public_url` is missing, `public_url` has a path, `resource` has a query, or
    /// `route_prefix` is none; the private key cannot be read; what [`Client::new`] says.
    pub fn build(self) -> Result<AgentAdmit<A, C>, ConfigurationError> {
        let Self { settings, app, client, prefix, key, clock, texts } = self;
        let client = client.map_or_else(|| C::for_settings(&settings), Ok)?;
        let settings = client.settings();
        let identity = Identity::of(settings, prefix)?;
        let resource = Resource::of(settings)?;
        let key = match (key, &settings.private_key_path) {
            (None, Some(path)) => Some(SigningKey::read(path)?),
            (key, _) => key,
        };
        let inner = Inner {
            app,
            client,
            clock,
            identity,
            resource,
            texts,
            key,
            routes: RwLock::default(),
            published: Published::default(),
            failures: Mutex::default(),
        };
        Ok(AgentAdmit { inner: Arc::new(inner) })
    }
}

impl Identity {
    fn of(settings: &Settings, prefix: Option<String>) -> Result<Self, ConfigurationError> {
        let missing = |key: &str, line: &str, variable: &str| {
            let text =
                format!("{key} is not set: write `{line}` into agentadmit.yaml, or set {variable}");
            ConfigurationError(text)
        };
        let app_id = settings
            .app_id
            .ok_or_else(|| missing("app_id", "app_id: app_…", "AGENTADMIT_APP_ID"))?;
        let public_url = settings.public_url.as_ref().ok_or_else(|| {
            missing("public_url", "public_url: https://app.example", "AGENTADMIT_PUBLIC_URL")
        })?;
        if !matches!(public_url.path(), "" | "/") || public_url.query().is_some() {
            return Err(ConfigurationError(
                "public_url must be an origin such as https://app.example, without a path"
                    .to_owned(),
            ));
        }
        let prefix = prefix.unwrap_or_else(|| settings.route_prefix.clone());
        check_prefix(&prefix)?;
        Ok(Self { app_id, origin: public_url.origin().ascii_serialization(), prefix })
    }
}

/// A prefix that is no plain path would mount the routes over the app's own, or nowhere.
fn check_prefix(prefix: &str) -> Result<(), ConfigurationError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    if prefix.starts_with('/') && !prefix.ends_with('/') && prefix.chars().all(is_plain) {
        return Ok(());
    }
    Err(ConfigurationError(
        "route_prefix must be a path such as /agentadmit: it begins with `/`, does not end with it, \
         and holds letters, digits and `-_.~` alone"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        for prefix in ["/agentadmit", "/api/v1/agents"] {
            assert!(check_prefix(prefix).is_ok(), "{prefix}");
        }
        for prefix in ["", "/", "agentadmit", "/agentadmit/", "/{any}", "/*", "/a b", "/a?b"] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
