//! The notes over real HTTP, with a service beside them, in the words of MCP: with a session, as clients
//! before 2026-07-28 talk, and without.

use std::path::Path;

use agentadmit::config;
use agentadmit_testkit::client::{Client, Reply, Request};
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::world::{App as Registered, no_rate_limits};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::*;

const NEWEST: &str = "2026-07-28";
const ALL: [&str; 3] = ["notes:read", "notes:write", "notes:delete"];

/// The notes that listen, and the service that they ask.
struct Open {
    address: SocketAddr,
    registered: Registered,
    _runtime: Runtime,
    _service: TestService,
}

impl Open {
    fn notes() -> Self {
        let service = TestService::on_model();
        let registered = service.operator().app(&no_rate_limits());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = settings(&registered, address);
        let gone = ["read:orders", "write:orders", "read:profile"];
        let catalogue = json!({"scopes": settings.scopes, "remove": gone});
        let path = format!("/v1/apps/{}/scopes", registered.app_id);
        let put = registered.by_key(Request::new("PUT", path).json(&catalogue));
        registered.client().ask(&put).expect(200);

        let agents = AgentAdmit::new(settings, Book::default()).unwrap();
        let router = routes(&agents, agents.app().clone()).unwrap();
        let service_of_notes = router.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, service_of_notes).await });
        Self { address, registered, _runtime: runtime, _service: service }
    }

    fn ask(&self, request: &Request) -> Reply {
        Client::new(self.address).ask(request)
    }

    /// An agent of a user's: its token.
    fn agent(&self, user: &str, scopes: &[&str]) -> String {
        self.registered.connect(&mut self.registered.client(), user, scopes).access_token
    }

    /// A client with the handshake of the revisions that have one.
    fn session(&self, token: &str) -> Session<'_> {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        });
        let begun = self.ask(&message("initialize", &params).bearer(token));
        assert_eq!(result_of(&begun)["serverInfo"]["name"], "notes");
        let id = begun.header("mcp-session-id").unwrap().to_owned();
        let session = Session { notes: self, id, token: token.to_owned() };
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.send(accepting(Request::post(ENDPOINT, &ready))).status, 202);
        session
    }
}

fn settings(registered: &Registered, address: SocketAddr) -> Settings {
    let environment = |name: &str| match name {
        "AGENTADMIT_SERVICE_URL" => Some(format!("http://{}", registered.address)),
        "AGENTADMIT_APP_ID" => Some(registered.app_id.clone()),
        "AGENTADMIT_API_KEY" => Some(registered.key.clone()),
        "AGENTADMIT_PUBLIC_URL" => Some(format!("http://{address}")),
        "AGENTADMIT_RESOURCE" => Some(format!("http://{address}{ENDPOINT}")),
        _ => None,
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(config::FILE_NAME);
    config::load(Some(&file), &environment).into_settings().unwrap()
}

/// A conversation with the server.
struct Session<'a> {
    notes: &'a Open,
    id: String,
    token: String,
}

impl Session<'_> {
    fn send(&self, request: Request) -> Reply {
        self.notes.ask(&request.header("Mcp-Session-Id", &self.id).bearer(&self.token))
    }

    fn call(&self, tool: &str, arguments: &Value) -> Reply {
        self.send(message("tools/call", &json!({"name": tool, "arguments": arguments})))
    }

    /// What a tool says.
    #[track_caller]
    fn hears(&self, tool: &str, arguments: &Value) -> String {
        let result = result_of(&self.call(tool, arguments));
        assert_ne!(result["isError"], true, "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }
}

fn accepting(request: Request) -> Request {
    request.header("Accept", "application/json, text/event-stream")
}

fn message(method: &str, params: &Value) -> Request {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    accepting(Request::post(ENDPOINT, &message))
}

/// The result in an answer, which is JSON or an event.
#[track_caller]
fn result_of(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    let text = String::from_utf8(reply.body.clone()).unwrap();
    let mut events = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let json = events.rfind(|data| !data.is_empty()).unwrap_or(&text);
    let said: Value = serde_json::from_str(json).unwrap();
    assert!(said["result"].is_object(), "{said}");
    said["result"].clone()
}

#[test]
fn tools_do_what_was_granted_for_whom_it_was_granted() {
    let notes = Open::notes();
    let ada = notes.session(&notes.agent("u_ada", &ALL));
    let grace = notes.session(&notes.agent("u_grace", &["notes:read"]));
    assert_eq!(ada.hears("add_note", &json!({"text": "bread"})), "note 1");
    assert_eq!(ada.hears("read_note", &json!({"number": 1})), "bread");
    assert_eq!(ada.hears("list_notes", &json!({})), "1");
    assert_eq!(grace.hears("list_notes", &json!({})), "no notes");
    let refused = grace.call("delete_note", &json!({"number": 1}));
    refused.expect_error(403, "insufficient_scope");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.ends_with("scope=\"notes:delete notes:write\""), "{challenge}");
    let listed = result_of(&grace.send(message("tools/list", &json!({}))));
    let tools = listed["tools"].as_array().unwrap();
    let mut names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["add_note", "delete_note", "list_notes", "read_note"]);
    let wiped = result_of(&ada.call("wipe_server", &json!({})));
    assert_eq!(wiped["isError"], true);
    assert_eq!(ada.hears("list_notes", &json!({})), "1");
    assert_eq!(ada.hears("delete_note", &json!({"number": 1})), "deleted");
}

#[test]
fn a_wider_grant_opens_what_was_refused_and_a_revoked_one_nothing() {
    let notes = Open::notes();
    let narrow = notes.agent("u_ada", &["notes:read"]);
    let mut session = notes.session(&narrow);
    let written = json!({"text": "bread"});
    session.call("add_note", &written).expect_error(403, "insufficient_scope");
    assert_eq!(session.hears("list_notes", &json!({})), "no notes");
    // the same session goes on with the wider token of the same user
    session.token = notes.agent("u_ada", &["notes:read", "notes:write"]);
    assert_eq!(session.hears("add_note", &written), "note 1");
    let all = json!({"user_id": "u_ada"});
    notes.registered.client().ask(&notes.registered.revoke(&all)).expect(200);
    session.call("list_notes", &json!({})).expect_error(401, "invalid_token");
}

#[test]
fn clients_of_the_newest_revision_need_no_session() {
    let notes = Open::notes();
    let token = notes.agent("u_ada", &["notes:read", "notes:write"]);
    let call = |tool: &'static str, arguments: Value| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": NEWEST,
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
        let request = message("tools/call", &params)
            .header("MCP-Protocol-Version", NEWEST)
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", tool);
        notes.ask(&request.bearer(&token))
    };
    let added = result_of(&call("add_note", json!({"text": "bread"})));
    assert_eq!(added["content"][0]["text"], "note 1");
    call("delete_note", json!({"number": 1})).expect_error(403, "insufficient_scope");
    assert_eq!(result_of(&call("wipe_server", json!({})))["resultType"], "complete");
    let read = result_of(&call("read_note", json!({"number": 1})));
    assert_eq!(read["content"][0]["text"], "bread");
}

#[test]
fn only_what_was_meant_for_this_server_is_taken() {
    let notes = Open::notes();
    let token = notes.agent("u_ada", &["notes:read"]);
    let ask = |origin: &str| {
        let request = message("ping", &json!({})).header("Origin", origin.to_owned());
        notes.ask(&request.bearer(&token)).status
    };
    assert_eq!(ask("https://evil.example"), 403);
    assert_eq!(ask("null"), 403);
    assert_ne!(ask(&format!("http://{}", notes.address)), 403);
    assert_ne!(ask("http://localhost:6274"), 403);
}

#[test]
fn people_sign_in_and_let_agents_in() {
    let notes = Open::notes();
    let log_in = |password: &str| {
        let form = format!("login=ada&password={password}");
        let form = Request::new("POST", "/login").body("application/x-www-form-urlencoded", form);
        notes.ask(&form)
    };
    assert_eq!(log_in("guess").status, 401);
    let cookie = log_in("difference-engine").header("set-cookie").unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let grant = json!({"scopes": ["notes:read"], "duration_seconds": 3600});
    let grant = Request::post("/agentadmit/connections/generate-token", &grant)
        .header("Cookie", cookie)
        .header("Origin", format!("http://{}", notes.address));
    let token = json!({"token": notes.ask(&grant).text("token")});
    let exchanged = notes.ask(&Request::post("/agentadmit/token/exchange", &token));
    let session = notes.session(&exchanged.text("access_token"));
    assert_eq!(session.hears("list_notes", &json!({})), "no notes");
    let page = notes.ask(&Request::get("/").header("Cookie", cookie)).body;
    assert!(String::from_utf8(page).unwrap().contains("Hello Ada."));
}
