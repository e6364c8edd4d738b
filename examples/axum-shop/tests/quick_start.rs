//! The quick start of the README: it is the example, it compiles, and it lets an agent in.

#[expect(dead_code, unreachable_pub, reason = "it is a program, and nobody calls its main here")]
#[path = "../examples/quick_start.rs"]
mod quick_start;

use std::net::SocketAddr;

use agentadmit::protocol::scope::Scope;
use agentadmit::settings::{ApiKey, Settings};
use agentadmit_testkit::client::{Client, Request};
use agentadmit_testkit::service::TestService;
use serde_json::json;

#[test]
fn the_readme_shows_the_example() {
    let readme = include_str!("../../../README.md");
    let (_, block) = readme.split_once("```rust\n").expect("a block of Rust");
    let (block, _) = block.split_once("```").expect("its end");
    assert_eq!(block, include_str!("../examples/quick_start.rs"));
}

#[test]
fn the_quick_start_lets_an_agent_in() {
    let service = TestService::on_model();
    let app = service.operator().app(&json!({}));
    let connection = app.connect(&mut app.client(), "ada", &["read:orders"]);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let service_url = format!("http://{}", app.address).parse().unwrap();
    let mut settings = Settings::new(service_url, ApiKey::new(app.key.clone()).unwrap());
    settings.app_id = Some(app.app_id.parse().unwrap());
    settings.public_url = Some(format!("http://{address}").parse().unwrap());
    let scope = json!({"name": "read:orders", "description": "See your orders"});
    settings.scopes = vec![serde_json::from_value::<Scope>(scope).unwrap()];
    let router = quick_start::app(settings).unwrap();
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move { axum::serve(listener, router).await });

    let mut client = Client::new(address);
    let as_agent = |path: &str| Request::get(path).bearer(&connection.access_token);
    let orders = client.ask(&as_agent("/orders")).expect(200);
    assert_eq!(orders, "the orders of ada");
    client.ask(&as_agent("/account")).expect_error(403, "agent_not_allowed");
    let as_user = Request::get("/orders").header("Cookie", "session=ada-1");
    assert_eq!(client.ask(&as_user).expect(200), "the orders of ada");
    assert_eq!(client.ask(&Request::get("/orders")).status, 401);
    let revoked = app.revoke(&json!({"user_id": "ada"}));
    app.client().ask(&revoked).expect(200);
    client.ask(&as_agent("/orders")).expect_error(401, "invalid_token");
}
