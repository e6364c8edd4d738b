//! Signing in to the dashboard, from a service's first run on.

use serde_json::{Value, json};

use crate::support::{Ran, Service, Store, text};

/// The code among what a service said: a line of its own.
fn code_in(said: &[String]) -> Option<String> {
    let is_code = |line: &&str| {
        line.len() == 19 && line.split('-').all(|group| group.len() == 4) && !line.contains(' ')
    };
    said.iter().map(|line| line.trim()).find(is_code).map(str::to_owned)
}

/// What a browser is answered: status, the cookie that it is given, the body.
fn ask(service: &Service, method: &str, path: &str, cookie: &str, body: &Value) -> Answer {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut builder = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", service.url))
        .header("agentadmit-dashboard", "1")
        .header("sec-fetch-site", "same-origin")
        .header("origin", service.url.clone());
    if !cookie.is_empty() {
        builder = builder.header("cookie", cookie);
    }
    let mut answer = if body.is_null() {
        agent.run(builder.body(()).unwrap()).unwrap()
    } else {
        let builder = builder.header("content-type", "application/json");
        agent.run(builder.body(body.to_string()).unwrap()).unwrap()
    };
    let set = answer.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
    let body = answer.body_mut().read_to_string().unwrap();
    Answer { status: answer.status().as_u16(), set: set.unwrap_or_default(), body }
}

struct Answer {
    status: u16,
    set: String,
    body: String,
}

impl Answer {
    fn cookie(&self) -> String {
        self.set.split(';').next().unwrap().to_owned()
    }
}

fn sign_in(service: &Service, code: &str) -> Answer {
    ask(service, "POST", "/dashboard/session", "", &json!({"code": code}))
}

#[test]
fn a_first_run_prints_an_address_and_apart_from_it_a_code() {
    let store = Store::new();
    let mut service = store.serve();
    let page = format!("dashboard at {}/dashboard", service.url);
    assert!(service.said.contains(&page), "{:#?}", service.said);
    let code = code_in(&service.said).expect("a code");
    assert!(!service.said.iter().any(|line| line.contains("http") && line.contains(&code)));

    let html = ask(&service, "GET", "/dashboard", "", &Value::Null);
    assert_eq!(html.status, 200);
    assert!(html.body.contains("/dashboard/assets/dashboard.js"), "{}", html.body);
    let signed_in = sign_in(&service, &code);
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    assert!(signed_in.set.starts_with("agentadmit-session="), "over http: {}", signed_in.set);
    assert!(signed_in.set.ends_with("HttpOnly; SameSite=Strict"), "{}", signed_in.set);
    assert_eq!(sign_in(&service, &code).status, 401);
    let cookie = signed_in.cookie();
    let apps = ask(&service, "GET", "/v1/operator/apps", &cookie, &Value::Null);
    assert_eq!(apps.status, 200, "{}", apps.body);

    // the next start is no first run, and the session is still there
    service.terminate();
    let mut log: Vec<String> = service.log.iter().collect();
    let mut again = Service::start({
        let mut command = store.serve_command();
        command.args(["--log", "debug"]);
        command
    });
    assert_eq!(code_in(&again.said), None);
    let session = ask(&again, "GET", "/dashboard/session", &cookie, &Value::Null);
    assert_eq!(session.status, 200, "{}", session.body);
    again.terminate();
    log.extend(again.said.clone());
    log.extend(again.log.iter());
    let (_, secret) = cookie.split_once('=').unwrap();
    for line in &log {
        assert!(!line.contains(secret) && !line.contains(&code), "{line}");
    }
}

#[test]
fn only_a_first_run_prints_a_code_and_only_if_it_may() {
    let store = Store::new();
    store.operator();
    let with_operator = store.serve();
    assert_eq!(code_in(&with_operator.said), None, "{:#?}", with_operator.said);
    drop(with_operator);

    for (option, has_page) in [("--no-sign-in-code", true), ("--no-dashboard", false)] {
        let store = Store::new();
        let mut command = store.serve_command();
        command.arg(option);
        let service = Service::start(command);
        assert_eq!(code_in(&service.said), None, "{option}: {:#?}", service.said);
        let page = ask(&service, "GET", "/dashboard", "", &Value::Null);
        assert_eq!(page.status, if has_page { 200 } else { 404 }, "{option}");
        assert_eq!(service.said.iter().any(|line| line.contains("/dashboard")), has_page);
    }
}

#[test]
fn a_code_is_made_on_the_machine_and_with_a_token() {
    let store = Store::new();
    let token = store.operator();
    let service = store.serve();
    let on_machine = store.run(&["operator", "sign-in"]).ok().json();
    assert_eq!(on_machine["dashboard_url"], Value::Null);
    let with_token = service.run(&token, &["operator", "sign-in"]).ok().json();
    assert_eq!(with_token["dashboard_url"], format!("{}/dashboard", service.url).as_str());
    let (one, other) = (
        sign_in(&service, &text(&on_machine, "code")),
        sign_in(&service, &text(&with_token, "code")),
    );
    assert_eq!((one.status, other.status), (200, 200), "{} {}", one.body, other.body);

    let list = service.run(&token, &["operator", "sessions"]).ok().json();
    let sessions = list["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{list}");
    let newest = text(&sessions[0], "session_id");
    let ended = store.run(&["operator", "end-session", &newest]).ok().json();
    assert_eq!(ended["status"], "ended");
    let over = ask(&service, "GET", "/dashboard/session", &other.cookie(), &Value::Null);
    assert_eq!(over.status, 401, "{}", over.body);
    let left = ask(&service, "GET", "/dashboard/session", &one.cookie(), &Value::Null);
    assert_eq!(left.status, 200, "{}", left.body);

    // in words: the code, until when, and where
    let words =
        Ran::of(crate::support::agentadmit().env("AGENTADMIT_OPERATOR_TOKEN", &token).args([
            "operator",
            "sign-in",
            "--service",
            &service.url,
        ]))
        .ok();
    for word in ["code", "good until", "/dashboard"] {
        assert!(words.stdout.contains(word), "{word} is not in {}", words.stdout);
    }
}

#[test]
fn a_sessions_limits_are_options() {
    let store = Store::new();
    let mut command = store.serve_command();
    command.args(["--session-idle-minutes", "5", "--session-hours", "1"]);
    let service = Service::start(command);
    let signed_in = sign_in(&service, &code_in(&service.said).expect("a code"));
    assert!(signed_in.set.contains("Max-Age=3600;"), "{}", signed_in.set);
    let session: Value = serde_json::from_str(&signed_in.body).unwrap();
    let minutes = |member: &str| {
        let time = text(&session, member);
        let minute: i32 = time[14..16].parse().unwrap();
        minute
    };
    let between = (minutes("expires_at") - minutes("idle_expires_at")).rem_euclid(60);
    assert_eq!(between, 55, "{session}");
}

/// The dashboard has one address: another is refused.
#[test]
fn the_dashboard_has_the_public_address() {
    let store = Store::new();
    let mut command = store.serve_command();
    command.args(["--public-url", "https://auth.example.com", "--behind-proxy"]);
    let service = Service::start(command);
    assert!(service.said.contains(&"dashboard at https://auth.example.com/dashboard".to_owned()));
    let code = code_in(&service.said).expect("a code");
    // the browser's origin is that of the address it was told, and not where the service listens
    let elsewhere = sign_in(&service, &code);
    assert_eq!(elsewhere.status, 403, "{}", elsewhere.body);
}

#[test]
fn developers_are_let_in_and_shut_out_by_the_command_line() {
    let store = Store::new();
    let token = store.operator();
    let mut command = store.serve_command();
    command.args(["--sign-up", "invite"]);
    let service = Service::start(command);
    let run = |args: &[&str]| service.run(&token, args).ok().json();
    let app = text(&run(&["apps", "create", "--name", "Shop"]), "app_id");

    let on_machine = store.run(&["developer", "invite"]).ok().json();
    assert_eq!(on_machine["url"], Value::Null);
    let made = run(&["apps", "invite", &app, "--role", "owner", "--seconds", "600"]);
    let code = text(&made, "code");
    assert_eq!(text(&made, "url"), format!("{}/dashboard/join#{code}", service.url));
    assert_eq!(run(&["apps", "invites", &app])["invites"].as_array().unwrap().len(), 1);
    let used = json!({"code": code, "label": "Dan"});
    let dan = ask(&service, "POST", "/dashboard/invite/use", "", &used);
    assert_eq!(dan.status, 200, "{}", dan.body);

    let listed = run(&["developer", "list"]);
    let account = text(&listed["accounts"][0], "account_id");
    assert_eq!(listed["accounts"][0]["apps"], json!([{"app_id": app, "role": "owner"}]));
    assert_eq!(run(&["apps", "members", &app])["members"][0]["label"], "Dan");
    let viewer = run(&["apps", "set-role", &app, &account, "--role", "viewer"]);
    assert_eq!(viewer["role"], "viewer");

    let whole = format!("/v1/operator/apps/{app}");
    let sees = || ask(&service, "GET", &whole, &dan.cookie(), &Value::Null).status;
    assert_eq!(sees(), 200);
    run(&["developer", "suspend", &account]);
    assert_eq!(sees(), 401);
    run(&["developer", "resume", &account]);
    assert_eq!(sees(), 200);
    run(&["apps", "remove-member", &app, &account]);
    assert_eq!(sees(), 404);

    let link = run(&["developer", "sign-in-link", &account]);
    let invites = run(&["developer", "invites"]);
    assert_eq!(invites["invites"].as_array().unwrap().len(), 2, "{invites}");
    let back = json!({"code": text(&link, "code")});
    let back = ask(&service, "POST", "/dashboard/invite/use", "", &back);
    assert_eq!(back.status, 200, "{}", back.body);
    let revoked = run(&["developer", "revoke-invite", &text(&on_machine, "invite_id")]);
    assert_eq!(revoked["status"], "revoked");
    let unsure = service.run(&token, &["developer", "delete", &account]);
    assert_eq!(unsure.code, Some(2), "{}", unsure.stderr);
    assert_eq!(run(&["developer", "delete", &account, "--yes"])["status"], "deleted");
    let over = ask(&service, "GET", "/dashboard/session", &back.cookie(), &Value::Null);
    assert_eq!(over.status, 401, "{}", over.body);
}
