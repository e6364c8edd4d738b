//! From an empty folder to an agent's first allowed call, with the real programs: what a developer
//! types, what a user clicks, what an agent sends.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use agentadmit_testkit::client::{Client, Request};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Ran, Service, agentadmit};

#[test]
fn an_empty_folder_becomes_an_app_that_lets_an_agent_in() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Ran::of(agentadmit().args(arguments).current_dir(&folder));
    run(&["init"]).ok();
    let shop = listen_elsewhere(&folder);
    run(&["check"]).ok();
    let mut dev = start(&folder, shop);
    run(&["check"]).ok();

    let mut browser = Client::new(shop);
    let form = "login=ada&password=difference-engine";
    let log_in = Request::new("POST", "/login").body("application/x-www-form-urlencoded", form);
    let signed_in = browser.ask(&log_in);
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let as_ada = |request: Request| {
        request.header("Cookie", &cookie).header("Origin", format!("http://{shop}"))
    };
    let wanted = json!({"scopes": ["read:orders"], "duration_seconds": 3600});
    let grant = as_ada(Request::post("/agentadmit/connections/generate-token", &wanted));
    let granted = browser.ask(&grant);
    granted.expect(201);

    let said = guide(&dev);
    for place in [format!("http://{shop}/"), format!("http://{shop}/agentadmit")] {
        assert!(said.iter().any(|line| line.contains(&format!("  {place} "))), "{said:#?}");
    }
    // the consent page leads back to the address that `init` wrote down
    let asked = json!({"return_url": format!("http://{shop}/")});
    let opened = as_ada(Request::post("/agentadmit/consent-sessions", &asked));
    browser.ask(&opened).expect(201);
    let second = browser.ask(&grant);
    let first = be_the_agent(&second.text("prompt"));
    let first = first.ok().stdout;
    assert!(first.contains("Its first call") && first.contains("A-1001"), "{first}");
    assert!(!first.contains(&second.text("token")), "{first}");
    be_the_agent(&second.text("token")).exits(2);
    be_the_agent("no token").exits(2);

    let mut agent = Client::new(shop);
    let document = agent.ask(&Request::get("/.well-known/agentadmit")).expect(200);
    let exchange = document["token_exchange_endpoint"].as_str().unwrap();
    let path = exchange.strip_prefix(&format!("http://{shop}")).expect("the shop's own origin");
    let exchanged = agent.ask(&Request::post(path, &json!({"token": granted.text("token")})));
    exchanged.expect(200);
    let orders = Request::get("/orders").bearer(&exchanged.text("access_token"));
    let orders = agent.ask(&orders).expect(200).to_string();
    assert!(orders.contains("A-1001"), "{orders}");

    dev.terminate();
    let gone = Client::new(shop).send(&Request::get("/"));
    assert!(gone.is_err(), "the app ended with the service: {gone:?}");
}

/// The numbered steps that `dev` prints when the app is there.
fn guide(dev: &Service) -> Vec<String> {
    let mut lines = dev.log.iter().skip_while(|line| !line.ends_with("lets agents in"));
    lines.next();
    lines.by_ref().take_while(|line| !line.is_empty()).collect()
}

/// `agentadmit agent`, given this.
fn be_the_agent(pasted: &str) -> Ran {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(pasted.as_bytes()).unwrap();
    file.rewind().unwrap();
    Ran::of(agentadmit().arg("agent").stdin(file))
}

/// The developer's edit: the app listens on a port that is free here.
fn listen_elsewhere(folder: &TempDir) -> SocketAddr {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = folder.path().join("agentadmit.yaml");
    let configuration = fs::read_to_string(&file).unwrap();
    let edited = configuration.replace("127.0.0.1:8000", &address.to_string());
    assert_ne!(edited, configuration, "`init` says where the app listens");
    fs::write(file, edited).unwrap();
    address
}

/// `agentadmit dev` with the shop as the app; both listen when this returns.
fn start(folder: &TempDir, shop: SocketAddr) -> Service {
    let mut command = agentadmit();
    command.args(["dev", "--listen", "127.0.0.1:0", "--", env!("CARGO_BIN_EXE_agentadmit")]);
    // the shop ends with this test, even if the test fails: its stdin is open as long
    command.args(["__demo-app", &shop.to_string(), "--until-stdin-ends"]);
    command.stdin(Stdio::piped()).current_dir(folder);
    let dev = Service::start(command);
    let wanted = format!("listening on http://{shop}");
    let mut said = Vec::new();
    for line in &dev.log {
        if line == wanted {
            return dev;
        }
        said.push(line);
    }
    panic!("the shop did not start: {said:#?}");
}
