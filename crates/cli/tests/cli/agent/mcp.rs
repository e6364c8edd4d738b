//! An MCP server over HTTP: `connect` finds who lets agents in there, and `mcp-bridge` passes everything on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::bridge::Client;
use super::hostile::{Liar, answer};
use super::person::{Asking, visit};
use crate::support::{Ran, agentadmit};

/// A server with two tools, which lets in whoever has `good-token-N`, and its own authorization server, which
/// says yes to everything. `write` needs `notes:write`, which only `good-token-2` has.
fn server(own: &str, asked: &str) -> Vec<u8> {
    let path = asked.split(' ').nth(1).unwrap_or_default();
    match path {
        "/.well-known/oauth-protected-resource/mcp" => {
            answer(200, &json!({"resource": format!("{own}/mcp"), "authorization_servers": [own]}))
        }
        "/.well-known/oauth-authorization-server" => answer(
            200,
            &json!({
                "issuer": own, "token_endpoint": format!("{own}/token"),
                "authorization_endpoint": format!("{own}/authorize"),
                "registration_endpoint": format!("{own}/register"),
                "revocation_endpoint": format!("{own}/revoke"),
                "code_challenge_methods_supported": ["S256"],
            }),
        ),
        "/register" => answer(201, &json!({"client_id": "c-1"})),
        "/revoke" => answer(200, &json!({})),
        "/token" => {
            let n = if asked.contains("code=wider") { 2 } else { 1 };
            let token = json!({"access_token": format!("good-token-{n}"), "token_type": "Bearer"});
            answer(200, &token)
        }
        "/mcp" => mcp(own, asked),
        _ => answer(404, &json!({})),
    }
}

fn challenged(own: &str, status: u16, more: &str) -> Vec<u8> {
    let metadata = format!("{own}/.well-known/oauth-protected-resource/mcp");
    format!(
        "HTTP/1.1 {status} No\r\nWWW-Authenticate: Bearer resource_metadata=\"{metadata}\", {more}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn mcp(own: &str, asked: &str) -> Vec<u8> {
    let bearer = asked.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
    let Some(token) = bearer.map(str::trim).filter(|token| token.starts_with("good-token-")) else {
        return challenged(own, 401, "scope=\"notes:read\"");
    };
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let Ok(message) = serde_json::from_str::<Value>(body) else {
        return answer(405, &json!({}));
    };
    let done = |result: &Value| {
        answer(200, &json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
    };
    match message["method"].as_str().unwrap_or_default() {
        "initialize" => done(&json!({
            "protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "Notes", "version": "1"}, "instructions": "Read and write.",
        })),
        "tools/list" => {
            let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
            done(&json!({"tools": [tool("read"), tool("write"), tool("echo"), tool("away")]}))
        }
        "tools/call" => match message["params"]["name"].as_str().unwrap_or_default() {
            "write" if token != "good-token-2" => {
                challenged(own, 403, "error=\"insufficient_scope\", scope=\"notes:write\"")
            }
            "echo" => {
                done(&json!({"content": [{"type": "text", "text": format!("your {token}")}]}))
            }
            "away" => {
                b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
                    .to_vec()
            }
            "read" => {
                let event = json!({"jsonrpc": "2.0", "id": message["id"],
                    "result": {"content": [{"type": "text", "text": "milk"}]}});
                let data = format!("event: message\ndata: {event}\n\n");
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n";
                format!("{head}Content-Length: {}\r\n\r\n{data}", data.len()).into_bytes()
            }
            _ => done(&json!({"content": [{"type": "text", "text": "written"}]})),
        },
        _ => b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    }
}

struct Machine {
    folder: tempfile::TempDir,
    url: String,
}

impl Machine {
    fn of(server: &Liar) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: format!("{}/mcp", server.url) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = agentadmit();
        command.args(arguments).env("XDG_CONFIG_HOME", self.folder.path()).env("BROWSER", "true");
        command
    }

    /// Connects; the scopes that were asked for.
    fn connects(&self, code: &str) -> String {
        let mut asking = Asking::start(self.command(&["connect", &self.url, "--browser"]));
        let link = asking.line(|line| line.starts_with("http"));
        let link = url::Url::parse(&link).unwrap();
        let one = |name: &str| {
            let found = link.query_pairs().find(|(known, _)| known == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        assert_eq!(one("resource"), self.url);
        let back = format!("{}?code={code}&state={}", one("redirect_uri"), one("state"));
        assert_eq!(visit(&back).status, 200);
        asking.ran().ok();
        one("scope")
    }

    fn kept(&self) -> String {
        let kept = self.folder.path().join("agentadmit/credentials.json");
        std::fs::read_to_string(kept).unwrap_or_default()
    }
}

#[test]
fn everything_passes_and_a_missing_scope_is_asked_for_with_the_others() {
    let server = Liar::hearing(server);
    let machine = Machine::of(&server);
    assert_eq!(machine.connects("first"), "notes:read");
    let client = Client::start(machine.command(&["mcp-bridge", &machine.url]));
    assert_eq!(client.instructions(), "Read and write.");
    let names: Vec<String> = client.tools().iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names, ["read", "write", "echo", "away"]);
    assert_eq!(client.call("read", &json!({})).ok().text(), "milk");

    let said = client.call("write", &json!({})).refused();
    assert!(said.contains("notes:write") && said.contains("agentadmit connect"), "{said}");
    assert_eq!(machine.connects("wider"), "notes:read notes:write");
    // the bridge that runs finds it
    assert_eq!(client.call("write", &json!({})).ok().text(), "written");

    assert_eq!(client.call("echo", &json!({})).ok().text(), "your …");
    let said = client.call("away", &json!({})).refused();
    assert!(said.contains("307"), "{said}");
    let token = format!("ag_at_{}", "x".repeat(49));
    let said = client.call("read", &json!({"note": token})).refused();
    assert!(said.contains("token in the arguments"), "{said}");
    assert!(!server.heard().contains(&token));

    let end = ["connect", "end", &machine.url];
    let ended = Ran::of(&mut machine.command(&end)).ok().stdout;
    assert!(ended.starts_with("Ended the connection"), "{ended}");
    assert!(server.heard().contains("token=good-token-2"), "the server was told");
    assert!(!machine.kept().contains("good-token"), "{}", machine.kept());
    let said = client.call("read", &json!({})).refused();
    assert!(said.contains("agentadmit connect"), "{said}");
    let (code, said) = client.end();
    assert_eq!((code, said.contains("good-token")), (Some(0), false), "{said}");
}

#[test]
fn a_scope_that_is_refused_all_the_same_is_asked_for_twice_and_no_more() {
    let server = Liar::hearing(server);
    let machine = Machine::of(&server);
    machine.connects("first");
    for _ in 0..2 {
        let client = Client::start(machine.command(&["mcp-bridge", &machine.url]));
        client.call("write", &json!({})).refused();
        client.end();
        assert_eq!(machine.connects("first"), "notes:read notes:write");
    }
    let client = Client::start(machine.command(&["mcp-bridge", &machine.url]));
    client.call("write", &json!({})).refused();
    client.end();
    let refused = Ran::of(&mut machine.command(&["connect", &machine.url, "--browser"])).exits(1);
    assert!(refused.stderr.contains("asked for twice"), "{}", refused.stderr);
}

#[test]
fn metadata_on_another_origin_is_not_fetched() {
    let elsewhere = Liar::hearing(server);
    let away = elsewhere.url.clone();
    let liar = Liar::hearing(move |own, asked| {
        let is_mcp = asked.starts_with("POST /mcp");
        if is_mcp { challenged(&away, 401, "scope=\"x\"") } else { server(own, asked) }
    });
    let machine = Machine::of(&liar);
    let ran = Ran::of(&mut machine.command(&["connect", &machine.url, "--browser"])).exits(1);
    assert!(ran.stderr.contains("another origin"), "{}", ran.stderr);
    assert_eq!((elsewhere.heard(), machine.kept()), (String::new(), String::new()));
}

/// A server that lets everybody in, and says more than any SDK knows.
fn talkative(_: &str, asked: &str) -> Vec<u8> {
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let Ok(message) = serde_json::from_str::<Value>(body) else {
        return answer(405, &json!({}));
    };
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "Talkative", "version": "1"}, "own": "of the server",
        }),
        "tools/list" => {
            let tool =
                json!({"name": "read", "inputSchema": {"type": "object"}, "own": {"a": [1]}});
            json!({"tools": [tool], "own": true})
        }
        _ => {
            return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_vec();
        }
    };
    answer(200, &json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
}

#[test]
fn what_the_sdk_does_not_know_passes_both_ways() {
    let server = Liar::hearing(talkative);
    let machine = Machine::of(&server);
    let mut command = machine.command(&["mcp-bridge", &machine.url]);
    let mut bridge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = bridge.stdin.take().unwrap();
    let mut stdout = BufReader::new(bridge.stdout.take().unwrap());
    let mut ask = |messages: &[Value]| {
        for message in messages {
            writeln!(stdin, "{message}").unwrap();
        }
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let begun = ask(&[json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "own": "of the client",
        "clientInfo": {"name": "by hand", "version": "1"},
    }})]);
    assert_eq!(begun["result"]["own"], "of the server");
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let list = json!({"jsonrpc": "2.0", "id": "b", "method": "tools/list", "params": {"own": [2]}});
    let listed = ask(&[initialized, list]);
    assert_eq!((&listed["id"], &listed["result"]["own"]), (&json!("b"), &json!(true)));
    assert_eq!(listed["result"]["tools"][0]["own"], json!({"a": [1]}));
    let unknown = ask(&[json!({"jsonrpc": "2.0", "id": 3, "method": 4})]);
    assert_eq!((&unknown["id"], &unknown["error"]["code"]), (&json!(3), &json!(-32600)));
    drop(stdin);
    assert!(bridge.wait().unwrap().success());
    let heard = server.heard();
    for own in [r#""own":"of the client""#, r#""own":[2]"#] {
        assert!(heard.contains(own), "{heard}");
    }
}
