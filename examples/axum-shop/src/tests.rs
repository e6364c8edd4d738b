//! The shop over real HTTP, with a service beside it: customers, agents, and the end of a
//! connection on everything that stays open.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentadmit::config;
use agentadmit::stream::ASK_AGAIN_AFTER;
use agentadmit::time::ManualClock;
use agentadmit_testkit::client::{Client, Reply, Request};
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::App as Registered;
use serde_json::json;
use tokio::runtime::Runtime;
use tungstenite::client::IntoClientRequest as _;

use super::*;

/// A shop that listens, and the service that it asks.
struct Open {
    address: SocketAddr,
    clock: ManualClock,
    registered: Registered,
    runtime: Runtime,
    _service: TestService,
}

impl Open {
    fn shop() -> Self {
        let service = TestService::on_model();
        let registered = service.operator().app(&json!({}));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = settings(&registered, address);
        let catalogue =
            json!({"scopes": settings.scopes, "remove": ["write:orders", "read:profile"]});
        let path = format!("/v1/apps/{}/scopes", registered.app_id);
        let put = registered.by_key(Request::new("PUT", path).json(&catalogue));
        registered.client().ask(&put).expect(200);

        let (shop, clock) = (Shop::default(), ManualClock::new(0));
        let agents = AgentAdmit::builder(settings, shop.clone()).clock(Arc::new(clock.clone()));
        let router = routes(&agents.build().unwrap(), shop);
        let service_of_shop = router.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, service_of_shop).await });
        Self { address, clock, registered, runtime, _service: service }
    }

    fn ask(&self, request: &Request) -> Reply {
        Client::new(self.address).ask(request)
    }

    /// The cookie of a customer.
    fn log_in(&self, login: &str, password: &str) -> String {
        let form = format!("login={login}&password={password}");
        let form = Request::new("POST", "/login").body("application/x-www-form-urlencoded", form);
        let answer = self.ask(&form);
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// What Ada's browser sends.
    fn as_ada(&self, request: Request) -> Request {
        let cookie = self.log_in("ada", "difference-engine");
        request.header("Cookie", cookie).header("Origin", format!("http://{}", self.address))
    }

    /// Ada lets an agent read her orders: the connection's id, and what the agent holds.
    fn let_in(&self) -> (String, String) {
        let wanted = json!({"scopes": ["read:orders"], "duration_seconds": 3600});
        let grant = Request::post("/agentadmit/connections/generate-token", &wanted);
        let granted = self.ask(&self.as_ada(grant));
        granted.expect(201);
        let token = json!({"token": granted.text("token")});
        let exchanged = self.ask(&Request::post("/agentadmit/token/exchange", &token));
        exchanged.expect(200);
        (granted.text("connection_id"), exchanged.text("access_token"))
    }

    fn revoke(&self, connection: &str) {
        let path = format!("/agentadmit/connections/{connection}");
        let delete = Request::new("DELETE", path).json(&json!({}));
        self.ask(&self.as_ada(delete)).expect(200);
    }
}

fn settings(registered: &Registered, address: SocketAddr) -> Settings {
    let environment = |name: &str| match name {
        "AGENTADMIT_SERVICE_URL" => Some(format!("http://{}", registered.address)),
        "AGENTADMIT_APP_ID" => Some(registered.app_id.clone()),
        "AGENTADMIT_API_KEY" => Some(registered.key.clone()),
        "AGENTADMIT_PUBLIC_URL" => Some(format!("http://{address}")),
        _ => None,
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(config::FILE_NAME);
    config::load(Some(&file), &environment).into_settings().unwrap()
}

#[test]
fn customers_sign_in_and_see_their_own_orders() {
    let shop = Open::shop();
    let wrong = Request::new("POST", "/login")
        .body("application/x-www-form-urlencoded", "login=ada&password=guess");
    assert_eq!(shop.ask(&wrong).status, 401);
    assert_eq!(shop.ask(&Request::get("/orders")).status, 401);

    let orders = shop.ask(&shop.as_ada(Request::get("/orders"))).expect(200).to_string();
    assert!(orders.contains("A-1001") && !orders.contains("G-2001"), "{orders}");
    let refund = Request::post("/refunds", &json!({"order": "G-2001"}));
    assert_eq!(shop.ask(&shop.as_ada(refund)).status, 404, "another customer's order");
    let refund = Request::post("/refunds", &json!({"order": "A-1001"}));
    let refunded = shop.ask(&shop.as_ada(refund)).expect(200);
    assert_eq!(refunded["refunded"], true);

    let home = shop.ask(&shop.as_ada(Request::get("/")));
    let page = String::from_utf8(home.body).unwrap();
    assert!(page.contains("Hello Ada.") && page.contains("<agentadmit-panel"), "{page}");
    let script = page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert_eq!(shop.ask(&Request::get(script)).status, 200, "{script}");
}

#[test]
fn grace_looks_after_the_shop_and_ada_does_not() {
    let shop = Open::shop();
    shop.let_in();
    let all = |login, password| {
        let cookie = shop.log_in(login, password);
        shop.ask(&Request::get("/agentadmit/admin/connections").header("Cookie", cookie))
    };
    all("ada", "difference-engine").expect_error(403, "forbidden");
    let seen = all("grace", "compiler-1952").expect(200);
    assert_eq!(seen["connections"][0]["user_label"], "Ada");
}

#[test]
fn a_session_ends_with_the_log_out() {
    let shop = Open::shop();
    let cookie = shop.log_in("ada", "difference-engine");
    let with_cookie = |request: Request| request.header("Cookie", cookie.clone());
    shop.ask(&with_cookie(Request::get("/orders"))).expect(200);
    assert_eq!(shop.ask(&with_cookie(Request::new("POST", "/logout"))).status, 303);
    assert_eq!(shop.ask(&with_cookie(Request::get("/orders"))).status, 401);
}

#[test]
fn an_agent_does_what_it_was_granted_and_no_more() {
    let shop = Open::shop();
    let (connection, token) = shop.let_in();
    let ask = |request: Request| shop.ask(&request.bearer(&token));
    let orders = ask(Request::get("/orders")).expect(200).to_string();
    assert!(orders.contains("A-1001") && !orders.contains("G-2001"), "{orders}");
    let refund = ask(Request::post("/refunds", &json!({"order": "A-1001"})));
    let refused = refund.expect_error(403, "insufficient_scope");
    assert_eq!(refused["required_scope"], "create:refunds");
    for unguarded in ["/", "/nowhere"] {
        ask(Request::get(unguarded)).expect_error(403, "agent_not_allowed");
    }
    shop.revoke(&connection);
    ask(Request::get("/orders")).expect_error(401, "invalid_token");
}

#[test]
fn the_document_names_every_open_route_and_no_other() {
    let shop = Open::shop();
    let document = shop.ask(&Request::get("/.well-known/agentadmit")).expect(200);
    let routes = document["routes"].as_array().unwrap();
    let paths: Vec<_> = routes.iter().map(|route| route["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/orders", "/orders/events", "/orders/live", "/refunds"]);
    assert_eq!(document["app"]["id"], shop.registered.app_id);
}

#[test]
fn a_websocket_closes_at_the_first_message_after_the_revocation() {
    let shop = Open::shop();
    let (connection, token) = shop.let_in();
    let mut request = format!("ws://{}/orders/live", shop.address).into_client_request().unwrap();
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    let stream = std::net::TcpStream::connect(shop.address).unwrap();
    let (mut socket, _) = tungstenite::client(request, stream).unwrap();
    socket.send("A-1002".into()).unwrap();
    let answer = socket.read().unwrap().into_text().unwrap();
    assert!(answer.contains("Punch cards"), "{answer}");
    shop.revoke(&connection);
    socket.send("A-1002".into()).unwrap();
    match socket.read().unwrap() {
        tungstenite::Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1008),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_stream_breaks_off_after_the_revocation() {
    use std::io::{BufRead as _, BufReader, Write as _};

    let shop = Open::shop();
    let (connection, token) = shop.let_in();
    let mut stream = std::net::TcpStream::connect(shop.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let head = format!(
        "GET /orders/events HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut until = |wanted: &str| {
        let found = lines.by_ref().map_while(Result::ok).find(|line| line.contains(wanted));
        found.is_some()
    };
    assert!(until("A-1002"), "the orders as they are");
    let refund = Request::post("/refunds", &json!({"order": "A-1001"}));
    shop.ask(&shop.as_ada(refund)).expect(200);
    assert!(until("\"refunded\":true"), "and what changes");

    shop.revoke(&connection);
    // the stream waits for news until the service is asked again
    shop.runtime.block_on(shop.clock.until_sleeps(&[ASK_AGAIN_AFTER]));
    shop.clock.advance(ASK_AGAIN_AFTER);
    assert!(!until("never comes"), "the end of the stream, before the time-out");
    let last = lines.next().map(|line| line.map_err(|error| error.kind()));
    assert!(last.is_none(), "broken off: {last:?}");
}
