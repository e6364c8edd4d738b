//! A person with a browser: who follows links, signs in at the app, and says yes or no on the page of the
//! service.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use agentadmit_testkit::client::{Client, Reply, Request};
use serde_json::{Value, json};

use super::world::World;
use crate::support::{Ran, text};

/// A command that waits for a person.
pub(super) struct Asking {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Asking {
    pub(super) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            for said in stderr.lines().map_while(Result::ok) {
                // the test may be over already
                let _ = line.send(said);
            }
        });
        Self { child, lines, said: String::new() }
    }

    /// The first line that begins so, without blanks.
    #[track_caller]
    pub(super) fn line(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        for line in &self.lines {
            self.said.push_str(&line);
            self.said.push('\n');
            if is_it(line.trim()) {
                return line.trim().to_owned();
            }
        }
        unreachable!("it said:\n{}", self.said)
    }

    /// Its end.
    pub(super) fn ran(mut self) -> Ran {
        let output = self.child.wait_with_output().unwrap();
        self.said.extend(self.lines.iter().map(|line| format!("{line}\n")));
        let stdout = String::from_utf8(output.stdout).unwrap();
        Ran { code: output.status.code(), stdout, stderr: self.said }
    }
}

/// What a person says.
pub(super) enum Says {
    Yes(&'static [&'static str]),
    No,
}

#[derive(Default)]
pub(super) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Types a device's code, and decides.
    pub(super) fn types(&mut self, world: &World, code: &str, says: &Says) {
        let form = form(&[("user_code", code)]);
        let page = self.send(&world.service.url, posted("/oauth/device", &form));
        assert_eq!(page.status, 200, "{page:?}");
        let html = String::from_utf8(page.body).unwrap();
        let (_, rest) = html.split_once("request_id=").unwrap();
        let is_id = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
        let id: String = rest.chars().take_while(is_id).collect();
        self.decides(world, &id, says);
    }

    /// Opens a client's link, decides, and goes where the answer goes.
    pub(super) fn opens(&mut self, world: &World, link: &str, says: &Says) -> String {
        let path = link.strip_prefix(&world.service.url).unwrap();
        let sent = self.send(&world.service.url, Request::get(path));
        let to_app = sent.header("location").unwrap_or_else(|| unreachable!("{sent:?}"));
        let (_, id) = to_app.split_once("request_id=").unwrap();
        let back = self.decides(world, id, says);
        back.header("location").unwrap().to_owned()
    }

    fn decides(&mut self, world: &World, id: &str, says: &Says) -> Reply {
        let path = format!("/v1/apps/{}/authorization-requests/{id}", world.app_id);
        let who = json!({"user_id": "u_ada", "user_label": "Ada"});
        let (status, bound) = world.service.request("POST", &path, &world.api_key, &who);
        assert_eq!(status, 200, "{bound}");
        let service = &world.service.url;
        let on = text(&bound, "continue_url");
        let on = self.send(service, Request::get(on.strip_prefix(service.as_str()).unwrap()));
        let page = on.header("location").unwrap().strip_prefix("..").unwrap().to_owned();
        let shown = self.send(service, Request::get(&page));
        let html = String::from_utf8(shown.body).unwrap();
        let (_, rest) = html.split_once(r#"name="form_token" value=""#).unwrap();
        let token = rest.split_once('"').unwrap().0;
        let mut said = vec![("form_token", token)];
        match says {
            Says::Yes(scopes) => {
                said.extend([("decision", "grant"), ("duration", "3600")]);
                said.extend(scopes.iter().map(|scope| ("scope", *scope)));
            }
            Says::No => said.push(("decision", "deny")),
        }
        self.send(service, posted(&page, &form(&said)))
    }

    fn send(&mut self, service: &str, request: Request) -> Reply {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            if pairs.is_empty() { request } else { request.header("Cookie", pairs.join("; ")) };
        let host = service.trim_start_matches("http://").parse().unwrap();
        let reply = Client::new(host).ask(&request);
        for set in reply.headers_named("set-cookie") {
            let (name, rest) = set.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        reply
    }
}

/// Goes to an address of this machine, as a browser does.
pub(super) fn visit(address: &str) -> Reply {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    Client::new(host.parse().unwrap()).ask(&Request::get(format!("/{path}")))
}

fn posted(path: &str, form: &str) -> Request {
    let request = Request::new("POST", path).body("application/x-www-form-urlencoded", form);
    request.header("Origin", "null").header("Sec-Fetch-Site", "same-origin")
}

fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).finish()
}

/// The world, with the app open to clients that never heard of it.
pub(super) fn opened() -> World {
    let world = World::new();
    let resources = json!([{"uri": world.app, "environment": "test"}]);
    let login = format!("login_url={}/agentadmit/authorize", world.app);
    let resources = format!("resources={resources}");
    let update = ["apps", "update", &world.app_id, "--set", &login, "--set", &resources];
    world.store.run(&update).ok();
    world
}

/// What is kept of the app.
pub(super) fn kept(world: &World) -> Value {
    let kept = std::fs::read_to_string(world.credentials()).unwrap_or_else(|_| "{}".to_owned());
    let kept: Value = serde_json::from_str(&kept).unwrap();
    kept["apps"][&world.app].clone()
}
