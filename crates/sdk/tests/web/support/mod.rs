//! A shop with agents, on real sockets: client -> shop -> spy -> service.

mod shop;
mod spy;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use agentadmit::axum::AgentRouter;
use agentadmit::settings::{ApiKey, Settings};
use agentadmit::time::ManualClock;
use agentadmit::{AgentAdmit, Client as SdkClient};
use agentadmit_testkit::client::{Client, Reply, Request};
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{App, Connection, no_rate_limits};
use axum::Router;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) use shop::{Customer, Shop, ShopState};
pub(crate) use spy::{Mode, Spy};

/// The origin that the shop is configured with. Nobody listens there: addresses in answers are
/// built from it all the same.
pub(crate) const ORIGIN: &str = "https://shop.example";

/// Whatever a test asks for, running.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) spy: Arc<Spy>,
    pub(crate) shop: Arc<ShopState>,
    pub(crate) clock: ManualClock,
    pub(crate) app: App,
    agents: AgentAdmit<Shop>,
    _service: TestService,
    _runtime: Runtime,
}

/// What differs from test to test.
pub(crate) struct Options {
    pub(crate) rate_limits: Value,
    pub(crate) settings: fn(&mut Settings),
}

impl Default for Options {
    fn default() -> Self {
        Self { rate_limits: no_rate_limits(), settings: |_| {} }
    }
}

impl World {
    /// With these routes.
    pub(crate) fn start(routes: fn(AgentRouter<Shop>) -> AgentRouter<Shop>) -> Self {
        Self::with(&Options::default(), routes)
    }

    /// With these routes and settings.
    pub(crate) fn with(
        options: &Options,
        routes: fn(AgentRouter<Shop>) -> AgentRouter<Shop>,
    ) -> Self {
        let service = TestService::on_model();
        let app = service.operator().app(&options.rate_limits);
        let catalogue = serde_json::to_value(shop::catalogue()).unwrap();
        let put = Request::new("PUT", format!("/v1/apps/{}/scopes", app.app_id));
        app.client().ask(&app.by_key(put.json(&json!({"scopes": catalogue})))).expect(200);

        let runtime = Runtime::new().unwrap();
        let spy = Arc::new(Spy::new(service.address()));
        let spy_address = serve(&runtime, Spy::router(Arc::clone(&spy)));
        let mut settings = settings(&app, spy_address);
        (options.settings)(&mut settings);

        let clock = ManualClock::new(1_700_000_000_000);
        let state = Arc::new(ShopState::default());
        let client = SdkClient::new(&settings).unwrap();
        let agents = AgentAdmit::builder(settings, Shop(Arc::clone(&state)))
            .client(client)
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        let app_router = routes(agents.router()).with_state(());
        let address = serve(&runtime, app_router);
        Self { address, spy, shop: state, clock, app, agents, _service: service, _runtime: runtime }
    }

    /// What the shop lets agents in with.
    pub(crate) fn agents(&self) -> AgentAdmit<Shop> {
        self.agents.clone()
    }

    /// Asks the shop.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Reply {
        Client::new(self.address).ask(request)
    }

    /// A connection, past the shop.
    pub(crate) fn connect(&self, user: &str, scopes: &[&str]) -> Connection {
        self.app.connect(&mut self.app.client(), user, scopes)
    }

    /// Ends a connection, past the shop.
    pub(crate) fn revoke(&self, connection: &Connection) {
        let whose = json!({"connection_id": connection.id});
        self.app.client().ask(&self.app.revoke(&whose)).expect(200);
    }
}

fn settings(app: &App, service: SocketAddr) -> Settings {
    let url = format!("http://{service}").parse().unwrap();
    let mut settings = Settings::new(url, ApiKey::new(app.key.clone()).unwrap());
    settings.app_id = Some(app.app_id.parse().unwrap());
    settings.name = Some("Shop".parse().unwrap());
    settings.public_url = Some(ORIGIN.parse().unwrap());
    settings.scopes = shop::catalogue();
    settings.timeout = Duration::from_secs(20);
    settings
}

fn serve(runtime: &Runtime, router: Router) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move { axum::serve(listener, service).await });
    address
}

/// A request of a signed-in user, as a page of the shop makes it.
pub(crate) fn by_user(user: &str, request: Request) -> Request {
    request.header("Cookie", format!("session={user}")).header("Origin", ORIGIN)
}

/// A request to a mounted route.
pub(crate) fn mounted(path: &str) -> String {
    format!("/agentadmit{path}")
}
